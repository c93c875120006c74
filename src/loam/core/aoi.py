"""The area of interest, and the target grid that it gives."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import odc.geo.xr  # noqa: F401  (registers the .odc accessor)
from odc.geo import geom
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Geod, Transformer
from pyproj.exceptions import CRSError

from loam.core.errors import LoamError
from loam.core.limits import MOST_PIXELS
from loam.core.polygons import read_area
from loam.core.raster import open_dataset

UTM_LATITUDES = (-80.0, 84.0)
METRES_PER_DEGREE = 111_195.0  # of a great circle


class GridSettings(Protocol):
    """What the target grid follows from: section `grid` of the configuration."""

    @property
    def aoi(self) -> str | tuple[float, float, float, float]:
        """Polygon file, bounds [m, in crs], or 'source'."""

    @property
    def aoi_path(self) -> Path | None:
        """The polygon file, if there is one."""

    @property
    def aoi_layer(self) -> str | None:
        """Its layer, if one is named."""

    @property
    def crs(self) -> str:
        """'utm', EPSG:code or 'source'."""

    @property
    def resolution_m(self) -> float:
        """Pixel size [m]."""


def target_grid(grid: GridSettings, source: Path | None) -> GeoBox:
    """Build the target grid that the configuration describes.

    Args:
        grid: section `grid`.
        source: the backscatter cube, read only where the section says 'source'.

    Raises:
        LoamError: the CRS is geographic, the polygon is unreadable, the area is too large or too small, or 'source' is asked for
            without a cube.
    """
    native = _source_grid(source) if "source" in (grid.aoi, grid.crs) else None
    if (
        native is not None
        and grid.aoi == grid.crs == "source"
        and _is_pixel(native, grid.resolution_m)
    ):
        return native
    _require_known_crs(grid.crs)
    area = _area(grid, native)
    crs = native.crs if native is not None and grid.crs == "source" else grid.crs
    if _is_degrees(area):
        _require_possible(area, grid)
    box = _projected(area, crs, grid)
    _require_true_to_scale(box, grid)
    _require_pixels(box, grid)
    return GeoBox.from_bbox(box, resolution=grid.resolution_m)


def _area(grid: GridSettings, native: GeoBox | None) -> Any:
    """Area of interest as an odc.geo geometry."""
    if grid.aoi == "source" and native is not None:
        return native.extent
    if grid.aoi_path is not None:
        return read_area(grid.aoi_path, grid.aoi_layer)
    west, south, east, north = map(float, grid.aoi)
    return geom.box(
        west,
        south,
        east,
        north,
        native.crs if native is not None and grid.crs == "source" else grid.crs,
    )


def _name(grid: GridSettings) -> str:
    """What the area is called in a message."""
    return str(
        grid.aoi_path or f"grid.aoi = {grid.aoi if isinstance(grid.aoi, str) else list(grid.aoi)}"
    )


def _is_degrees(area: Any) -> bool:
    return area.crs is not None and area.crs.geographic


def _projected(area: Any, crs: Any, grid: GridSettings) -> Any:
    """Bounding box of the area in the grid's CRS."""
    try:
        box = area.to_crs(crs) if area.crs != crs else area
        bounds = box.boundingbox
    except Exception as error:
        reason = str(error).partition("\n")[0][:100] or type(error).__name__
        msg = f"{_name(grid)}: cannot be brought into grid.crs = '{grid.crs}' ({reason}); name a projected CRS of this region, or utm"
        raise LoamError(msg) from None
    if box.crs is None or not box.crs.projected:
        msg = f"grid.crs = '{grid.crs}': it is geographic; name a projected CRS, or utm"
        raise LoamError(msg)
    if not np.isfinite(bounds).all():
        msg = f"{_name(grid)}: reaches beyond what grid.crs = '{grid.crs}' can map; name a projected CRS of this region, or utm"
        raise LoamError(msg)
    return bounds


