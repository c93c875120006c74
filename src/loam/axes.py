"""Where pixels lie: one decision for every source, from all coordinates of its axes.

A geotransform made from the first two coordinates drifts when they are rounded, and shifts all that follows a row that is not there. So
an axis is either evenly spaced, in the units of its CRS and in Loam's order, or it is brought into that form, or it is refused.
"""

import logging
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.errors import LoamError

# CF conventions 1.12, sections 4.1 and 4.2, and what is met besides.
NORTHWARD = {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}
EASTWARD = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}
STANDARD_NAMES = {
    "y": {"latitude", "projection_y_coordinate", "grid_latitude"},
    "x": {"longitude", "projection_x_coordinate", "grid_longitude"},
}
AXIS_NAMES = {
    "y": {"y", "lat", "latitude", "lats", "nav_lat", "northing", "y_coordinate", "yc", "ygeo", "rlat"},
    "x": {"x", "lon", "long", "longitude", "lons", "nav_lon", "easting", "x_coordinate", "xc", "xgeo", "rlon"},
}
TIME_NAMES = {"valid_time", "day", "date", "dates", "datetime", "t", "time_counter"}
METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0, "km": 1000.0, "kilometre": 1000.0, "kilometer": 1000.0}
METRES |= {"kilometres": 1000.0, "kilometers": 1000.0}
UNEVEN_PX = 0.05  # a coordinate may lie this far from an even axis [pixel]
UNEVEN_ROUNDED_PX = 0.25  # the same where the numbers themselves are rounded that much: float32 degrees
SMALLEST_PIXEL, LARGEST_PIXEL = 1e-9, 1e9  # degrees or metres; beyond lies a damaged geotransform
MOST_MISSING = 2.0  # rows or columns that may be filled in, as a multiple of those that are there


def is_latitude(attributes: Mapping[Hashable, Any]) -> bool:
    """Whether the attributes of a coordinate say that it is a latitude, in any spelling of CF's."""
    return _units(attributes) in NORTHWARD or attributes.get("standard_name") == "latitude"


def is_longitude(attributes: Mapping[Hashable, Any]) -> bool:
    """The same for a longitude."""
    return _units(attributes) in EASTWARD or attributes.get("standard_name") == "longitude"


def _units(attributes: Mapping[Hashable, Any]) -> str:
    return str(attributes.get("units", "")).strip().lower()


def named_axes(data: xr.Dataset, path: Path) -> xr.Dataset:
    """Call the horizontal dimensions `y` and `x`, and the dimension of times `time`, whatever the file calls them.

    Raises:
        LoamError: two dimensions could be the same axis, or the grid has two-dimensional latitudes and longitudes alone.
    """
    names: dict[Hashable, str] = {}
    for axis in ("y", "x"):
        if axis in data.dims:
            continue
        found = [name for name in data.dims if _is_axis(data, name, axis)]
        if len(found) > 1:
            msg = f"{path}: dimensions {' and '.join(map(str, found))} could both be {axis}; keep one, or name it {axis}"
            raise LoamError(msg)
        names |= {name: axis for name in found}
    if "time" not in data.dims:
        names |= {name: "time" for name in data.dims if name not in names and _is_time(data, name)}
    if len(set(names.values())) < len(names):
        msg = f"{path}: dimensions {' and '.join(map(str, names))} could both be time; name one of them time"
        raise LoamError(msg)
    clash = [name for name in set(names.values()) if name in data.variables and name not in data.dims]
    data = data.drop_vars(clash).rename(names)
    return _coordinates_of(data, path)


def _is_axis(data: xr.Dataset, name: Hashable, axis: str) -> bool:
    if str(name).lower() in AXIS_NAMES[axis]:
        return True
    if name not in data.coords:
        return False
    attributes = data[name].attrs
    told = is_latitude(attributes) if axis == "y" else is_longitude(attributes)
    return told or attributes.get("standard_name") in STANDARD_NAMES[axis] or str(attributes.get("axis", "")).lower() == axis


def _is_time(data: xr.Dataset, name: Hashable) -> bool:
    if name not in data.coords:
        return False
    attributes = data[name].attrs
    told = attributes.get("standard_name") == "time" or str(attributes.get("axis", "")).upper() == "T"
    return told or data[name].dtype.kind == "M" or (str(name).lower() in TIME_NAMES and data[name].dtype.kind != "O")


