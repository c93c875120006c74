"""Wall-to-wall maps from a checkpoint."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from tqdm import tqdm

from loam.errors import LoamError
from loam.features import Covariates, open_covariates
from loam.grid import empty_like_grid, require_same_grid
from loam.learning.convlstm import ConvLSTM, receptive_radius
from loam.raster import open_dataset, write_zarr

# A multiple of every stride, so that a tile's recurrence runs on the whole frame's grid.
TILE_PX = 256


def predict(
    checkpoint: Path, ssm: Path, static: Path, weather: Path, ndvi: Path | None, out: Path, days: tuple[date, ...], threads: int
) -> None:
    """Map every day with an acquisition, and the days asked for; write mean and 1 sigma."""
    torch.set_num_threads(threads)
    model, window = load_checkpoint(checkpoint)
    covariates = open_covariates(static, weather, ndvi)
    if list(covariates.static_names) != window["channels"]:
        msg = f"{checkpoint}: was trained on {window['channels']}, but the covariates are {list(covariates.static_names)}; train again"
        raise LoamError(msg)
    labels = open_dataset(ssm)
    require_same_grid(static, covariates.grid, ssm, labels.odc.geobox)
    acquired = labels["time"].values.astype("datetime64[D]")
    wanted = np.unique(np.concatenate([acquired, np.array(days, dtype="datetime64[D]")]))
    maps = predict_days(model, covariates, wanted, window["days"], window["form"])
    write_zarr(maps.odc.assign_crs(covariates.grid.crs), out, {"time": 16})


def load_checkpoint(path: Path) -> tuple[ConvLSTM, dict]:
    """Read a model and the window it was trained on; nothing in the file is executed.

    Raises:
        LoamError: the file is no checkpoint of ours.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        settings = content["hyper_parameters"]
        model = ConvLSTM(**settings["model"])
        model.load_state_dict({key.removeprefix("model."): value for key, value in content["state_dict"].items()})
    except Exception as error:
        msg = f"{path}: cannot be read as a checkpoint ({str(error).splitlines()[0]}); remove it and run again"
        raise LoamError(msg) from None
    return model.eval(), settings["window"]


def predict_days(model: ConvLSTM, covariates: Covariates, days: np.ndarray, length: int, form: str) -> xr.Dataset:
    """Mean and 1 sigma of SSM on every day, `(time, y, x)`.

    Args:
        model: in evaluation mode.
        covariates: of the whole grid.
        days: `(time)` datetime64[D].
        length: of the weather window [day].
        form: 'aggregate' or 'sequence'.
    """
    shape = (len(days), *covariates.grid.shape)
    mean, sigma = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    halo = receptive_radius(length if form == "sequence" else 1, len(model.cells), model.from_static.kernel_size[0], model.stride)
    for index, day in enumerate(tqdm(days, desc="predict", unit="day", mininterval=10)):
        for inner, outer, core in tiles((covariates.grid.shape.y, covariates.grid.shape.x), TILE_PX, halo):
            mean[(index, *inner)], sigma[(index, *inner)] = (
                part[core] for part in predict_window(model, covariates, day, length, form, outer)
            )  # fmt: skip
    coords = empty_like_grid(covariates.grid) | {"time": days.astype("datetime64[ns]")}
    attributes = {
        "ssm": {"units": "1", "long_name": "surface soil moisture, 0 dry to 1 wet, predicted"},
        "ssm_uncertainty": {"units": "1", "long_name": "1 sigma of predicted ssm"},
    }
    layers = {name: (("time", "y", "x"), values, attributes[name]) for name, values in (("ssm", mean), ("ssm_uncertainty", sigma))}
    return xr.Dataset(layers, coords=coords)


@torch.inference_mode()
def predict_window(
    model: ConvLSTM, covariates: Covariates, day: np.datetime64, length: int, form: str, window: tuple[slice, slice]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and 1 sigma of SSM in a window of pixels, `(y, x)` each."""
    dynamic = torch.from_numpy(np.ascontiguousarray(covariates.dynamic(day, length, form, window, model.stride)))
    static = torch.from_numpy(np.ascontiguousarray(covariates.stationary(day, window)))
    mean, log_variance = model(dynamic[None], static[None])
    return mean[0].numpy(), (log_variance[0] / 2).exp().numpy()


Window = tuple[slice, slice]


def tiles(shape: tuple[int, int], size: int, halo: int) -> Iterator[tuple[Window, Window, Window]]:
    """Cut a grid into tiles with a halo.

    Yields:
        Where the tile goes, what must be read for it (with the halo, inside the grid), and where the tile lies in
        what was read.
    """
    for row in range(0, shape[0], size):
        for column in range(0, shape[1], size):
            axes = [_tile_axis(start, size, halo, length) for start, length in zip((row, column), shape, strict=True)]
            inner, outer, core = zip(*axes, strict=True)
            yield inner, outer, core


def _tile_axis(start: int, size: int, halo: int, length: int) -> tuple[slice, slice, slice]:
    stop = min(start + size, length)
    first, last = max(start - halo, 0), min(stop + halo, length)
    return slice(start, stop), slice(first, last), slice(start - first, stop - first)
