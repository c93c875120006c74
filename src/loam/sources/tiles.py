"""Rasters that come in tiles, read as one around the area."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.merge import merge
from rasterio.vrt import WarpedVRT

from loam.errors import LoamError
from loam.grid import empty_like_grid

Place = tuple[tuple[float, ...], str]
SPARE_PX = 2  # of the tiles' pixels, around what is asked for: for interpolation


def joined_tiles(paths: Sequence[Path], box: GeoBox, resampling: str = "bilinear") -> xr.DataArray:
    """What tiles hold around a grid, on the first tile's CRS and the finest of their resolutions.

    Args:
        paths: rasters with a CRS; where they overlap, the first that has a value counts.
        box: the grid; no more than its extent is read.
        resampling: a rasterio name, for tiles of another CRS or resolution than the first.

    Returns:
        `(y, x)` floats, declared nodata as NaN.

    Raises:
        LoamError: a file cannot be read, has no CRS, or none reaches the grid.
    """
    with ExitStack() as stack:
        tiles = [_opened(path, stack) for path in paths]
        crs = tiles[0].crs
        same = [tile if tile.crs == crs else stack.enter_context(WarpedVRT(tile, crs=crs, resampling=_named(resampling))) for tile in tiles]
        bounds = _window(box, same)
        near = [tile for tile in same if _meet(tile.bounds, bounds)]
        if not near:
            msg = f"{paths[0]}: does not reach the area of interest (nor does any other of {len(paths)} files); bring those that do"
            raise LoamError(msg)
        kind = "float64" if any(tile.dtypes[0] in {"int32", "uint32", "float64"} for tile in near) else "float32"
        resolution = (min(tile.res[0] for tile in near), min(tile.res[1] for tile in near))
        values, affine = merge(near, bounds=bounds, res=resolution, nodata=np.nan, dtype=kind, resampling=_named(resampling), indexes=[1])
        grid = GeoBox(values.shape[1:], affine, crs.to_wkt())
    return xr.DataArray(values[0], dims=("y", "x"), coords=_coords(grid)).odc.assign_crs(grid.crs)


def place_of(path: Path) -> Place:
    """Bounds of a raster, west, south, east, north, and their CRS as WKT.

    Raises:
        LoamError: it cannot be read, or has no CRS.
    """
    with ExitStack() as stack:
        tile = _opened(path, stack)
        return tuple(tile.bounds), tile.crs.to_wkt()


def _opened(path: Path, stack: ExitStack) -> rasterio.DatasetReader:
    try:
        tile = stack.enter_context(rasterio.open(path))
    except rasterio.errors.RasterioError as error:
        msg = f"{path}: cannot be read as a raster ({str(error)[:80]}); replace it by a GeoTIFF"
        raise LoamError(msg) from None
    if tile.crs is None:
        msg = f"{path}: has no CRS; add one (gdal_edit.py -a_srs EPSG:…)"
        raise LoamError(msg)
    return tile


def _named(resampling: str) -> rasterio.enums.Resampling:
    return rasterio.enums.Resampling[resampling]


def _window(box: GeoBox, tiles: Sequence[rasterio.DatasetReader]) -> tuple[float, float, float, float]:
    """Bounds around the grid on the pixel edges of the first tile, no further than all tiles reach: nothing is shifted."""
    first = tiles[0]
    asked = box.extent.to_crs(first.crs.to_wkt(), resolution="auto").boundingbox
    west, south, east, north = (each(tile.bounds[i] for tile in tiles) for i, each in enumerate((min, min, max, max)))
    (step_x, step_y), left, top = first.res, first.bounds.left, first.bounds.top
    columns = [np.floor((max(asked.left, west) - left) / step_x) - SPARE_PX, np.ceil((min(asked.right, east) - left) / step_x) + SPARE_PX]
    rows = [np.floor((top - min(asked.top, north)) / step_y) - SPARE_PX, np.ceil((top - max(asked.bottom, south)) / step_y) + SPARE_PX]
    return (left + columns[0] * step_x, top - rows[1] * step_y, left + columns[1] * step_x, top - rows[0] * step_y)


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _coords(grid: GeoBox) -> dict[str, xr.DataArray]:
    """Coordinates `y`, `x`, whatever the axes of the CRS are called."""
    found = empty_like_grid(grid)
    return {name: found[name] for name in ("y", "x", "spatial_ref")}
