"""Flags: what makes a value of change detection unusable, or in need of care."""

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config import LandCover
from loam.grid import to_grid
from loam.raster import Flag


def land_cover_flags(landcover: xr.DataArray, box: GeoBox, classes: LandCover) -> np.ndarray:
    """Flags by the commonest class in each pixel, `(y, x)`."""
    code = to_grid(landcover, box, "mode").values
    chosen = {Flag.WATER: classes.water, Flag.BUILT_UP: classes.built_up, Flag.FOREST: classes.forest}
    flags = np.zeros(code.shape, dtype=np.int32)
    for flag, codes in chosen.items():
        flags |= np.where(np.isin(code, codes), int(flag), 0).astype(np.int32)
    return flags


def reference_flags(
    sensitivity: np.ndarray, sensitivity_error: np.ndarray, dates: np.ndarray, min_sensitivity_db: float, min_dates: int
) -> np.ndarray:
    """Flags of a pixel's references: too little wet minus dry to scale, or too few dates, `(…)`.

    Low sensitivity is S < max(minimum, 3 u(S)).
    """
    low = ~(sensitivity >= np.maximum(min_sensitivity_db, 3 * sensitivity_error))
    few = dates < min_dates
    return (low * int(Flag.LOW_SENSITIVITY) | few * int(Flag.TOO_FEW_DATES)).astype(np.int32)


def value_flags(
    raw: np.ndarray, backscatter_db: np.ndarray, incidence_deg: np.ndarray | None, incidence_range_deg: tuple[float, float], frozen: bool
) -> np.ndarray:
    """Flags of one acquisition, `(y, x)`: no observation, clipped, incidence out of range, frozen.

    Args:
        raw: SSM before clipping [1], NaN missing.
        backscatter_db: what it comes from [dB], NaN missing.
        incidence_deg: local incidence angle [degree], or None.
        incidence_range_deg: angles that are not flagged [degree].
        frozen: whether the day counts as frozen.
    """
    flags = np.zeros(raw.shape, dtype=np.int32)
    flags |= np.where(np.isnan(backscatter_db), int(Flag.NO_OBSERVATION), 0).astype(np.int32)
    flags |= np.where(raw < 0, int(Flag.CLIPPED_LOW), 0).astype(np.int32)
    flags |= np.where(raw > 1, int(Flag.CLIPPED_HIGH), 0).astype(np.int32)
    if incidence_deg is not None:
        low, high = incidence_range_deg
        flags |= np.where((incidence_deg < low) | (incidence_deg > high), int(Flag.INCIDENCE), 0).astype(np.int32)
    if frozen:
        flags |= np.int32(Flag.FROZEN)
    return flags
