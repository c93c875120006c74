"""Heights of the ground from rasters, as every stage reads them: voids NaN, declared or not, in metres."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.core.raster_file import opened
from loam.core.tiles import joined_tiles

# Heights of the Earth's land [m]; beyond lies a nodata value that was not declared.
PLAUSIBLE_HEIGHTS_M = (-500.0, 9000.0)
FILL = (-32768.0, -32767.0, -9999.0)  # digits that DEMs use for voids, before any scale
METRES = {"", "m", "metre", "metres", "meter", "meters", "unknown"}


def mosaic(paths: Sequence[Path], box: GeoBox) -> xr.DataArray:
    """Heights of one or several tiles around a grid `(y, x)` [m], voids NaN, declared or not.

    Args:
        paths: rasters; where they overlap, the first that has a height counts.
        box: the grid; no more than its extent is read.

    Raises:
        LoamError: a tile cannot be read, names other units than metres, or none reaches the grid.
    """
    for path in paths:
        require_metres(path)
    return joined_tiles(paths, box, values=_without_undeclared_voids, fill=FILL)


def require_metres(path: Path) -> None:
    """Stop where a raster of heights names another unit.

    Raises:
        LoamError: it does.
    """
    if (unit := opened(path).unit).lower() not in METRES:
        msg = f"{path}: its heights are in '{unit}'; convert them to metres (gdal_calc.py), or correct the unit of the band"
        raise LoamError(msg)


def _without_undeclared_voids(_path: Path, heights: np.ndarray) -> np.ndarray:
    # ASSUME: no ground is lower or higher; -9999, -32768 and -3.4e38 are voids, whether the file says so or not.
    return np.where(
        (heights > PLAUSIBLE_HEIGHTS_M[0]) & (heights < PLAUSIBLE_HEIGHTS_M[1]),
        heights,
        np.float32(np.nan),
    )
