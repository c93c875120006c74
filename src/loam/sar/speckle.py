"""Step `filter-speckle`: the multitemporal filter of Quegan & Yu (2001), track by track."""

from pathlib import Path

import dask
import dask.array as da
import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter

from loam.config.sar import Speckle
from loam.core.raster import open_dataset, write_zarr
from loam.core.splits import Splits
from loam.sar.stack import CHUNKS


def filter_speckle(stack: Path, splits: Path | None, out: Path, cfg: Speckle, threads: int) -> None:
    """Filter a stack's backscatter over time and space; angle, mask and coordinates stay as they are.

    Args:
        stack: backscatter, of `stack_scenes`.
        splits: splits of the run, for `images: split`; None: without.
        out: Zarr to write.
        cfg: section `sar.speckle`.
        threads: threads to use.
    """
    data = open_dataset(stack, chunks={"time": -1, "y": CHUNKS["y"] * 2, "x": CHUNKS["x"] * 2})
    groups = data["track"].values.astype(str)
    if cfg.images == "split" and splits is not None:
        of_dates = Splits.read(splits).of_dates(data["time"].values)
        groups = np.char.add(np.char.add(groups, " "), of_dates)
    filtered = {name: _filtered(data[name], groups, cfg) for name in ("vv", "vh") if name in data}
    note = {"speckle_filter": f"Quegan & Yu 2001, {cfg.images}, {cfg.window_px} pixels"}
    # What the leak check compares with the splits.
    together = {
        "speckle_group": (
            "time",
            groups,
            {"long_name": "acquisitions with the same text were filtered together"},
        )
    }
    with dask.config.set(scheduler="threads", num_workers=threads):
        write_zarr(data.assign(filtered).assign_coords(together).assign_attrs(note), out, CHUNKS)


def _filtered(power: xr.DataArray, groups: np.ndarray, cfg: Speckle) -> xr.DataArray:
    reach = cfg.window_px // 2
    values = da.map_overlap(
        quegan_yu,
        power.data,
        depth={0: 0, 1: reach, 2: reach},
        boundary=np.nan,
        dtype=np.float32,
        meta=np.empty((0, 0, 0), dtype=np.float32),
        groups=groups,
        window_px=cfg.window_px,
        causal=cfg.images == "causal",
    )
    return power.copy(data=values)


def quegan_yu(power: np.ndarray, groups: np.ndarray, window_px: int, causal: bool) -> np.ndarray:
    """Multitemporal speckle filter: `J_k = <I_k> (1/N) sum_i I_i / <I_i>` (Quegan & Yu 2001, doi 10.1109/36.964973).

    `<I>` is the mean over a window of pixels. A place keeps its contrast to its surroundings, averaged over dates, and
    each date its own local mean.

    Args:
        power: linear `(time, y, x)`, NaN missing.
        groups: which dates are filtered together `(time)`.
        window_px: edge of the spatial mean [pixel].
        causal: only with dates before, else with all of the group.

    Returns:
        `(time, y, x)` float32 linear power, NaN where the date is missing or its local mean is not positive.
    """
    out = np.empty(power.shape, dtype=np.float32)
    for group in np.unique(groups):
        dates = np.flatnonzero(groups == group)
        means = np.stack([local_mean(power[date], window_px) for date in dates])
        with np.errstate(divide="ignore", invalid="ignore"):
            contrast = np.where(means > 0, power[dates] / means, np.nan)
        known = np.isfinite(contrast)
        total, count = np.where(known, contrast, 0), known.astype(np.float32)
        total, count = (
            np.cumsum(part, axis=0) if causal else part.sum(axis=0, keepdims=True)
            for part in (total, count)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            out[dates] = np.where(known, means * (total / count), np.nan)
    return out


def local_mean(power: np.ndarray, window_px: int) -> np.ndarray:
    """Mean of the finite values in a window around each pixel `(y, x)`; NaN where there is none."""
    finite = np.isfinite(power)
    total = uniform_filter(
        np.where(finite, power, 0).astype(np.float64), window_px, mode="constant"
    )
    share = uniform_filter(finite.astype(np.float64), window_px, mode="constant")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(share > 1e-9, total / share, np.nan)
