"""An ensemble's mean and its uncertainty: what maps, calibration and scores mean by them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.core.grid import require_same_grid
from loam.core.raster import open_dataset

# Levels of the intervals [%]; a calibrated one is mean ± factor_<level> x sigma.
LEVELS = (68, 90, 95)


def ensemble(means: np.ndarray, sigmas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of an equal mixture of the members: var = mean(var) + var(means).

    Args:
        means: members' means `(member, …)`.
        sigmas: their standard deviations `(member, …)`.
    """
    return means.mean(axis=0), np.sqrt((sigmas**2).mean(axis=0) + means.var(axis=0))


def by_experiment(predictions: Sequence[Path]) -> dict[str, list[Path]]:
    """Files of the members by the name of their experiment, the folder they are in."""
    names = sorted({path.parent.name for path in predictions})
    return {
        name: sorted((path for path in predictions if path.parent.name == name), key=_number)
        for name in names
    }


def _number(path: Path) -> tuple[int, str]:
    return (len(path.stem), path.stem)  # 2 comes before 10


def open_members(predictions: Sequence[Path], ssm: Path, box: GeoBox) -> dict[Path, xr.Dataset]:
    """Open the members' predictions.

    Args:
        predictions: file of each member.
        ssm: the labels' file, which their grid is compared with.
        box: its grid.

    Raises:
        LoamError: a member is on another grid.
    """
    members = {path: open_dataset(path) for path in predictions}
    for path, member in members.items():
        require_same_grid(path, member.odc.geobox, ssm, box)
    return members


def ensemble_on(
    day: np.datetime64, members: Mapping[Path, xr.Dataset]
) -> tuple[np.ndarray, np.ndarray]:
    """The ensemble's mean and standard deviation on a day, `(y, x)` each.

    Raises:
        LoamError: a member has no prediction for it, or one without any value.
    """
    frames = []
    for path, data in members.items():
        index = np.flatnonzero(data["time"].values.astype("datetime64[D]") == day)
        if index.size == 0:
            msg = f"{path}: has no prediction for {day}; remove it and run predict again"
            raise LoamError(msg)
        frames.append(data.isel(time=int(index[0])))
        if not bool(np.isfinite(frames[-1]["ssm"].values).any()):
            msg = f"{path}: no pixel has a prediction on {day}; remove it (rm -r {path}) and run the same snakemake command again"
            raise LoamError(msg)
    mean, sigma = (
        np.stack([frame[name].values for frame in frames]) for name in ("ssm", "ssm_uncertainty")
    )
    return ensemble(mean, sigma)


def read_factors(path: Path) -> dict[int, float]:
    """Factors of sigma by level [%] from `calibration.json`.

    Raises:
        LoamError: one is missing.
    """
    content: dict[str, Any] = json.loads(path.read_text())
    missing = [f"factor_{level}" for level in LEVELS if f"factor_{level}" not in content]
    if missing:
        msg = f"{path}: has no {missing[0]}; remove it and run calibrate again"
        raise LoamError(msg)
    return {level: float(content[f"factor_{level}"]) for level in LEVELS}
