"""The learnt water balance against a plain loop, the laws it must keep, and how far it and the U-Net see."""

import pytest
import torch

from loam.core.features import WEATHER
from loam.learning.network import Network
from loam.learning.reservoirs import RAIN_SCALE_MM, RESIDENCE_DAYS, Reservoirs
from loam.learning.unet import UNet

STATISTICS = {
    "dynamic_mean": [0.1] * 5,
    "dynamic_deviation": [2.0] * 5,
    "static_mean": [1.0, 0.0, 0.0],
    "static_deviation": [1.0, 2.0, 3.0],
}


def reservoirs(stride: int = 1, kernel_size: int = 3, stores: int = 6) -> Reservoirs:
    torch.manual_seed(0)
    return Reservoirs(
        dynamic_channels=5,
        static_channels=3,
        stores=stores,
        kernel_size=kernel_size,
        stride=stride,
        statistics=STATISTICS,
    ).eval()


def unet(levels: int = 2) -> UNet:
    torch.manual_seed(0)
    return UNet(
        steps=4,
        dynamic_channels=5,
        static_channels=3,
        channels=4,
        levels=levels,
        statistics=STATISTICS,
    ).eval()


def inputs(
    steps: int = 4, size: int = 12, batch: int = 2, stride: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    coarse = -(-size // stride)
    dynamic = 20 * torch.rand(batch, steps, len(WEATHER), coarse, coarse, generator=generator)
    return dynamic, torch.rand(batch, 3, size, size, generator=generator)


def plain(
    model: Reservoirs, dynamic: torch.Tensor, static: torch.Tensor, row: int, column: int
) -> torch.Tensor:
    """Stores of one pixel by the balance as it is written, store by store, day by day."""
    landscape = model.landscape(static)[0, :, row, column]
    store = torch.nn.functional.softplus(model.at_start.weight @ landscape + model.at_start.bias)
    for day in range(dynamic.shape[1]):
        weather = model.normalised(dynamic)[0, day, :, row, column]
        gates = (
            model.from_weather.weight @ weather
            + model.from_landscape.weight @ landscape
            + model.from_landscape.bias
            + model.from_stores.weight @ torch.tanh(store)
        )
        entry, loss = torch.sigmoid(gates[: len(store)]), torch.sigmoid(gates[len(store) :])
        rain = dynamic[0, day, 0, row, column] / RAIN_SCALE_MM
        store = torch.stack(
            [
                held - held * lost + share * rain
                for held, lost, share in zip(store, loss, entry, strict=True)
            ]
        )
    return torch.tanh(store)


def test_it_is_the_balance_it_says_in_every_pixel() -> None:
    model = reservoirs()
    dynamic, static = inputs()
    normalised = (static - model.static_mean) / model.static_deviation
    encoded = model.encode(dynamic, normalised)
    for row, column in ((0, 0), (5, 7), (11, 3)):
        torch.testing.assert_close(
            encoded[0, :, row, column],
            plain(model, dynamic, normalised, row, column),
            rtol=1e-5,
            atol=1e-6,
        )


def test_without_rain_the_stores_only_fall() -> None:
    model = reservoirs()
    dynamic, static = inputs(steps=30)
    dynamic[:, :, 0] = 0
    normalised = (static - model.static_mean) / model.static_deviation
    filled = [model.encode(dynamic[:, :days], normalised) for days in (1, 10, 30)]
    assert (filled[1] < filled[0]).all()
    assert (filled[2] < filled[1]).all()
    assert (filled[2] >= 0).all()


def test_stores_start_with_residence_times_from_days_to_months() -> None:
    loss = torch.sigmoid(reservoirs(stores=6).from_landscape.bias[6:])
    torch.testing.assert_close(
        1 / loss[[0, -1]], torch.tensor(RESIDENCE_DAYS), rtol=1e-3, atol=1e-3
    )


def test_yesterdays_rain_counts_and_the_last_day_too() -> None:
    model = reservoirs()
    dynamic, static = inputs()
    before = model(dynamic, static)[0]
    for day in (0, 2, 3):
        wetter = dynamic.clone()
        wetter[:, day, 0] += 10
        assert not torch.equal(model(wetter, static)[0], before)


def test_missing_static_values_count_as_the_mean_and_noise_is_felt() -> None:
    model = reservoirs()
    dynamic, static = inputs()
    missing, mean = static.clone(), static.clone()
    missing[:, 0], mean[:, 0] = torch.nan, 1.0
    torch.testing.assert_close(model(dynamic, missing)[0], model(dynamic, mean)[0])
    shifted = model(dynamic, static, torch.full((2, 3, 1, 1), 0.5))[0]
    torch.testing.assert_close(shifted, model(dynamic, static + 0.5 * model.static_deviation)[0])


@pytest.mark.parametrize("size", [61, 64])
@pytest.mark.parametrize(
    ("model", "steps"),
    [(reservoirs(1), 4), (reservoirs(4), 4), (reservoirs(2, 5), 30), (unet(1), 4), (unet(2), 4)],
)
def test_a_tile_with_its_halo_gives_what_the_frame_gives(
    model: Network, steps: int, size: int
) -> None:
    dynamic, static = inputs(steps, size, 1, model.stride)
    radius = model.receptive_radius(steps)
    whole = model(dynamic, static)[0]
    first, last = max(24 - radius, 0), min(40 + radius, size)
    assert first % model.stride == 0
    cells = slice(first // model.stride, -(-last // model.stride))
    part = model(dynamic[..., cells, cells], static[..., first:last, first:last])[0]
    torch.testing.assert_close(
        part[:, 24 - first : 40 - first, 24 - first : 40 - first],
        whole[:, 24:40, 24:40],
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("model", [reservoirs(4), unet(2)])
def test_the_radius_is_not_twice_what_is_needed(model: Network) -> None:
    """A halo that is too large gives right maps slowly, so it would go unseen."""
    dynamic, static = inputs(4, 128, 1, model.stride)
    static.requires_grad_()
    model(dynamic, static)[0][0, 64, 64].backward()
    rows = torch.nonzero(static.grad.abs().sum(dim=(0, 1, 3)))[:, 0]
    reach = max(64 - int(rows.min()), int(rows.max()) - 64)
    assert reach <= model.receptive_radius(4) <= 2 * reach
