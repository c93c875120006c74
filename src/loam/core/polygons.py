"""The one reader of polygon files: GeoJSON, GeoPackage, shapefile, KML, FlatGeobuf and whatever else GDAL knows."""

import logging
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from loam.core.errors import LoamError

LOOK_LIKE_METRES = 400.0  # larger numbers are no degrees, whichever way they are counted
LARGEST = 1e9  # coordinate, in any unit
SAME_AREA = 1e-3  # relative: a slip of the pen at a coast changes less, a bow-tie all
FORMATS = "a GeoJSON, GeoPackage or shapefile"


def read_area(path: Path, layer: str | None) -> Any:
    """Read all polygons of a file as one odc.geo geometry, in two dimensions.

    Args:
        path: of the file.
        layer: to read, where there are several; None for the only one that has features.

    Raises:
        LoamError: there is no polygon, or what there is does not say which area is meant.
    """
    from odc.geo import geom

    frame = _features(path, layer)
    polygons = _polygons(frame.geometry, path)
    if frame.crs is None:
        msg = (
            f"{path}: has no CRS; write it with one (a shapefile keeps it in a .prj file beside it)"
        )
        raise LoamError(msg)
    if not (frame.crs.is_geographic or frame.crs.is_projected):
        msg = f"{path}: its CRS, {frame.crs.name}, has neither degrees nor a projection; write it with the CRS that it has"
        raise LoamError(msg)
    _require_coordinates(polygons, frame.crs, path)
    if frame.crs.is_geographic:
        polygons = _around_one_meridian(polygons, path)
    return geom.Geometry(_union(polygons), crs=frame.crs)


def _features(path: Path, layer: str | None) -> Any:
    """All features of the layer that is meant."""
    import geopandas

    _require_file(path)
    try:
        with warnings.catch_warnings(action="ignore"):
            if path.suffix.lower() in {".parquet", ".geoparquet"}:
                return geopandas.read_parquet(path)
            frame = geopandas.read_file(path, layer=_layer(path, layer), columns=[])
    except LoamError:
        raise
    except Exception as error:
        reason = str(error).partition(";")[0].partition("\n")[0][:150] or type(error).__name__
        msg = f"{path}: cannot be read as polygons ({reason}); set grid.aoi to {FORMATS}"
        raise LoamError(msg) from None
    if not isinstance(frame, geopandas.GeoDataFrame):
        msg = f"{path}: is a table without geometries; set grid.aoi to {FORMATS}"
        raise LoamError(msg)
    return frame


def _require_file(path: Path) -> None:
    if path.is_dir() and path.suffix.lower() != ".gdb":
        inside = [
            each.name
            for each in sorted(path.iterdir())
            if each.suffix.lower() in {".geojson", ".gpkg", ".shp", ".kml", ".fgb"}
        ]
        msg = f"{path}: is a folder{f' with {_listed(inside)}' if inside else ''}; set grid.aoi to the file itself"
    elif path.exists() and not path.is_dir() and not path.is_file():
        msg = f"{path}: is no regular file; set grid.aoi to {FORMATS}"
    elif path.is_file() and path.stat().st_size == 0:
        msg = f"{path}: is empty (0 bytes); set grid.aoi to {FORMATS}"
    else:
        return
    raise LoamError(msg)


def _layer(path: Path, named: str | None) -> str | None:
    """The layer to read: the one that is named, or the only one that has features with a geometry."""
    import geopandas

    layers = geopandas.list_layers(path)
    kinds = dict(zip(layers["name"].astype(str), layers["geometry_type"], strict=True))
    if named is not None and named not in kinds:
        msg = f"{path}: has no layer '{named}'; name one of {_listed(list(kinds))}"
        raise LoamError(msg)
    if named is not None or len(kinds) == 1:
        return named
    # A table without geometries, as QGIS keeps its styles in, and a layer without a feature are no area.
    firsts = {
        name: geopandas.read_file(path, layer=name, columns=[], rows=1)
        for name, kind in kinds.items()
        if kind
    }
    filled = {name: first.geometry.iloc[0] for name, first in firsts.items() if len(first)}
    if len(filled) > 1:
        found = {
            name: "no geometry" if first is None else first.geom_type
            for name, first in filled.items()
        }
        example = next(
            (name for name, kind in found.items() if "Polygon" in kind), next(iter(found))
        )
        candidates = _listed([f"{name} ({kind})" for name, kind in found.items()])
        msg = f"{path}: has several layers: {candidates}; name the area's as grid.aoi: {path}|layername={example}"
        raise LoamError(msg)
    return next(iter(filled or kinds), None)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _polygons(geometries: Any, path: Path) -> np.ndarray:
    """All polygons of all features, without heights, each valid.

    Raises:
        LoamError: there is none, something else lies beside them, or a ring crosses itself.
    """
    parts = shapely.force_2d(geometries.to_numpy())
    for _ in range(3):  # a collection of multipolygons takes two
        parts = shapely.get_parts(parts)
    parts = parts[~shapely.is_empty(parts)]
    found = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    others = parts[~found]
    if others.size:
        kinds = ", ".join(
            f"{count} {kind}" for kind, count in Counter(each.geom_type for each in others).items()
        )
        x, y = shapely.get_coordinates(others[0])[0]
        beside = f"beside {found.sum()} Polygon" if found.any() else "and no polygon"
        msg = f"{path}: holds {kinds} {beside}, the first at {x:g}, {y:g}; keep the polygons of the area alone"
        raise LoamError(msg)
    if not parts.size:
        msg = f"{path}: holds no polygon (of {len(geometries)} features none has a geometry); draw the area into the file of grid.aoi"
        raise LoamError(msg)
    if without := int(np.sum(geometries.isna() | geometries.is_empty)):
        logging.getLogger(__name__).warning(
            "%s: %d of its features have no geometry and add nothing", path, without
        )
    return np.array([_valid(each, path) for each in parts])


