"""Rasters that come in tiles, read as one around the area."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from loam.core.errors import LoamError
from loam.core.raster_file import FAULTS, Tile, opened

SPARE_PX = 2  # of the tiles' pixels, around what is asked for: for interpolation
MOST_PX = 4e9  # that are joined
ALIGNED_PX = 0.01  # two tiles share a grid where their pixels lie this near to each other [pixel]
Values = Callable[[Path, np.ndarray], np.ndarray]


def joined_tiles(
    paths: Sequence[Path],
    box: GeoBox,
    resampling: str = "bilinear",
    values: Values | None = None,
    *,
    scaled: bool = True,
    fill: tuple[float, ...] = (),
    onto: GeoBox | None = None,
) -> xr.DataArray:
    """What tiles hold around a grid, on the first tile's CRS and the finest of their resolutions.

    Tiles that share that grid are taken digit for digit; others are resampled by their own coordinates: the pixels of GLO-30 grow
    wider towards the poles, and neighbouring UTM zones have their own axes.

    Args:
        paths: rasters with a CRS; where they overlap, the first that has a value counts.
        box: the grid; no more than its extent is read, and always at full resolution.
        resampling: a rasterio name, for tiles that do not share the grid.
        values: what each tile's values mean `(y, x)`, floats to floats, before tiles meet; None: what they say.
        scaled: apply the scale and offset that a file declares for its band.
        fill: digits that the provider uses for no data, declared or not.
        onto: the common grid of these and other tiles, from `common_grid`; None: that of these alone.

    Returns:
        `(y, x)` floats, nodata as NaN.

    Raises:
        LoamError: a file cannot be read, does not say where its pixels lie, or none reaches the grid.
    """
    tiles = _near(paths, box)
    grid = onto or _common_grid(tiles, tiles[0].crs, box)
    out = np.full(grid.shape, np.nan, dtype=np.float32)
    for tile in tiles:
        part = _on_grid(tile, grid, resampling, values, _Digits(scaled, fill))
        out = out.astype(np.result_type(out, part))
        out[np.isnan(out)] = part[np.isnan(out)]
    return xr.DataArray(out, dims=("y", "x"), coords=_coords(grid)).odc.assign_crs(grid.crs)


def common_grid(paths: Sequence[Path], box: GeoBox) -> GeoBox:
    """The grid of `joined_tiles`, for tiles of several days: looks that reach differently far lie on one.

    Raises:
        LoamError: as `joined_tiles`.
    """
    tiles = _near(paths, box)
    return _common_grid(tiles, tiles[0].crs, box)


def _near(paths: Sequence[Path], box: GeoBox) -> list[Tile]:
    """Tiles that reach a grid, at their places of -180 to 180."""
    tiles = [tile for path in paths for tile in _around_the_globe(opened(path))]
    near = [tile for tile in tiles if tile.box.extent.intersects(_asked(box, tile.crs))]
    if not near:
        more = f" (nor does any other of {len(paths)} files)" if len(paths) > 1 else ""
        msg = f"{paths[0]}: does not reach the area of interest{more}; bring those that do"
        raise LoamError(msg)
    return near


@dataclass(frozen=True)
class _Digits:
    """How digits become values."""

    scaled: bool
    fill: tuple[float, ...]


def covered_by(paths: Sequence[Path], box: GeoBox) -> float:
    """Share of a grid's extent that the extents of some rasters cover together [0..1].

    Raises:
        LoamError: as `opened`.
    """
    from odc.geo.geom import unary_union

    tiles = [tile for path in paths for tile in _around_the_globe(opened(path))]
    footprint: Any = unary_union(
        [_footprint(tile, str(box.crs)).buffer(1e-6 * abs(box.resolution.x)) for tile in tiles]
    )
    return float((footprint & box.extent).area / box.extent.area)


def _around_the_globe(tile: Tile) -> list[Tile]:
    """A raster on longitudes 0 to 360 lies at two places of -180 to 180; others at one."""
    if (
        tile.box.crs is None
        or not tile.box.crs.geographic
        or tile.box.extent.boundingbox.right <= 180 + tile.resolution[0]
    ):
        return [tile]
    west = GeoBox(tile.box.shape, Affine.translation(-360, 0) @ tile.box.transform, tile.box.crs)
    return [tile, replace(tile, box=west)]


def _footprint(tile: Tile, crs: Any) -> Any:
    extent = tile.box.extent
    return extent if tile.crs == crs else extent.to_crs(crs, resolution="auto")


def _asked(box: GeoBox, crs: Any) -> Any:
    return box.extent.to_crs(crs, resolution="auto")


def _common_grid(tiles: Sequence[Tile], crs: Any, box: GeoBox) -> GeoBox:
    """The finest tile's own pixels around the grid, rows running south, no further than the tiles reach."""
    own = [tile for tile in tiles if tile.crs == crs]
    boxes = [tile.box if tile.crs == crs else tile.box.to_crs(crs) for tile in own or tiles]
    finest = min(boxes, key=lambda each: abs(each.resolution.x))  # the first of equals
    step_x, step_y = (
        min(abs(getattr(each.resolution, axis)) for each in boxes) for axis in ("x", "y")
    )
    left, top = finest.extent.boundingbox.left, finest.extent.boundingbox.top
    asked = _asked(box, crs).boundingbox
    reach = [_footprint(tile, crs).boundingbox for tile in tiles]
    west, east = min(each.left for each in reach), max(each.right for each in reach)
    south, north = min(each.bottom for each in reach), max(each.top for each in reach)
    columns = _window(
        (asked.left - left) / step_x,
        (asked.right - left) / step_x,
        (west - left) / step_x,
        (east - left) / step_x,
    )
    rows = _window(
        (top - asked.top) / step_y,
        (top - asked.bottom) / step_y,
        (top - north) / step_y,
        (top - south) / step_y,
    )
    if (columns[1] - columns[0]) * (rows[1] - rows[0]) > MOST_PX:
        size = f"{columns[1] - columns[0]} x {rows[1] - rows[0]} pixels of {step_x:g} x {step_y:g}"
        msg = f"{tiles[0].path}: the area of interest has {size} of this file, more than {MOST_PX:.0g}; bring a coarser one"
        raise LoamError(msg)
    corner = Affine(step_x, 0, left + columns[0] * step_x, 0, -step_y, top - rows[0] * step_y)
    return GeoBox((rows[1] - rows[0], columns[1] - columns[0]), corner, crs)


