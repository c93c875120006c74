"""Tiles of a digital elevation model, joined around the area."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config import Grid
from loam.grid import PLAUSIBLE_HEIGHTS_M, target_grid
from loam.raster import written_by_gdal
from loam.tiles import joined_tiles

SPARE_M = 2000.0  # the wetness index gains from the catchment above the area


def mosaic_dem(dem: list[Path], out: Path, grid: Grid, cube: str | None, margin_m: float) -> None:
    """Join tiles around the area and its margin into one GeoTIFF, in the CRS of the first."""
    box = target_grid(grid, Path(cube) if cube else None)
    heights = mosaic(dem, box.pad(math.ceil((margin_m + SPARE_M) / box.resolution.x)))
    with written_by_gdal(out) as target:
        heights.rio.write_nodata(np.nan).rio.to_raster(target, driver="GTiff", compress="deflate", predictor=3, tiled=True)


def mosaic(paths: Sequence[Path], box: GeoBox) -> xr.DataArray:
    """Heights of one or several tiles around a grid `(y, x)` [m], voids NaN, declared or not.

    Raises:
        LoamError: a tile cannot be read, or none reaches the grid.
    """
    return joined_tiles(paths, box, values=_without_undeclared_voids)


def _without_undeclared_voids(_path: Path, heights: np.ndarray) -> np.ndarray:
    # ASSUME: no ground is lower or higher; -9999, -32768 and -3.4e38 are voids, whether the file says so or not.
    return np.where((heights > PLAUSIBLE_HEIGHTS_M[0]) & (heights < PLAUSIBLE_HEIGHTS_M[1]), heights, np.float32(np.nan))
