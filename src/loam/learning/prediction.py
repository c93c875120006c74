"""Wall-to-wall maps from a checkpoint."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import dask.array as da
import numpy as np
import torch
import xarray as xr
from tqdm import tqdm

from loam.config.learning import Predict
from loam.core.antecedent_labels import antecedent_labels
from loam.core.errors import LoamError
from loam.core.features import Covariates, open_covariates
from loam.core.grid import empty_like_grid, require_same_grid
from loam.core.labels import Labels, Window, scratch_folder, unpack
from loam.core.raster import write_blocks, zarr_in_blocks
from loam.core.splits import Splits
from loam.learning.checkpoint import load_checkpoint
from loam.learning.device import device_of
from loam.learning.network import Network

CHUNK_PX = 1024


@dataclass(frozen=True)
class Inputs:
    """What a model is shown of a day and a window of pixels."""

    covariates: Covariates
    days: int  # length of the weather window
    form: str  # 'aggregate' or 'sequence'
    labels: Labels | None  # antecedent labels, where the model was trained with them
    antecedent_days: int

    @property
    def steps(self) -> int:
        """Steps that the recurrence takes."""
        return self.days if self.form == "sequence" else 1

    def of(self, day: np.datetime64, window: Window, stride: int) -> tuple[np.ndarray, np.ndarray]:
        """Weather `(time, channel, y / stride, x / stride)` and static channels `(channel, y, x)`."""
        static = self.covariates.stationary(day, window)
        if self.labels is not None:
            static = np.concatenate(
                [static, antecedent_labels(self.labels, day, window, self.antecedent_days, ())]
            )
        return self.covariates.dynamic(day, self.days, self.form, window, stride), static


def predict(
    checkpoint: Path,
    labels: Path,
    covariates: list[Path],
    out: Path,
    cfg: Predict,
    accelerator: Literal["auto", "cpu", "gpu"],
    threads: int,
) -> None:
    """Map every day with an acquisition; write mean and 1 sigma, a day at a time.

    Args:
        checkpoint: of the member.
        labels: folder of all labels, of `unpack_labels`.
        covariates: files of `open_covariates`.
        out: Zarr to write.
        cfg: section `learning.predict`.
        accelerator: where to compute.
        threads: threads to use.
    """
    torch.set_num_threads(threads)
    known = Labels.open(labels)
    acquired = np.unique(known.times.astype("datetime64[D]"))
    opened = open_covariates(covariates)
    _predict_days([checkpoint], known, opened, [out], acquired, cfg, accelerator)


def predict_date(
    checkpoints: list[Path],
    ssm: Path,
    splits: Path,
    covariates: list[Path],
    out: list[Path],
    cfg: Predict,
    accelerator: Literal["auto", "cpu", "gpu"],
    threads: int,
) -> None:
    """Map one day, which the folder of the files is named by, with every member; write a file each.

    Only labels of the days that the models are shown are unpacked: a day more must not cost the whole run's.

    Args:
        checkpoints: of the members.
        ssm: labels.
        splits: splits of the run.
        covariates: files of `open_covariates`.
        out: Zarr to write for each member.
        cfg: section `learning.predict`.
        accelerator: where to compute.
        threads: threads to use.
    """
    torch.set_num_threads(threads)
    day = np.array([out[0].parent.name], dtype="datetime64[D]")
    opened = open_covariates(covariates)
    back = max(load_checkpoint(path)[1]["antecedent_days"] for path in checkpoints)
    with scratch_folder(out[0]) as scratch:
        since = day[0] - np.timedelta64(back, "D")
        labels = unpack(ssm, Splits.read(splits), scratch, since=since)
        _predict_days(checkpoints, labels, opened, out, day, cfg, accelerator)


def _predict_days(
    checkpoints: list[Path],
    labels: Labels,
    covariates: Covariates,
    out: list[Path],
    days: np.ndarray,
    cfg: Predict,
    accelerator: str,
) -> None:
    """Map some days with every model."""
    require_same_grid(covariates.file, covariates.grid, labels.file, labels.grid)
    for path, target in zip(checkpoints, out, strict=True):
        model, window = load_checkpoint(path)
        if list(covariates.static_names) != window["channels"]:
            msg = f"{path}: was trained on {window['channels']}, but the covariates are {list(covariates.static_names)}; train again"
            raise LoamError(msg)
        inputs = inputs_of(covariates, window, labels)
        write_days(model.to(device_of(accelerator)), inputs, days, target, cfg.tile_px)


def inputs_of(covariates: Covariates, window: dict[str, Any], labels: Labels | None) -> Inputs:
    """What a model is shown, as it was while it was trained: see `load_checkpoint`."""
    return Inputs(
        covariates,
        window["days"],
        window["form"],
        labels if window["antecedent_labels"] else None,
        window["antecedent_days"],
    )


def write_days(model: Network, inputs: Inputs, days: np.ndarray, out: Path, tile_px: int) -> None:
    """Predict days one after the other and write each as soon as it is there: one day is in memory.

    Args:
        model: in evaluation mode, on its device.
        inputs: what it is shown.
        days: `(time)` datetime64[D].
        out: Zarr to write: `ssm`, `ssm_uncertainty` `(time, y, x)`.
        tile_px: edge of a tile [pixel].
    """
    with zarr_in_blocks(
        _template(inputs.covariates, days), out, {"time": 1, "y": CHUNK_PX, "x": CHUNK_PX}
    ) as partial:
        for index, day in enumerate(tqdm(days, desc="predict", unit="day", mininterval=10)):
            # Labels are mapped for each day again: what was read of the file counts as memory as long as it is mapped.
            fresh = replace(
                inputs, labels=None if inputs.labels is None else replace(inputs.labels)
            )
            mean, sigma = predict_day(model, fresh, day, tile_px)
            if not np.isfinite(mean).any():
                msg = f"{out}: no pixel has a prediction on {day}: a covariate has no value anywhere on that day or the days before it"
                raise LoamError(msg + "; see covariates_report.json and figures/covariates.png")
            write_blocks(partial, {"ssm": mean, "ssm_uncertainty": sigma}, index)


def _template(covariates: Covariates, days: np.ndarray) -> xr.Dataset:
    """The file's variables, lazy and empty."""
    texts = {
        "ssm": "surface soil moisture, 0 dry to 1 wet, predicted",
        "ssm_uncertainty": "1 sigma of predicted ssm",
    }
    shape = (len(days), *covariates.grid.shape)
    empty = da.zeros(shape, dtype="f4", chunks=(1, CHUNK_PX, CHUNK_PX))
    layers = {
        name: (("time", "y", "x"), empty, {"units": "1", "long_name": text})
        for name, text in texts.items()
    }
    coords = empty_like_grid(covariates.grid) | {"time": days.astype("datetime64[ns]")}
    return xr.Dataset(layers, coords=coords).odc.assign_crs(covariates.grid.crs)