def _coordinates_of(data: xr.Dataset, path: Path) -> xr.Dataset:
    """Stop where the pixels of a grid have no coordinates along its axes; GDAL may have left a geotransform."""
    bare = [axis for axis in ("y", "x") if axis in data.dims and axis not in data.coords]
    transform = _geotransform(data)
    if bare and transform is not None:
        west, across, _, north, _, down = transform
        starts = {"x": (west, across), "y": (north, down)}
        return data.assign_coords({axis: (np.arange(data.sizes[axis]) + 0.5) * starts[axis][1] + starts[axis][0] for axis in bare})
    curved = [name for name in data.variables if data[name].ndim == 2 and is_latitude(data[name].attrs)]
    curved = curved or [name for name in data.variables if data[name].ndim >= 2 and str(name).lower() in {"lat", "latitude", "xlat"}]
    gridded = "y" in data.dims or "x" in data.dims or bool(curved)
    if not gridded or ("y" in data.coords and "x" in data.coords and "y" in data.dims and "x" in data.dims):
        return data
    if curved:
        reason = f"{curved[0]} {data[curved[0]].dims} gives a latitude to every pixel, and there are no axes x and y"
        msg = f"{path}: {reason}; regrid the file to even axes (cdo remapbil), or add x and y in the units of a projected CRS"
        raise LoamError(msg)
    if bare:
        msg = f"{path}: dimension {bare[0]} has no coordinates, so nothing says where its pixels lie; add them to the file"
        raise LoamError(msg)
    return data


def even_axes(data: Any, path: Path, projected: bool) -> Any:
    """Bring the axes of a dataset or array into Loam's form: even, in metres or degrees, rows running south, -180 to 180.

    Args:
        data: with dimensions `y`, `x` and their coordinates; returned as it is without.
        path: the file, for messages.
        projected: whether the CRS has metres; else degrees.

    Returns:
        The same; rows or columns that a file leaves out are there, without values.

    Raises:
        LoamError: an axis is not in the units of the CRS, cannot be made even, or lies across the antimeridian.
    """
    for axis in ("x", "y"):
        if axis in data.dims and axis in data.coords:
            data = _in_units(data, axis, path, projected)
    if not projected and "x" in data.dims and "x" in data.coords:
        data = _in_half_turns(data, path)
    data = _from_corners(data, path)
    for axis in ("x", "y"):
        if axis in data.dims and axis in data.coords:
            data = _even(data, axis, path)
    return data


def require_placed(file: Any, path: Path) -> None:
    """Stop unless an opened raster has one band of data, a CRS, and rows and columns along its axes.

    Args:
        file: as rasterio opens it.
        path: the file, for messages.

    Raises:
        LoamError: it has not.
    """
    from rasterio.enums import ColorInterp

    bands = [band for band, meaning in zip(file.indexes, file.colorinterp, strict=True) if meaning != ColorInterp.alpha]
    if len(bands) > 1:
        names = ", ".join(file.descriptions[band - 1] or str(band) for band in bands[:8])
        msg = f"{path}: has {len(bands)} bands ({names}), and one is wanted; keep the right one (gdal_translate -b 1 …)"
        raise LoamError(msg)
    if file.crs is None:
        msg = f"{path}: has no CRS; add one (gdal_edit.py -a_srs EPSG:…)"
        raise LoamError(msg)
    if file.transform.is_identity:
        msg = f"{path}: has no geotransform, so nothing says where its pixels lie; add one (gdal_edit.py -a_ullr …)"
        raise LoamError(msg)
    sizes = np.abs([file.transform.a, file.transform.e]) + np.abs([file.transform.b, file.transform.d])
    if not (np.isfinite(tuple(file.transform)[:6]).all() and (sizes > SMALLEST_PIXEL).all() and (sizes < LARGEST_PIXEL).all()):
        msg = f"{path}: its geotransform {tuple(file.transform)[:6]} gives pixels no size; the file is damaged, bring it again"
        raise LoamError(msg)
    if max(abs(file.transform.b), abs(file.transform.d)) > 1e-6 * max(abs(file.transform.a), abs(file.transform.e)):
        msg = f"{path}: its rows and columns are rotated against its CRS; turn it north first (gdalwarp {path.name} north_up.tif)"
        raise LoamError(msg)


