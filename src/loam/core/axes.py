"""Where pixels lie: one decision for every source, from all coordinates of its axes.

A geotransform made from the first two coordinates drifts when they are rounded, and shifts all that follows a row that is not there. So
an axis is either evenly spaced, in the units of its CRS and in Loam's order, or it is brought into that form, or it is refused.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from loam.core.axis_names import EASTWARD, NORTHWARD, geotransform, units_of
from loam.core.errors import LoamError

METRES = {
    "m": 1.0,
    "metre": 1.0,
    "meter": 1.0,
    "metres": 1.0,
    "meters": 1.0,
    "km": 1000.0,
    "kilometre": 1000.0,
    "kilometer": 1000.0,
}
METRES |= {"kilometres": 1000.0, "kilometers": 1000.0}
UNEVEN_PX = 0.05  # a coordinate may lie this far from an even axis [pixel]
UNEVEN_ROUNDED_PX = (
    0.25  # the same where the numbers themselves are rounded that much: float32 degrees
)
MOST_MISSING = 2.0  # rows or columns that may be filled in, as a multiple of those that are there


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
            data = _inunits_of(data, axis, path, projected)
    if not projected and "x" in data.dims and "x" in data.coords:
        data = _in_half_turns(data, path)
    data = _from_corners(data, path)
    for axis in ("x", "y"):
        if axis in data.dims and axis in data.coords:
            data = _even(data, axis, path)
    return data


def _inunits_of(data: Any, axis: str, path: Path, projected: bool) -> Any:
    """Kilometres become metres; degrees under a projected CRS, or metres under degrees, are refused."""
    values, units = data[axis].values, units_of(data[axis].attrs)
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
        return data.assign_coords(
            {axis: (axis, values.astype(np.float64) * METRES[units], attributes)}
        )
    limit = {"x": 540.0, "y": 90.001}[axis]
    if not projected and np.abs(values).max() > limit:
        msg = f"{path}: coordinate {axis} reaches {values[np.abs(values).argmax()]:g}, no degree; name the projected CRS in the file"
        raise LoamError(msg)
    return (
        data.assign_coords({axis: (axis, values, data[axis].attrs)})
        if values.dtype != data[axis].dtype
        else data
    )


def _in_half_turns(data: Any, path: Path) -> Any:
    """Longitudes 0 to 360 as -180 to 180, from west to east."""
    x = data["x"].values
    if x.size == 0 or x.max() <= 180.0 + _step(x) / 2:
        return data
    turned = np.where(x > 180.0, x - 360.0, x)
    data = data.assign_coords(x=("x", turned, data["x"].attrs)).sortby("x")
    # 0 and 360 are one meridian.
    data = data.isel(x=np.unique(data["x"].values, return_index=True)[1])
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


def _from_corners(data: Any, path: Path) -> Any:
    """Coordinates of pixels' corners become those of their centres, where the file's own geotransform says that they are corners.

    A geotransform is left behind when somebody cuts or thins the data, so whole pixels of difference, or another step, mean nothing.

    Raises:
        LoamError: geotransform and coordinates differ by some other part of a pixel.
    """
    transform = data.attrs.pop("_geotransform", None) or geotransform(data)
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
    return values.mean() + place * float(
        (place * (values - values.mean())).sum() / (place**2).sum()
    )


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
    whole = np.round(places)
    # Steps near 0 give places without end, which are far from even.
    even = np.abs(places - whole).max() <= _tolerance(data[axis].values, abs(step)) * 2
    if not even or not abs(whole[-1]) + 1 <= (1 + MOST_MISSING) * values.size:
        low, high = np.abs(steps).min(), np.abs(steps).max()
        msg = (
            f"{path}: coordinate {axis} is not evenly spaced, its steps are {low:.6g} to {high:.6g}; regrid the file to even axes"
            " (cdo remapbil, xesmf)"
        )
        raise LoamError(msg)
    whole = whole.astype(np.int64)
    start = float(np.mean(values - whole * step))
    everywhere = start + np.arange(whole[-1] + 1) * step
    text = "%s: %d of %d %s are left out of the file; they stay without values"
    kind = {"x": "columns", "y": "rows"}[axis]
    logging.getLogger(__name__).warning(
        text, path, everywhere.size - values.size, everywhere.size, kind
    )
    attributes = data[axis].attrs
    out = _placed(data, axis, everywhere[whole]).reindex({axis: everywhere})
    out[axis].attrs.update(attributes)
    return out
