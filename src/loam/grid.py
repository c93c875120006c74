"""The target grid, and how other grids come onto it."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import odc.geo.xr
import xarray as xr
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox
from pyproj import Geod, Transformer

from loam.config import Grid
from loam.errors import LoamError
from loam.raster import open_dataset, open_raster

MARGIN_PX = 2  # read around a window, so that its edge is resampled like its middle

# Heights of the Earth's land [m]; beyond lies a nodata value that was not declared.
PLAUSIBLE_HEIGHTS_M = (-500.0, 9000.0)


def target_grid(grid: Grid, source: Path | None) -> GeoBox:
    """Build the target grid that the configuration describes.

    Args:
        grid: section `grid`.
        source: the backscatter cube, read only where the section says 'source'.

    Raises:
        LoamError: the CRS is geographic, the polygon is unreadable, or 'source' is asked for without a cube.
    """
    native = _source_grid(source) if "source" in (grid.aoi, grid.crs) else None
    if native is not None and grid.aoi == grid.crs == "source" and _is_pixel(native, grid.resolution_m):
        return native
    _require_known_crs(grid.crs)
    bounds = _bounds(grid, native)
    crs = native.crs if native is not None and grid.crs == "source" else grid.crs if grid.crs != "utm" else "utm"
    box = bounds.to_crs(crs) if bounds.crs != crs else bounds
    if box.crs is None or not box.crs.projected:
        msg = f"grid.crs = '{grid.crs}': {box.crs} is geographic; name a projected CRS, or utm"
        raise LoamError(msg)
    _require_true_to_scale(box, grid.crs)
    return GeoBox.from_bbox(box.boundingbox, box.crs, resolution=grid.resolution_m)


def _require_true_to_scale(area: Any, name: str) -> None:
    """Stop where a metre of the map is not a metre on the ground: feet, or Mercator far from the equator."""
    x, y = area.centroid.coords[0]
    to_degrees = Transformer.from_crs(str(area.crs), "EPSG:4326", always_xy=True)
    (lon, east_lon, north_lon), (lat, east_lat, north_lat) = to_degrees.transform([x, x + 1000, x], [y, y, y + 1000])
    ground = Geod(ellps="WGS84").inv([lon, lon], [lat, lat], [east_lon, north_lon], [east_lat, north_lat])[2]
    if not all(abs(length / 1000 - 1) < 0.05 for length in ground):
        msg = f"grid.crs = '{name}': 1000 of its units are {ground[0]:.0f} m here; name a CRS in metres that is true to scale, as utm is"
        raise LoamError(msg)


def _require_known_crs(name: str) -> None:
    from pyproj.exceptions import CRSError

    try:
        if name.startswith("EPSG"):
            CRS(name)
    except CRSError:
        msg = f"grid.crs = '{name}': no such code; name the code of a projected CRS, or utm"
        raise LoamError(msg) from None


def _source_grid(source: Path | None) -> GeoBox:
    if source is None:
        msg = "grid.aoi = 'source': there is no backscatter cube; name a polygon file or bounds"
        raise LoamError(msg)
    native: GeoBox | None = open_dataset(source).odc.geobox
    if native is None:
        msg = f"{source}: x and y are not evenly spaced; regrid the cube first"
        raise LoamError(msg)
    return native


def _is_pixel(native: GeoBox, resolution: float) -> bool:
    return (
        native.crs is not None
        and native.crs.projected
        and np.allclose([abs(native.resolution.x), abs(native.resolution.y)], resolution, rtol=1e-6)
    )


def _bounds(grid: Grid, native: GeoBox | None) -> Any:
    """Area of interest as an odc.geo geometry."""
    from odc.geo import geom

    if grid.aoi == "source" and native is not None:
        return native.extent
    if isinstance(grid.aoi, str):
        return _polygon(Path(grid.aoi))
    crs = native.crs if native is not None and grid.crs == "source" else grid.crs
    return geom.box(*grid.aoi, crs)


def _polygon(path: Path) -> Any:
    import geopandas
    from odc.geo import geom

    try:
        with warnings.catch_warnings(action="ignore"):
            frame = geopandas.read_file(path)
        area = frame.union_all()
    except Exception as error:
        reason = str(error).partition(";")[0].splitlines()[0][:100]
        msg = f"{path}: cannot be read as polygons ({reason}); set grid.aoi to a GeoJSON, GeoPackage or shapefile"
        raise LoamError(msg) from None
    if frame.crs is None or area.area == 0:
        msg = f"{path}: {'has no CRS' if area.area else 'holds no polygon'}; mend the file of grid.aoi"
        raise LoamError(msg)
    return geom.Geometry(area, crs=frame.crs)


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
        step = abs(centres[1] - centres[0]) if centres.size > 1 else lone
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
    found = [pixel_positions(rim, data.odc.crs, data["x"].values, data["y"].values) for rim in rims]
    window = {}
    for index, axis in enumerate(("y", "x")):
        position = np.concatenate([each[index].ravel() for each in found])
        ends = [np.floor(position.min()) - margin, np.ceil(position.max()) + margin]
        first, last = np.clip(ends, 0, data.sizes[axis] - 1).astype(int)
        window[axis] = slice(int(first), int(last) + 1)
    return data.isel(window)


def require_same_grid(path: Path, box: GeoBox, other: Path, other_box: GeoBox) -> None:
    """Stop when two files do not lie on one grid: rows and columns would not be the same places.

    Raises:
        LoamError: they differ.
    """
    if box != other_box:
        msg = f"{path}: its grid is not that of {other}; remove it and run again"
        raise LoamError(msg)


def to_grid(data: Any, grid: GeoBox, resampling: str) -> Any:
    """Bring `(…, y, x)` data onto the target grid; pixels without data become NaN in floats.

    Args:
        data: DataArray or Dataset with a CRS.
        grid: the target grid.
        resampling: a rasterio name: average, bilinear, mode, nearest…
    """
    if data.odc.geobox == grid:
        return data
    out = data.odc.reproject(grid, resampling=resampling, dst_nodata=np.nan)
    return out.rename({name: axis for name, axis in zip(out.odc.spatial_dims, ("y", "x"), strict=True) if name != axis})


def coarsened(values: Any, box: GeoBox, resampling: str = "average") -> Any:
    """Average pixels finer than the target's onto its grid; leave coarser ones as they are.

    Args:
        values: `(…, y, x)` floats with a CRS.
        box: the target grid.
        resampling: a rasterio name; 'mode' for codes.
    """
    in_target = values.odc.output_geobox(box.crs) if values.odc.crs != box.crs else values.odc.geobox
    finer = abs(in_target.resolution.x) < abs(box.resolution.x) * 0.999
    return to_grid(values, box, resampling) if finer else values


def land_cover_codes(landcover: Path, box: GeoBox) -> np.ndarray:
    """Commonest class in each pixel of a window, `(y, x)`, NaN where the map does not reach. Only the window's part is read."""
    whole = open_raster(landcover)
    edges = box.pad(MARGIN_PX).extent.to_crs(whole.rio.crs).boundingbox
    south_first = whole["y"].size > 1 and whole["y"].values[0] < whole["y"].values[-1]
    rows = slice(edges.bottom, edges.top) if south_first else slice(edges.top, edges.bottom)
    part = whole.sel(x=slice(edges.left, edges.right), y=rows)
    if min(part.shape) < 2:
        return np.full(tuple(box.shape), np.nan)
    return np.asarray(to_grid(part, box, "mode").values)


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


def empty_like_grid(grid: GeoBox) -> dict[str, Any]:
    """Coordinates `y`, `x` and `spatial_ref` of the grid, for building arrays on it."""
    return {str(name): values for name, values in odc.geo.xr.xr_coords(grid, dims=("y", "x")).items()}


def pixel_positions(grid: GeoBox, crs: Any, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
        east, north = Transformer.from_crs(str(grid.crs), str(crs), always_xy=True).transform(east, north)
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
