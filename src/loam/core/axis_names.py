"""Which dimensions of a file are its axes, whatever the file calls them."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.core.errors import LoamError

# CF conventions 1.12, sections 4.1 and 4.2, and what is met besides.
NORTHWARD = {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}
EASTWARD = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}
STANDARD_NAMES = {
    "y": {"latitude", "projection_y_coordinate", "grid_latitude"},
    "x": {"longitude", "projection_x_coordinate", "grid_longitude"},
}
AXIS_NAMES = {
    "y": {
        "y",
        "lat",
        "latitude",
        "lats",
        "nav_lat",
        "northing",
        "y_coordinate",
        "yc",
        "ygeo",
        "rlat",
    },
    "x": {
        "x",
        "lon",
        "long",
        "longitude",
        "lons",
        "nav_lon",
        "easting",
        "x_coordinate",
        "xc",
        "xgeo",
        "rlon",
    },
}
TIME_NAMES = {"valid_time", "day", "date", "dates", "datetime", "t", "time_counter"}


def is_latitude(attributes: Mapping[Hashable, Any]) -> bool:
    """Whether the attributes of a coordinate say that it is a latitude, in any spelling of CF's."""
    return units_of(attributes) in NORTHWARD or attributes.get("standard_name") == "latitude"


def is_longitude(attributes: Mapping[Hashable, Any]) -> bool:
    """The same for a longitude."""
    return units_of(attributes) in EASTWARD or attributes.get("standard_name") == "longitude"


def units_of(attributes: Mapping[Hashable, Any]) -> str:
    """Units of a coordinate in lower case; empty where it has none."""
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
    clash = [
        name for name in set(names.values()) if name in data.variables and name not in data.dims
    ]
    data = data.drop_vars(clash).rename(names)
    return _coordinates_of(data, path)


def _is_axis(data: xr.Dataset, name: Hashable, axis: str) -> bool:
    if str(name).lower() in AXIS_NAMES[axis]:
        return True
    if name not in data.coords:
        return False
    attributes = data[name].attrs
    told = is_latitude(attributes) if axis == "y" else is_longitude(attributes)
    return (
        told
        or attributes.get("standard_name") in STANDARD_NAMES[axis]
        or str(attributes.get("axis", "")).lower() == axis
    )


def _is_time(data: xr.Dataset, name: Hashable) -> bool:
    if name not in data.coords:
        return False
    attributes = data[name].attrs
    told = (
        attributes.get("standard_name") == "time" or str(attributes.get("axis", "")).upper() == "T"
    )
    return (
        told
        or data[name].dtype.kind == "M"
        or (str(name).lower() in TIME_NAMES and data[name].dtype.kind != "O")
    )


def _coordinates_of(data: xr.Dataset, path: Path) -> xr.Dataset:
    """Stop where the pixels of a grid have no coordinates along its axes; GDAL may have left a geotransform."""
    bare = [axis for axis in ("y", "x") if axis in data.dims and axis not in data.coords]
    transform = geotransform(data)
    if bare and transform is not None:
        west, across, _, north, _, down = transform
        starts = {"x": (west, across), "y": (north, down)}
        return data.assign_coords(
            {
                axis: (np.arange(data.sizes[axis]) + 0.5) * starts[axis][1] + starts[axis][0]
                for axis in bare
            }
        )
    curved = [
        name for name in data.variables if data[name].ndim == 2 and is_latitude(data[name].attrs)
    ]
    curved = curved or [
        name
        for name in data.variables
        if data[name].ndim >= 2 and str(name).lower() in {"lat", "latitude", "xlat"}
    ]
    gridded = "y" in data.dims or "x" in data.dims or bool(curved)
    if not gridded or (
        "y" in data.coords and "x" in data.coords and "y" in data.dims and "x" in data.dims
    ):
        return data
    if curved:
        reason = f"{curved[0]} {data[curved[0]].dims} gives a latitude to every pixel, and there are no axes x and y"
        msg = f"{path}: {reason}; regrid the file to even axes (cdo remapbil), or add x and y in the units of a projected CRS"
        raise LoamError(msg)
    if bare:
        msg = f"{path}: dimension {bare[0]} has no coordinates, so nothing says where its pixels lie; add them to the file"
        raise LoamError(msg)
    return data


def geotransform(data: Any) -> tuple[float, ...] | None:
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
