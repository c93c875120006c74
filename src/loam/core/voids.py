"""Heights that are missing: one rule for the check of the inputs, terrain and backscatter.

In the area of interest, voids up to `covariates.static.max_void_share` are filled from around and flagged; more stop the run. In the margin
around it, where sea has no tiles, all are filled from the nearest heights.
"""

from pathlib import Path
from typing import Any

import numpy as np

from loam.core.errors import LoamError

VOID_SEARCH_PX = 100
MOST_VOID = 0.5  # share of the area and its margin, beyond which a DEM is not of this place


def require_few_voids(heights: Any, path: Path, max_share: float) -> float:
    """Share of the grid without a height [1].

    Raises:
        LoamError: it is larger than `max_share`.
    """
    missing = float(np.isnan(heights).mean())
    if missing > max_share:
        msg = (
            f"{path}: no height on {missing:.1%} of the area of interest (sources.dem); bring a DEM without voids that covers it all, "
            f"or raise covariates.static.max_void_share = {max_share:g}"
        )
        raise LoamError(msg)
    return missing


def require_heights_around(heights: Any, path: Path) -> float:
    """Share of the area and its margin without a height [1].

    Raises:
        LoamError: it is larger than `MOST_VOID`.
    """
    missing = float(np.isnan(heights).mean())
    if missing > MOST_VOID:
        msg = (
            f"{path}: no height on {missing:.0%} of the area of interest and its margin of sar.heights.margin_m (sources.dem); bring a DEM"
            " that covers both"
        )
        raise LoamError(msg)
    return missing


def without_voids(height: np.ndarray) -> np.ndarray:
    """Heights with voids filled: small ones from all around, by GDAL's inverse distances, large ones with the nearest height."""
    from rasterio.fill import fillnodata
    from scipy.ndimage import distance_transform_edt

    void = np.isnan(height)
    if not void.any():
        return height
    around = fillnodata(
        np.where(void, 0, height).astype(np.float32),
        mask=(~void).astype(np.uint8),
        max_search_distance=VOID_SEARCH_PX,
    )
    nearest = distance_transform_edt(void, return_distances=False, return_indices=True)
    return np.where(void, np.where(around != 0, around, height[tuple(nearest)]), height)
