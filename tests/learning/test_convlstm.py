"""The model against a plain loop, and what it may and may not see."""

import numpy as np
import pytest
import torch

from loam.core.features import WEATHER
from loam.learning.convlstm import ConvLSTM
from loam.learning.dataset import compressed
from loam.learning.prediction import tiles

STATISTICS = {
    "dynamic_mean": [0.1] * 5,
    "dynamic_deviation": [2.0] * 5,
    "static_mean": [1.0, 0.0, 0.0],
    "static_deviation": [1.0, 2.0, 3.0],
}


@pytest.fixture(params=[False, True], ids=["joined", "hoisted"])
def model(request: pytest.FixtureRequest) -> ConvLSTM:
    """Static maps convolved with the rest on every step, or once for all."""
    torch.manual_seed(0)
    model = ConvLSTM(
        dynamic_channels=5,
        static_channels=3,
        hidden_channels=[6],
        kernel_size=3,
        stride=1,
        statistics=STATISTICS,
    ).eval()
    model.cells[0].hoists = request.param
    return model


def inputs(steps: int = 4, size: int = 12, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(batch, steps, len(WEATHER), size, size, generator=generator), torch.rand(
        batch, 3, size, size, generator=generator
    )


def plain(
    model: ConvLSTM, dynamic: torch.Tensor, static: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The textbook recurrence: all channels joined on every step, one convolution of input and state, zero start."""
    cell_of = model.cells[0]
    joined = torch.cat(
        [cell_of.of_input.weight, cell_of.of_static.weight, cell_of.of_state.weight], dim=1
    )
    dynamic = (compressed(dynamic) - model.dynamic_mean) / model.dynamic_deviation
    static = (static - model.static_mean) / model.static_deviation
    hidden = cell = torch.zeros(len(static), 6, *static.shape[-2:])
    for step in range(dynamic.shape[1]):
        gates = torch.nn.functional.conv2d(
            torch.cat([dynamic[:, step], static, hidden], 1),
            joined,
            cell_of.of_input.bias,
            padding=1,
        )
        i, f, o, g = gates.chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
    out = model.head(torch.cat([hidden, static], 1))
    return torch.sigmoid(out[:, 0]), out[:, 1].clamp(-8, 1)


def test_it_is_the_textbook_convlstm(model: ConvLSTM) -> None:
    dynamic, static = inputs()
    for got, expected in zip(model(dynamic, static), plain(model, dynamic, static), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_the_textbook(model: ConvLSTM) -> None:
    dynamic, static = inputs()
    cell = model.cells[0]
    parameters = [
        cell.of_state.weight,
        cell.of_static.weight,
        cell.of_input.weight,
        cell.of_input.bias,
    ]
    ours = torch.autograd.grad(model(dynamic, static)[0].sum(), parameters)
    theirs = torch.autograd.grad(plain(model, dynamic, static)[0].sum(), parameters)
    for got, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def test_missing_static_values_count_as_the_mean(model: ConvLSTM) -> None:
    dynamic, static = inputs()
    missing, mean = static.clone(), static.clone()
    missing[:, 0], mean[:, 0] = torch.nan, 1.0
    torch.testing.assert_close(model(dynamic, missing)[0], model(dynamic, mean)[0])


def test_nothing_beyond_the_receptive_radius_matters(model: ConvLSTM) -> None:
    radius = model.receptive_radius(4)
    dynamic, static = inputs(size=31)
    before = model(dynamic, static)[0][:, 15, 15]
    far = dynamic.clone()
    far[..., : 15 - radius, :] += 5
    assert torch.equal(model(far, static)[0][:, 15, 15], before)
    near = dynamic.clone()
    near[..., : 15 - radius + 2, :] += 5
    assert not torch.equal(model(near, static)[0][:, 15, 15], before)


def test_two_layers_run_and_see_farther() -> None:
    model = ConvLSTM(
        dynamic_channels=5,
        static_channels=3,
        hidden_channels=[4, 6],
        kernel_size=3,
        stride=1,
        statistics=STATISTICS,
    )
    mean, log_variance = model(*inputs())
    assert mean.shape == log_variance.shape == (2, 12, 12)
    assert ((mean > 0) & (mean < 1)).all()
    assert model.receptive_radius(4) == 6


@pytest.mark.parametrize("size", [31, 32])
def test_a_stride_keeps_the_size_and_its_radius(size: int) -> None:
    torch.manual_seed(0)
    model = ConvLSTM(
        dynamic_channels=5,
        static_channels=3,
        hidden_channels=[6],
        kernel_size=3,
        stride=4,
        statistics=STATISTICS,
    ).eval()
    dynamic, static = inputs(steps=1, size=size)
    dynamic = dynamic[..., ::4, ::4].contiguous()
    before = model(dynamic, static)[0]
    assert before.shape == (2, size, size)
    radius = model.receptive_radius(1)
    changed = dynamic.clone()
    changed[..., :1, :] += 5
    after = model(changed, static)[0]
    assert torch.equal(after[:, 4 + radius :], before[:, 4 + radius :])
    assert not torch.equal(after[:, 4:8], before[:, 4:8])


def test_fine_static_maps_reach_their_own_pixel_at_any_stride() -> None:
    torch.manual_seed(0)
    model = ConvLSTM(
        dynamic_channels=5,
        static_channels=3,
        hidden_channels=[6],
        kernel_size=3,
        stride=4,
        statistics=STATISTICS,
    ).eval()
    dynamic, static = inputs(size=16)
    dynamic = dynamic[..., ::4, ::4]
    changed = static.clone()
    # Two pixels of one cell swapped.
    changed[:, 0, 5, 6], changed[:, 0, 5, 7] = (
        static[:, 0, 5, 7],
        static[:, 0, 5, 6],
    )
    moved = (model(dynamic, changed)[0] != model(dynamic, static)[0])[0]
    assert moved[5, 6]
    assert moved[5, 7]


def test_rain_is_taken_as_its_logarithm_and_nothing_else() -> None:
    dynamic = torch.full((1, 2, 5, 1, 1), float(np.e - 1))
    got = compressed(dynamic)
    assert got[0, 0, :, 0, 0].tolist() == pytest.approx([1.0] + [np.e - 1] * 4)


def test_tiles_cover_every_pixel_once_and_read_their_halo() -> None:
    seen = np.zeros((50, 70), int)
    for inner, outer, core in tiles((50, 70), 32, 5):
        seen[inner] += 1
        for axis, (whole, read, part) in enumerate(zip(inner, outer, core, strict=True)):
            assert read.start + part.start == whole.start
            assert read.start + part.stop == whole.stop
            assert read.start == max(0, whole.start - 5)
            assert read.stop == min((50, 70)[axis], whole.stop + 5)
    assert (seen == 1).all()
