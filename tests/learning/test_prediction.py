"""Prediction by tiles: the same as one frame, whatever the stride, the size and the tiles; antecedent labels; days one by one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from helpers import days, odc_coords
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.core.features import WEATHER, Covariates, open_covariates
from loam.core.flags import Flag
from loam.core.labels import unpack
from loam.core.raster import open_dataset, write_zarr
from loam.core.splits import Splits
from loam.learning.convlstm import ConvLSTM
from loam.learning.prediction import Inputs, predict_day, predict_window, write_days

SHAPE = (53, 67)  # odd, so that tiles, cells and the grid end apart
DAY = np.datetime64("2022-02-15")


def model_of(stride: int, static: int, layers: tuple[int, ...] = (6,), kernel: int = 3) -> ConvLSTM:
    torch.manual_seed(0)
    plain = {
        "dynamic_mean": [0.0] * len(WEATHER),
        "dynamic_deviation": [1.0] * len(WEATHER),
        "static_mean": [0.0] * static,
        "static_deviation": [1.0] * static,
    }
    model = ConvLSTM(
        dynamic_channels=len(WEATHER),
        static_channels=static,
        hidden_channels=list(layers),
        kernel_size=kernel,
        stride=stride,
        statistics=plain,
    )
    for parameter in model.parameters():
        parameter.data.mul_(2)  # far cells have a say, so that a halo too small is seen
    return model.eval()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("site"), np.random.default_rng(0)
    box = GeoBox.from_bbox(
        (330000, 4290000, 330000 + 20 * SHAPE[1], 4290000 + 20 * SHAPE[0]),
        "EPSG:32618",
        resolution=20,
    )

    def write(name: str, on: GeoBox, times: np.ndarray, **layers: np.ndarray) -> None:
        data = {
            key: (("time", "y", "x"), values, {"units": "1", "long_name": key})
            for key, values in layers.items()
        }
        write_zarr(
            xr.Dataset(data, coords=odc_coords(on) | {"time": times}).odc.assign_crs(on.crs),
            folder / name,
        )

    coarse = box.zoom_out(9)
    write(
        "weather.zarr",
        coarse,
        days("2022-01-01", 60),
        **{name: rng.random((60, *coarse.shape)).astype(np.float32) for name in WEATHER},
    )
    write(
        "static.zarr",
        box,
        np.array(["a", "b"]),
        static=rng.normal(size=(2, *SHAPE)).astype(np.float32),
    )
    static = open_dataset(folder / "static.zarr").load().rename(time="channel")
    write_zarr(static.odc.assign_crs(box.crs), folder / "static.zarr")
    times = days("2022-01-10T17:00", 9, 5)
    shape = (len(times), *SHAPE)
    flags = np.where(rng.random(shape) < 0.3, int(Flag.FROZEN), 0).astype(np.int32)
    write(
        "ssm.zarr",
        box,
        times,
        ssm=rng.random(shape).astype(np.float32),
        ssm_uncertainty=np.full(shape, 0.1, np.float32),
        flags=flags,
    )
    texts = [str(time)[:19] for time in times]
    dates = {
        "train": texts[:4],
        "validate": texts[4:5],
        "calibrate": [],
        "test": texts[5:],
        "gap": [],
    }
    splits = {
        "dates": dates,
        "blocks": {"px": 16, "shape": [4, 5], "test": [[0, 0]], "buffer_px": 0},
        "random": [],
    }
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


@pytest.fixture(scope="module")
def covariates(site: Path) -> Covariates:
    return open_covariates([site / "static.zarr", site / "weather.zarr"])


@pytest.mark.parametrize(
    ("stride", "layers", "kernel"),
    [
        (1, (6,), 3),
        (2, (6,), 3),
        (4, (6,), 3),
        (8, (6,), 3),
        (1, (4, 4), 3),
        (2, (4, 4), 3),
        (1, (4,), 5),
    ],
)
def test_tiles_and_one_frame_agree(
    covariates: Covariates, stride: int, layers: tuple[int, ...], kernel: int
) -> None:
    inputs = Inputs(covariates, 4, "sequence", None, 0)
    model = model_of(stride, 2, layers, kernel)
    whole = predict_window(model, inputs, DAY, (slice(0, SHAPE[0]), slice(0, SHAPE[1])))
    for tile in (8, 16, 24, 128):
        for part, frame in zip(predict_day(model, inputs, DAY, tile), whole, strict=True):
            np.testing.assert_allclose(part, frame, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 4])
def test_the_halo_is_no_larger_than_needed(
    covariates: Covariates, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step of the recurrence's grid less, and tiles differ from the frame: the radius is exact, not merely enough."""
    inputs, model = Inputs(covariates, 4, "sequence", None, 0), model_of(stride, 2)
    whole = predict_window(model, inputs, DAY, (slice(0, SHAPE[0]), slice(0, SHAPE[1])))[0]
    exact = model.receptive_radius(inputs.steps)
    monkeypatch.setattr(
        ConvLSTM, "receptive_radius", lambda self, steps: exact - (2 * stride if stride > 1 else 1)
    )
    assert np.abs(predict_day(model, inputs, DAY, 8)[0] - whole).max() > 0


