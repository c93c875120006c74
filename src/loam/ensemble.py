"""An ensemble's mean and its uncertainty: what maps, calibration and scores mean by them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from loam.errors import LoamError

# Levels of the calibrated intervals [%]: mean ± factor_<level> x sigma.
LEVELS = (68, 90, 95)


def ensemble(means: np.ndarray, sigmas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of an equal mixture of the members: var = mean(var) + var(means).

    Args:
        means: members' means `(member, …)`.
        sigmas: their standard deviations `(member, …)`.
    """
    return means.mean(axis=0), np.sqrt((sigmas**2).mean(axis=0) + means.var(axis=0))


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