def predict_day(
    model: Network, inputs: Inputs, day: np.datetime64, tile_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and 1 sigma of SSM on one day, `(y, x)` each, tile by tile.

    Args:
        model: in evaluation mode, on its device.
        inputs: what it is shown.
        day: the day.
        tile_px: edge of a tile [pixel], a multiple of the model's stride, so that every tile's recurrence runs on the
            cells of the whole frame.
    """
    shape = (int(inputs.covariates.grid.shape.y), int(inputs.covariates.grid.shape.x))
    mean, sigma = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    for inner, outer, core in tiles(shape, tile_px, model.receptive_radius(inputs.steps)):
        mean[inner], sigma[inner] = (
            values[core] for values in predict_window(model, inputs, day, outer)
        )
    return mean, sigma


@torch.inference_mode()
def predict_window(
    model: Network, inputs: Inputs, day: np.datetime64, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and 1 sigma of SSM in a window of pixels, `(y, x)` each.

    Args:
        model: in evaluation mode, on its device.
        inputs: what it is shown.
        day: the day.
        window: rows and columns.
    """
    device = next(model.parameters()).device
    shown = (
        torch.from_numpy(np.ascontiguousarray(values))[None].to(device)
        for values in inputs.of(day, window, model.stride)
    )
    mean, log_variance = model(*shown)
    return mean[0].float().cpu().numpy(), (log_variance[0].float() / 2).exp().cpu().numpy()


def tiles(shape: tuple[int, int], size: int, halo: int) -> Iterator[tuple[Window, Window, Window]]:
    """Cut a grid into tiles with a halo.

    Yields:
        Where the tile goes, what must be read for it (with the halo, inside the grid), and where the tile lies in
        what was read.
    """
    for row in range(0, shape[0], size):
        for column in range(0, shape[1], size):
            axes = [
                _tile_axis(start, size, halo, length)
                for start, length in zip((row, column), shape, strict=True)
            ]
            inner, outer, core = zip(*axes, strict=True)
            yield inner, outer, core


def _tile_axis(start: int, size: int, halo: int, length: int) -> tuple[slice, slice, slice]:
    stop = min(start + size, length)
    first, last = max(start - halo, 0), min(stop + halo, length)
    return slice(start, stop), slice(first, last), slice(start - first, stop - first)
