"""Tiles of a land-cover map, joined around the area."""

from pathlib import Path

import numpy as np

from loam.config.base import Grid
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.core.raster import write_geotiff
from loam.core.tiles import joined_tiles

SPARE_PX = 2  # of the grid, around it: the commonest class is looked for across its edge
NO_CLASS = 65535


def mosaic_landcover(landcover: list[Path], out: Path, grid: Grid, cube: str | None) -> None:
    """Join tiles of class codes around the area into one GeoTIFF, in the CRS of the first.

    Args:
        landcover: tiles.
        out: GeoTIFF to write.
        grid: section `grid`.
        cube: the backscatter cube, read only where `grid` says 'source'.
    """
    box = target_grid(grid, Path(cube) if cube else None)
    codes = joined_tiles(landcover, box.pad(SPARE_PX), "nearest")
    known = codes.values[np.isfinite(codes.values)]
    if known.size and (
        known.min() < 0 or known.max() >= NO_CLASS or (known != np.round(known)).any()
    ):
        msg = f"{landcover[0]}: holds {known.min():g} to {known.max():g}, no class codes (sources.landcover); bring a map of whole numbers"
        raise LoamError(msg)
    values = np.where(np.isfinite(codes.values), codes.values, NO_CLASS).astype(np.uint16)
    write_geotiff(values, codes.odc.geobox, out, NO_CLASS, "1", "land-cover class")