def _require_possible(area: Any, grid: GridSettings) -> None:
    """Stop where no map of the area can be made, before its degrees become metres that mean nothing."""
    west, south, east, north = area.boundingbox
    nearest = 0.0 if south < 0 < north else min(abs(south), abs(north))
    width = (east - west) * np.cos(np.radians(nearest)) * METRES_PER_DEGREE
    height = (north - south) * METRES_PER_DEGREE
    if width * height > 4 * MOST_PIXELS * grid.resolution_m**2:
        _refuse_size(width, height, grid)
    if east - west >= 180:
        msg = (
            f"{_name(grid)}: is too large for one grid, {east - west:g} degrees of longitude wide; make the area smaller, or around a "
            "pole give its bounds in metres of a polar CRS"
        )
        raise LoamError(msg)
    middle = (south + north) / 2
    if grid.crs == "utm" and not UTM_LATITUDES[0] <= middle <= UTM_LATITUDES[1]:
        pole, code = ("north", 3413) if middle > 0 else ("south", 3031)
        msg = f"{_name(grid)}: lies at {middle:.1f} degrees, and UTM ends at -80 and 84; name a CRS of the {pole} pole, as EPSG:{code}"
        raise LoamError(msg)


def _refuse_size(width: float, height: float, grid: GridSettings) -> None:
    pixels = width * height / grid.resolution_m**2
    msg = (
        f"{_name(grid)}: {width / 1000:.0f} km x {height / 1000:.0f} km are {pixels:.3g} pixels of grid.resolution_m = "
        f"{grid.resolution_m:g}, too large for one grid of at most {MOST_PIXELS:.0e}; make the area smaller, or the pixels larger"
    )
    raise LoamError(msg)


def _require_pixels(box: Any, grid: GridSettings) -> None:
    """Stop where the grid would have too many pixels, or the area is smaller than one."""
    width, height, pixel = box.span_x, box.span_y, grid.resolution_m
    if width * height > MOST_PIXELS * pixel**2:
        _refuse_size(width, height, grid)
    if min(width, height) < pixel * 0.999:
        degrees = isinstance(grid.aoi, tuple) and max(np.abs(grid.aoi)) <= 360
        hint = (
            f"bounds are in metres of {grid.crs}, not in degrees"
            if degrees
            else "make the area larger, or the pixels smaller"
        )
        msg = f"{_name(grid)}: {width:.3g} m x {height:.3g} m are less than a pixel of grid.resolution_m = {pixel:g}; {hint}"
        raise LoamError(msg)


def _require_true_to_scale(box: Any, grid: GridSettings) -> None:
    """Stop where a metre of the map is not a metre on the ground: feet, Mercator far from the equator, an area too wide for its CRS."""
    x, y = (
        each.ravel()
        for each in np.meshgrid(
            [box.left, sum(box.range_x) / 2, box.right], [box.bottom, sum(box.range_y) / 2, box.top]
        )
    )
    to_degrees = Transformer.from_crs(str(box.crs), "EPSG:4326", always_xy=True)
    points = [
        to_degrees.transform(x + east, y + north) for east, north in ((0, 0), (1000, 0), (0, 1000))
    ]
    (lon, lat), *steps = points
    if not np.isfinite(points).all():
        msg = f"{_name(grid)}: reaches beyond what grid.crs = '{grid.crs}' can map; name a projected CRS of this region, or utm"
        raise LoamError(msg)
    ground = np.array([Geod(ellps="WGS84").inv(lon, lat, *step)[2] for step in steps])
    wrong = np.abs(ground / 1000 - 1)
    worst = np.unravel_index(wrong.argmax(), wrong.shape)
    if wrong[:, 4].max() >= 0.05:
        length = ground[wrong[:, 4].argmax(), 4]
        msg = f"grid.crs = '{grid.crs}': 1000 of its units are {length:.0f} m here; name a CRS in metres that is true to scale, as utm is"
        raise LoamError(msg)
    if wrong[worst] >= 0.05:
        msg = (
            f"{_name(grid)}: is too large for grid.crs = '{grid.crs}': 1000 m of the map are {ground[worst]:.0f} m at "
            f"{lon[worst[1]]:.2f}, {lat[worst[1]]:.2f} degrees; make the area smaller, or name a CRS that is true to scale over all of it"
        )
        raise LoamError(msg)


def _require_known_crs(name: str) -> None:
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
