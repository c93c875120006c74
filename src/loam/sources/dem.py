"""Tiles of a digital elevation model, joined around the area."""

import math
from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401  (registers .rio)

from loam.config.base import Grid
from loam.core.elevation import mosaic
from loam.core.grid import target_grid
from loam.core.raster import written_by_gdal

SPARE_M = 2000.0  # the wetness index gains from the catchment above the area


def mosaic_dem(dem: list[Path], out: Path, grid: Grid, cube: str | None, margin_m: float) -> None:
    """Join tiles around the area and its margin into one GeoTIFF, in the CRS of the first.

    Args:
        dem: tiles.
        out: GeoTIFF to write.
        grid: section `grid`.
        cube: the backscatter cube, read only where `grid` says 'source'.
        margin_m: terrain to keep beyond the area [m].
    """
    box = target_grid(grid, Path(cube) if cube else None)
    heights = mosaic(dem, box.pad(math.ceil((margin_m + SPARE_M) / box.resolution.x)))
    with written_by_gdal(out) as target:
        heights.rio.write_nodata(np.nan).rio.to_raster(
            target, driver="GTiff", compress="deflate", predictor=3, tiled=True
        )
