"""The target grid, which `loam.core.aoi` makes of the area of interest, and how other grids come onto it."""

from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox
from pyproj import Transformer

from loam.core.aoi import target_grid as target_grid  # callers ask for the grid here
from loam.core.errors import LoamError
from loam.core.tiles import covered_by, joined_tiles

MARGIN_PX = 2  # read around a window, so that its edge is resampled like its middle


def covered_share(data: xr.Dataset | xr.DataArray, grid: GeoBox, half_cell: bool = False) -> float:
    """Share of the target grid's extent that the data's extent covers [0..1].

    Args:
        data: anything with x, y and a CRS.
        grid: the target grid.
        half_cell: count half a cell beyond the outermost centres twice, for fields that are interpolated.
    """
    box = _extent(data, 2.0 if half_cell else 1.0)
    footprint = box.polygon.to_crs(str(grid.crs), resolution="auto")
    return float((footprint & grid.extent).area / grid.extent.area)


def _extent(data: xr.Dataset | xr.DataArray, cells: float) -> BoundingBox:
    """Extent of the data's cells; a single row or column counts as a cell of 0.1 degree or 10 km."""
    lone = 10_000.0 if data.odc.crs.projected else 0.1
    spans = []
    for axis in ("x", "y"):
        centres = data[axis].values.astype(float)
        step = abs(centres[-1] - centres[0]) / (centres.size - 1) if centres.size > 1 else lone
        spans.append((centres.min() - cells * step / 2, centres.max() + cells * step / 2))
    (west, east), (south, north) = spans
    return BoundingBox(west, south, east, north, data.odc.crs)


def around(data: Any, box: GeoBox, margin: int = 0) -> Any:
    """Only the cells that the target grid's pixels are interpolated from: a file may cover a continent.

    Args:
        data: DataArray or Dataset with evenly spaced x and y and a CRS.
        box: the target grid.
        margin: cells more on every side, as far as there are any.
    """
    # The rim tells as much as all pixels, and a county has millions.
    rims = (box[:1, :], box[-1:, :], box[:, :1], box[:, -1:])
    names = data.odc.spatial_dims
    found = [
        pixel_positions(rim, data.odc.crs, data[names[1]].values, data[names[0]].values)
        for rim in rims
    ]
    window = {}
    for index, axis in enumerate(names):
        position = np.concatenate([each[index].ravel() for each in found])
        ends = [np.floor(position.min()) - margin, np.ceil(position.max()) + margin]
        first, last = np.clip(ends, 0, data.sizes[axis] - 1).astype(int)
        window[axis] = slice(int(first), int(last) + 1)
    return data.isel(window)


def require_same_grid(path: Path, box: GeoBox, other: Path, other_box: GeoBox) -> None:
    """Stop when two files do not lie on one grid: rows and columns would not be the same places.

    Args:
        path: first file, for the message.
        box: its grid.
        other: second file, for the message.
        other_box: its grid.

    Raises:
        LoamError: they differ.
    """
    if box != other_box:
        msg = f"{path}: its grid is not that of {other}; remove it and run again"
        raise LoamError(msg)


def to_grid(data: Any, grid: GeoBox, resampling: str) -> Any:
    """Bring `(…, y, x)` data onto the target grid; pixels without data become NaN in floats. No more than is needed is read.

    Args:
        data: DataArray or Dataset with a CRS.
        grid: the target grid.
        resampling: a rasterio name: average, bilinear, mode, nearest…
    """
    if data.odc.geobox == grid:
        return data
    out = around(data, grid, MARGIN_PX).odc.reproject(
        grid, resampling=resampling, dst_nodata=np.nan
    )
    return out.rename(
        {
            name: axis
            for name, axis in zip(out.odc.spatial_dims, ("y", "x"), strict=True)
            if name != axis
        }
    )


def coarsened(values: Any, box: GeoBox, resampling: str = "average") -> Any:
    """Average pixels finer than the target's onto its grid; leave coarser ones as they are.

    Args:
        values: `(…, y, x)` floats with a CRS.
        box: the target grid.
        resampling: a rasterio name; 'mode' for codes.
    """
    in_target = (
        values.odc.output_geobox(box.crs) if values.odc.crs != box.crs else values.odc.geobox
    )
    finer = abs(in_target.resolution.x) < abs(box.resolution.x) * 0.999
    return to_grid(values, box, resampling) if finer else values


def land_cover_codes(landcover: Path, box: GeoBox) -> np.ndarray:
    """Commonest class in each pixel of a window, `(y, x)`, NaN where the map does not reach. Only the window's part is read."""
    if not covered_by([landcover], box):
        return np.full(tuple(box.shape), np.nan)
    return np.asarray(
        to_grid(joined_tiles([landcover], box.pad(MARGIN_PX), "nearest"), box, "mode").values
    )


def empty_like_grid(grid: GeoBox) -> dict[str, Any]:
    """Coordinates `y`, `x` and `spatial_ref` of the grid, for building arrays on it."""
    return {
        str(name): values for name, values in odc.geo.xr.xr_coords(grid, dims=("y", "x")).items()
    }


def pixel_positions(
    grid: GeoBox, crs: Any, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the grid's pixel centres lie in another raster, as fractional (row, column), each `(y, x)`.

    Args:
        grid: the target grid.
        crs: CRS of the other raster.
        x: its column centres, evenly spaced.
        y: its row centres, evenly spaced.
    """
    coords = empty_like_grid(grid)
    east, north = np.meshgrid(coords["x"].values, coords["y"].values)
    if crs != grid.crs:
        east, north = Transformer.from_crs(str(grid.crs), str(crs), always_xy=True).transform(
            east, north
        )
    return _fractional(north, y), _fractional(east, x)


def _fractional(value: np.ndarray, centres: np.ndarray) -> np.ndarray:
    if centres.size == 1:
        return np.zeros_like(value)
    # Over the whole axis: neighbouring float32 coordinates differ by a rounded step.
    centres = centres.astype(np.float64)
    step = (centres[-1] - centres[0]) / (centres.size - 1)
    if np.abs(np.diff(centres) / step - 1).max() > 0.05:
        msg = f"coordinates from {centres[0]:g} to {centres[-1]:g} are not evenly spaced; regrid the file first"
        raise LoamError(msg)
    return (value - centres[0]) / step


def support_pixels(label_support_m: float, pixel_m: float) -> int:
    """Edge of the window that backscatter is averaged over [pixel], odd, so that it is centred on its pixel; at least 1."""
    return max(1, 2 * round((label_support_m / pixel_m - 1) / 2) + 1)