def _in_units(data: Any, axis: str, path: Path, projected: bool) -> Any:
    """Kilometres become metres; degrees under a projected CRS, or metres under degrees, are refused."""
    values, units = data[axis].values, _units(data[axis].attrs)
    if values.size == 0:
        msg = f"{path}: coordinate {axis} is empty: the file has no pixel; bring one that covers the area"
        raise LoamError(msg)
    if values.dtype.kind not in "fiu":
        msg = f"{path}: coordinate {axis} holds no numbers ({values.dtype}); write it as numbers"
        raise LoamError(msg)
    values = values.astype(np.float64) if values.dtype.kind != "f" else values
    if not np.isfinite(values).all():
        msg = f"{path}: coordinate {axis} has places without a number; remove those rows or columns, or give them their place"
        raise LoamError(msg)
    degrees = units in NORTHWARD | EASTWARD | {"degree", "degrees", "deg"}
    if projected and (degrees or units in {"rad", "radian", "radians"}):
        msg = f"{path}: coordinate {axis} is in '{units}', but the CRS is projected; correct the units, or the CRS"
        raise LoamError(msg)
    if not projected and (units in METRES or units in {"rad", "radian", "radians"}):
        msg = f"{path}: coordinate {axis} is in '{units}', but the CRS is in degrees; name the projected CRS in the file"
        raise LoamError(msg)
    if projected and METRES.get(units, 1.0) != 1.0:
        attributes = dict(data[axis].attrs) | {"units": "m"}
        return data.assign_coords({axis: (axis, values.astype(np.float64) * METRES[units], attributes)})
    limit = {"x": 540.0, "y": 90.001}[axis]
    if not projected and np.abs(values).max() > limit:
        msg = f"{path}: coordinate {axis} reaches {values[np.abs(values).argmax()]:g}, no degree; name the projected CRS in the file"
        raise LoamError(msg)
    return data.assign_coords({axis: (axis, values, data[axis].attrs)}) if values.dtype != data[axis].dtype else data


def _in_half_turns(data: Any, path: Path) -> Any:
    """Longitudes 0 to 360 as -180 to 180, from west to east."""
    x = data["x"].values
    if x.size == 0 or x.max() <= 180.0 + _step(x) / 2:
        return data
    turned = np.where(x > 180.0, x - 360.0, x)
    data = data.assign_coords(x=("x", turned, data["x"].attrs)).sortby("x")
    data = data.isel(x=np.unique(data["x"].values, return_index=True)[1])  # 0 and 360 are one meridian
    gap = np.diff(data["x"].values)
    if gap.size and gap.max() > 3 * np.median(gap) and gap.max() > 180:
        msg = (
            f"{path}: longitudes run from {x.min():g} to {x.max():g}, across the antimeridian; cut the file there"
            " (cdo sellonlatbox,-180,180,-90,90), and keep the side of the area"
        )
        raise LoamError(msg)
    return data


def _step(values: np.ndarray) -> float:
    return abs(float(values[-1]) - float(values[0])) / (values.size - 1) if values.size > 1 else 0.0


def _geotransform(data: Any) -> tuple[float, ...] | None:
    """Geotransform that GDAL or rioxarray has left on a grid mapping; None where there is none, or it is no such."""
    for name in list(data.variables) if isinstance(data, xr.Dataset) else list(data.coords):
        text = data[name].attrs.get("GeoTransform") if data[name].ndim == 0 else None
        if text is not None:
            try:
                found = tuple(map(float, str(text).split()))
            except ValueError:
                continue
            if len(found) == 6 and found[2] == found[4] == 0 and found[1] and found[5]:
                return found
    return None


def _from_corners(data: Any, path: Path) -> Any:
    """Coordinates of pixels' corners become those of their centres, where the file's own geotransform says that they are corners.

    A geotransform is left behind when somebody cuts or thins the data, so whole pixels of difference, or another step, mean nothing.

    Raises:
        LoamError: geotransform and coordinates differ by some other part of a pixel.
    """
    transform = data.attrs.pop("_geotransform", None) or _geotransform(data)
    if transform is None or not {"x", "y"} <= set(data.dims) & set(data.coords):
        return data
    west, across, _, north, _, down = transform
    moved = {}
    for axis, start, step in (("x", west, across), ("y", north, down)):
        values = data[axis].values.astype(np.float64)
        if values.size < 2 or abs(_step(values) / abs(step) - 1) > 1e-3:
            return data
        places = (values.min() if (step > 0) else values.max()) - start
        offset = places / step - 0.5
        part = offset - round(offset)
        if abs(part) <= UNEVEN_ROUNDED_PX / 2:
            continue
        if round(2 * offset) not in (-1, 1) or abs(abs(part) - 0.5) > UNEVEN_ROUNDED_PX / 2:
            msg = (
                f"{path}: coordinate {axis} lies {part:+.2f} pixels from where the file's GeoTransform has it; correct one of the two, or"
                " remove the attribute GeoTransform"
            )
            raise LoamError(msg)
        moved[axis] = (axis, values - offset * step, data[axis].attrs)
    if moved:
        text = "%s: %s are corners of pixels by the file's GeoTransform; moved by half a pixel to their centres"
        logging.getLogger(__name__).warning(text, path, " and ".join(moved))
    return data.assign_coords(moved)