def _window(first: float, last: float, lowest: float, highest: float) -> tuple[int, int]:
    """Whole pixels around what is asked for, no further than there are any; all in pixels from the common corner."""
    low, high = int(np.floor(first)) - SPARE_PX, int(np.ceil(last)) + SPARE_PX
    return max(low, int(np.floor(lowest + ALIGNED_PX))), min(
        high, int(np.ceil(highest - ALIGNED_PX))
    )


def _on_grid(
    tile: Tile, grid: GeoBox, resampling: str, values: Values | None, digits: _Digits
) -> np.ndarray:
    """A tile's values on the common grid, `(y, x)`, NaN where it has none."""
    part, box = _read_around(tile, grid, digits)
    out = np.full(grid.shape, np.nan, dtype=part.dtype)
    if part.size == 0:
        return out
    if values is not None:
        part = values(tile.path, part).astype(part.dtype)
    if box.resolution.y > 0:
        part, box = part[::-1], box.flipy()
    if tile.crs == str(grid.crs) or box.crs == grid.crs:
        column, row = ~grid.transform @ (box.transform.c, box.transform.f)
        same = np.allclose(
            [box.resolution.x, box.resolution.y], [grid.resolution.x, grid.resolution.y], rtol=1e-6
        )
        drift = ALIGNED_PX / max(box.shape)
        same = same and np.allclose(
            [box.resolution.x / grid.resolution.x, box.resolution.y / grid.resolution.y],
            1,
            rtol=0,
            atol=drift,
        )
        if same and max(abs(column - round(column)), abs(row - round(row))) < ALIGNED_PX:
            _paste(out, part, round(row), round(column))
            return out
    rasterio.warp.reproject(
        np.ascontiguousarray(part),
        out,
        src_transform=box.transform,
        src_crs=str(box.crs),
        src_nodata=np.nan,
        dst_transform=grid.transform,
        dst_crs=str(grid.crs),
        dst_nodata=np.nan,
        resampling=rasterio.enums.Resampling[resampling],
    )
    return out


def _read_around(tile: Tile, grid: GeoBox, meaning: _Digits) -> tuple[np.ndarray, GeoBox]:
    """The tile's pixels around the grid, at full resolution, as floats with NaN for no data, and where they lie."""
    asked = (
        grid.extent if tile.box.crs == grid.crs else grid.extent.to_crs(tile.crs, resolution="auto")
    )
    bounds = asked.boundingbox
    corners = [
        ~tile.box.transform @ (x, y)
        for x in (bounds.left, bounds.right)
        for y in (bounds.bottom, bounds.top)
    ]
    (low_x, high_x), (low_y, high_y) = (
        (min(each), max(each)) for each in zip(*corners, strict=True)
    )
    columns = [
        int(np.clip(value, 0, tile.box.shape.x))
        for value in (np.floor(low_x) - SPARE_PX, np.ceil(high_x) + SPARE_PX)
    ]
    rows = [
        int(np.clip(value, 0, tile.box.shape.y))
        for value in (np.floor(low_y) - SPARE_PX, np.ceil(high_y) + SPARE_PX)
    ]
    box = (
        tile.box[rows[0] : rows[1], columns[0] : columns[1]]
        if rows[0] < rows[1] and columns[0] < columns[1]
        else tile.box[:0, :0]
    )
    if 0 in box.shape:
        return np.empty((0, 0), dtype=np.float32), box
    with rasterio.open(tile.path) as file:
        window = Window(columns[0], rows[0], columns[1] - columns[0], rows[1] - rows[0])
        try:
            digits = file.read(1, window=window, masked=True)
        except FAULTS as error:
            msg = f"{tile.path}: cannot be read around the area ({str(error)[:80]}); the file is cut or damaged, bring it again"
            raise LoamError(msg) from None
    kind = (
        np.float64
        if digits.dtype.name in {"int32", "uint32", "int64", "uint64", "float64"}
        else np.float32
    )
    part = digits.astype(kind).filled(np.nan)
    part[np.isin(part, meaning.fill)] = np.nan
    declared = meaning.scaled and (tile.scale, tile.offset) != (1.0, 0.0)
    return (part * tile.scale + tile.offset).astype(kind) if declared else part, box


def _paste(out: np.ndarray, part: np.ndarray, row: int, column: int) -> None:
    """Put a part into an array at a place that may lie partly outside."""
    top, left = max(row, 0), max(column, 0)
    bottom, right = (
        min(row + part.shape[0], out.shape[0]),
        min(column + part.shape[1], out.shape[1]),
    )
    if top < bottom and left < right:
        out[top:bottom, left:right] = part[top - row : bottom - row, left - column : right - column]


def _coords(grid: GeoBox) -> dict[str, Any]:
    """Coordinates `y`, `x`, whatever the axes of the CRS are called."""
    found = odc.geo.xr.xr_coords(grid, dims=("y", "x"))
    return {name: found[name] for name in ("y", "x", "spatial_ref")}
