"""Flags: what makes a value of change detection unusable, or in need of care."""

import numpy as np

from loam.config.sources import LandCover
from loam.core.flags import Flag


def land_cover_flags(code: np.ndarray, classes: LandCover) -> np.ndarray:
    """Flags of land-cover codes, int32 of any shape."""
    chosen = {
        Flag.WATER: classes.codes.water,
        Flag.BUILT_UP: classes.codes.built_up,
        Flag.FOREST: classes.codes.forest,
    }
    flags = np.zeros(code.shape, dtype=np.int32)
    for flag, codes in chosen.items():
        flags |= where(np.isin(code, codes), flag)
    return flags


def where(condition: np.ndarray, flag: Flag) -> np.ndarray:
    """A bit where a condition holds, int32 of the same shape."""
    return np.where(condition, np.int32(flag), np.int32(0))


def sensitivity_flags(
    sensitivity: np.ndarray,
    sensitivity_error: np.ndarray,
    noise_db: float,
    min_sensitivity_db: float,
) -> np.ndarray:
    """Flag too little wet minus dry to scale: S < max(minimum, 3 u(S)), int32 of any shape.

    Noise alone spreads percentiles: S within two of its errors of what noise would show is no sign of moisture either.

    Args:
        sensitivity: S [dB].
        sensitivity_error: u(S) [dB].
        noise_db: S of ground that does not change, by noise alone [dB].
        min_sensitivity_db: the minimum [dB].
    """
    least = np.maximum(
        np.maximum(min_sensitivity_db, 3 * sensitivity_error), noise_db + 2 * sensitivity_error
    )
    return where(~(sensitivity >= least), Flag.LOW_SENSITIVITY)


def incidence_flags(
    incidence_deg: np.ndarray, incidence_range_deg: tuple[float, float]
) -> np.ndarray:
    """Flag incidence angles outside a range [degree], int32 of any shape."""
    low, high = incidence_range_deg
    return where((incidence_deg < low) | (incidence_deg > high), Flag.INCIDENCE)