def test_an_aggregate_takes_one_step(covariates: Covariates) -> None:
    inputs = Inputs(covariates, 4, "aggregate", None, 0)
    assert inputs.steps == 1
    model = model_of(1, 2)
    whole = predict_window(model, inputs, DAY, (slice(0, SHAPE[0]), slice(0, SHAPE[1])))[0]
    np.testing.assert_allclose(predict_day(model, inputs, DAY, 16)[0], whole, atol=1e-5)


def test_antecedent_labels_of_all_splits_before_the_day_are_shown(
    site: Path, covariates: Covariates, tmp_path: Path
) -> None:
    splits = Splits.read(site / "splits.json")
    labels = unpack(site / "ssm.zarr", splits, tmp_path / "labels")
    inputs, model = Inputs(covariates, 4, "sequence", labels, 20), model_of(4, 6)
    window = (slice(0, SHAPE[0]), slice(0, SHAPE[1]))
    _, static = inputs.of(DAY, window, 4)
    data = open_dataset(site / "ssm.zarr").load()
    usable = data["ssm"].where(data["flags"] == 0).values
    # Acquisitions of 30 January, 4 and 9 February, a test block and test dates among them; not of 14 to 19 February and later.
    times = data["time"].values.astype("datetime64[D]")
    seen = usable[(times < DAY) & (times >= DAY - 20)]
    assert len(seen) == 4 and times[-1] > DAY
    np.testing.assert_array_equal(static[5], np.isfinite(seen).sum(axis=0))
    with np.errstate(invalid="ignore"):
        mean = np.nansum(seen, axis=0) / np.isfinite(seen).sum(axis=0)
    np.testing.assert_allclose(static[4], mean, rtol=1e-5)
    whole = predict_window(model, inputs, DAY, window)[0]
    np.testing.assert_allclose(predict_day(model, inputs, DAY, 16)[0], whole, atol=1e-5)


def test_days_are_written_one_by_one(covariates: Covariates, tmp_path: Path) -> None:
    import zarr

    inputs, model = Inputs(covariates, 4, "sequence", None, 0), model_of(4, 2)
    wanted = np.array(["2022-02-03", "2022-02-05", "2022-02-21"], dtype="datetime64[D]")
    write_days(model, inputs, wanted, tmp_path / "out.zarr", 16)
    maps = open_dataset(tmp_path / "out.zarr")
    assert maps["time"].values.astype("datetime64[D]").tolist() == wanted.tolist()
    assert maps.odc.geobox == covariates.grid
    for index, day in enumerate(wanted):
        mean, sigma = predict_day(model, inputs, day, 128)
        np.testing.assert_allclose(maps["ssm"].values[index], mean, atol=1e-5)
        np.testing.assert_allclose(maps["ssm_uncertainty"].values[index], sigma, atol=1e-5)
    assert zarr.open_group(tmp_path / "out.zarr", mode="r")["ssm"].chunks[0] == 1
    assert maps["ssm_uncertainty"].attrs["units"] == "1"


def test_days_without_a_single_value_are_refused_and_the_earlier_predictions_stay(
    covariates: Covariates, tmp_path: Path
) -> None:
    inputs, model = Inputs(covariates, 4, "sequence", None, 0), model_of(4, 2)
    out, day = tmp_path / "out.zarr", np.array(["2022-02-03"], dtype="datetime64[D]")
    write_days(model, inputs, day, out, 16)
    before = open_dataset(out)["ssm"].values
    for parameter in model.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(LoamError, match=r"out.zarr: no pixel has a prediction on 2022-02-03"):
        write_days(model, inputs, day, out, 16)
    np.testing.assert_array_equal(open_dataset(out)["ssm"].values, before)
    assert [path.name for path in tmp_path.iterdir()] == ["out.zarr"]