def _even(data: Any, axis: str, path: Path) -> Any:
    """The data on an even axis: x eastward, y southward; rows or columns that are left out filled in."""
    data = _in_order(data, axis, path)
    values = data[axis].values
    if values.size < 2:
        return data
    exact = values.astype(np.float64)
    even = _fitted(exact)
    step = abs(even[1] - even[0])
    off = np.abs(exact - even).max() / step
    if off <= _tolerance(values, step):
        drift = abs((exact[1] - exact[0]) - (even[1] - even[0])) * values.size / step
        return data if drift < 1e-3 and values.dtype == np.float64 else _placed(data, axis, even)
    return _filled_in(data, axis, path)


def _tolerance(values: np.ndarray, step: float) -> float:
    """How far a coordinate may lie from its even place [pixel]: more where its digits end there."""
    rounding = float(np.spacing(np.abs(values).max())) if values.dtype.kind == "f" else 0.0
    return max(UNEVEN_PX, min(1.5 * rounding / step, UNEVEN_ROUNDED_PX))


def _fitted(values: np.ndarray) -> np.ndarray:
    """The even axis that lies nearest to all coordinates, by least squares."""
    place = np.arange(values.size) - (values.size - 1) / 2
    return values.mean() + place * float((place * (values - values.mean())).sum() / (place**2).sum())


def _placed(data: Any, axis: str, values: np.ndarray) -> Any:
    return data.assign_coords({axis: (axis, values, data[axis].attrs)})


def _in_order(data: Any, axis: str, path: Path) -> Any:
    values = data[axis].values
    steps = np.diff(values.astype(np.float64))
    if (steps == 0).any() or np.unique(values).size < values.size:
        doubled = values[np.flatnonzero(steps == 0)[0]] if (steps == 0).any() else "some value"
        msg = f"{path}: coordinate {axis} holds {doubled} more than once; keep each row and column once"
        raise LoamError(msg)
    southward = axis == "y"
    if steps.size == 0 or ((steps < 0).all() == southward and (southward or (steps > 0).all())):
        return data
    if (steps > 0).all() or (steps < 0).all():
        return data.isel({axis: slice(None, None, -1)})
    return data.sortby(axis, ascending=not southward)


def _filled_in(data: Any, axis: str, path: Path) -> Any:
    """The data with the rows or columns that a file leaves out, without values."""
    values = data[axis].values.astype(np.float64)
    steps = np.diff(values)
    step = float(np.median(steps[np.abs(steps) <= 1.5 * np.abs(steps).min()]))
    places = (values - values[0]) / step
    for _ in range(2):  # the step of all, not of the first rows alone
        whole = np.round(places)
        step = float(np.polyfit(whole, values, 1)[0]) if whole[-1] else step
        places = (values - values[0]) / step
    whole = np.round(places).astype(np.int64)
    if np.abs(places - whole).max() > _tolerance(data[axis].values, abs(step)) * 2 or whole[-1] + 1 > (1 + MOST_MISSING) * values.size:
        low, high = np.abs(steps).min(), np.abs(steps).max()
        msg = (
            f"{path}: coordinate {axis} is not evenly spaced, its steps are {low:.6g} to {high:.6g}; regrid the file to even axes"
            " (cdo remapbil, xesmf)"
        )
        raise LoamError(msg)
    start = float(np.mean(values - whole * step))
    everywhere = start + np.arange(whole[-1] + 1) * step
    text = "%s: %d of %d %s are left out of the file; they stay without values"
    kind = {"x": "columns", "y": "rows"}[axis]
    logging.getLogger(__name__).warning(text, path, everywhere.size - values.size, everywhere.size, kind)
    attributes = data[axis].attrs
    out = _placed(data, axis, everywhere[whole]).reindex({axis: everywhere})
    out[axis].attrs.update(attributes)
    return out