def _valid(polygon: Any, path: Path) -> Any:
    """A polygon, mended where its ring only touches itself, or crosses itself in a loop too small to matter."""
    if not (np.abs(shapely.get_coordinates(polygon)) < LARGEST).all():
        msg = f"{path}: a corner has a coordinate that is no number, or one of no map; draw the polygon again"
        raise LoamError(msg)
    if shapely.is_valid(polygon) and polygon.area > 0:
        return polygon
    if shapely.convex_hull(polygon).area == 0:
        msg = f"{path}: a polygon has no area, from {_corners(np.array([polygon]))}; draw it again"
        raise LoamError(msg)
    reason = shapely.is_valid_reason(polygon)
    if "elf-intersection" in reason:
        reason = (
            f"a ring crosses itself at {reason.partition('[')[2].rstrip(']').replace(' ', ', ')}"
        )
    mended = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    if mended.area == 0 or not np.isclose(mended.area, polygon.area, rtol=SAME_AREA, atol=0):
        msg = f"{path}: {reason}; mend the polygon (in QGIS: Fix geometries)"
        raise LoamError(msg)
    if shapely.is_valid_reason(polygon).startswith("Self"):
        logging.getLogger(__name__).warning(
            "%s: %s, in a loop too small to matter; taken without it", path, reason
        )
    return mended


def _corners(polygons: np.ndarray) -> str:
    west, south, east, north = shapely.total_bounds(polygons)
    return f"{west:g}, {south:g} to {east:g}, {north:g}"


def _require_coordinates(polygons: np.ndarray, crs: Any, path: Path) -> None:
    """Stop where coordinates are not in the units of the CRS: metres as degrees, degrees as metres, latitude before longitude."""
    west, south, east, north = shapely.total_bounds(polygons)
    place, name = _corners(polygons), crs.to_string() if crs.to_epsg() else crs.name
    edge = 1e-6
    # Grads are no degrees.
    degrees = crs.axis_info[0].unit_conversion_factor * 180 / np.pi if crs.is_geographic else 1.0
    west, south, east, north = (each * degrees for each in (west, south, east, north))
    lon, lat = max(abs(west), abs(east)), max(abs(south), abs(north))
    if not crs.is_geographic:
        if lon <= 180 and lat <= 90:
            msg = f"{path}: coordinates from {place} look like degrees, but its CRS is {name}; write it with the CRS that it has"
            raise LoamError(msg)
    elif max(lon, lat) > LOOK_LIKE_METRES:
        msg = f"{path}: coordinates from {place} look like metres, but its CRS is {name}, in degrees; write it with the CRS that it has"
        raise LoamError(msg)
    elif lat > 90 + edge and lon <= 90 + edge:
        msg = f"{path}: coordinates from {place}: latitude and longitude look swapped; x is the longitude, write it first"
        raise LoamError(msg)
    elif lat > 90 + edge or not -360 <= west < 360 or (west < -180 - edge and east > 180 + edge):
        msg = f"{path}: coordinates from {place} lie outside the globe, -180 to 180 (or 0 to 360) and -90 to 90 degrees; correct them"
        raise LoamError(msg)


def _around_one_meridian(polygons: np.ndarray, path: Path) -> np.ndarray:
    """Polygons in degrees, moved by whole turns so that they lie together and their middle is between -180 and 180 degrees.

    Raises:
        LoamError: a side runs more than half around the globe, which has two readings.
    """
    spans = shapely.bounds(polygons)
    wide = spans[:, 2] - spans[:, 0] >= 180
    if wide.any():
        sides = np.abs(np.diff(shapely.get_coordinates(polygons[wide][0])[:, 0])).max()
        exact = spans[wide][0, 2] - spans[wide][0, 0] >= 360
        if sides > 180 and not exact:
            msg = (
                f"{path}: a side of its polygon from {_corners(polygons[wide])} runs more than half around the globe; where it crosses "
                "180 degrees, split it there or count longitudes on beyond 180, else make the area smaller"
            )
            raise LoamError(msg)
        return polygons
    middles = (spans[:, 0] + spans[:, 2]) / 2
    if (
        middles.max() - middles.min() > 180
    ):  # on both sides of 180 degrees, or of 0 where they are counted from 0 to 360
        polygons = _moved(polygons, np.where(middles < middles.max() - 180, 360.0, 0.0))
    west, _, east, _ = shapely.total_bounds(polygons)
    return _moved(polygons, np.full(polygons.size, -360.0 * round((west + east) / 720)))


def _moved(polygons: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    return np.array(
        [
            shapely.transform(one, lambda xy, by=by: np.add(xy, (by, 0.0)))
            for one, by in zip(polygons, degrees, strict=True)
        ]
    )


def _union(polygons: np.ndarray) -> Any:
    return polygons[0] if polygons.size == 1 else shapely.union_all(polygons)
