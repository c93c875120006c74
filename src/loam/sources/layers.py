"""Variables of files as layers `(time, y, x)` or `(y, x)`: which axis is time, what other axes mean, what a time is."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.core.grid import around
from loam.sources.units import as_numbers

TIME_NAMES = {"time", "valid_time", "day", "date", "datetime", "times", "t"}
RUNS = "expver"  # of ERA5: final data are 1, preliminary ones 5; no time is in both
# Calendars whose days are those of the standard one wherever both have them, from the first year to the last.
ALIKE = {
    "standard",
    "gregorian",
    "proleptic_gregorian",
    "julian",
    "noleap",
    "365_day",
    "all_leap",
    "366_day",
}
ALIKE_YEARS = (1901, 2099)


def with_time(data: xr.Dataset, path: Path) -> xr.Dataset:
    """With its axis of time called `time`, by what its coordinate holds, by CF's attributes, or by its name.

    Raises:
        LoamError: several axes are times.
    """
    found = [str(dim) for dim in data.dims if _is_time(data, str(dim))]
    if len(found) > 1:
        msg = f"{path}: has several axes of time ({', '.join(found)}), as forecasts have; bring one value per time"
        raise LoamError(msg)
    if found and found != ["time"]:
        others = [name for name in ("time",) if name in data.variables]
        return data.drop_vars(others).rename({found[0]: "time"})
    return data


def _is_time(data: xr.Dataset, dim: str) -> bool:
    if dim not in data.coords:
        return dim.lower() in TIME_NAMES
    axis = data[dim]
    stated = axis.attrs.get("standard_name") == "time" or axis.attrs.get("axis") == "T"
    dated = axis.dtype.kind == "M" or (
        axis.dtype.kind == "O" and axis.size > 0 and hasattr(axis.values[0], "calendar")
    )
    return stated or dated or dim.lower() in TIME_NAMES


def plain(
    values: xr.DataArray, path: Path, dims: Sequence[str] = ("time", "y", "x")
) -> xr.DataArray:
    """A variable on just these axes: others of length one are dropped, runs of ERA5 merged.

    Raises:
        LoamError: an axis lacks, or another one has several values.
    """
    if "time" in dims and "time" not in values.dims and "time" in values.coords:
        values = values.expand_dims("time")
    if RUNS in values.dims and values.sizes[RUNS] > 1:
        runs = [values.isel({RUNS: index}, drop=True) for index in range(values.sizes[RUNS])]
        merged = runs[0]
        for run in runs[1:]:
            merged = merged.combine_first(run)
        values = merged.assign_attrs(values.attrs)
    for dim in (str(each) for each in values.dims if each not in dims):
        if values.sizes[dim] > 1:
            known = (
                ", ".join(str(each) for each in values[dim].values[:6])
                if dim in values.coords
                else "no names"
            )
            msg = (
                f"{path}: {values.name} has an axis {dim} of {values.sizes[dim]} values ({known}) beside {', '.join(dims)}; "
                "choose one of them (for example with xarray's isel or ncks -d) and bring that"
            )
            raise LoamError(msg)
        values = values.squeeze(dim, drop=True)
    require_axes(values, path, dims)
    return values.transpose(*dims)


def require_axes(values: xr.DataArray, path: Path, dims: Sequence[str] = ("y", "x")) -> None:
    """Stop where a variable lacks an axis; `loam.core.axes` sees to the coordinates.

    Raises:
        LoamError: it does.
    """
    lacking = [dim for dim in dims if dim not in values.dims]
    if lacking:
        msg = f"{path}: {values.name} has axes {', '.join(map(str, values.dims)) or 'none'}, but no {lacking[0]}; bring one that has"
        raise LoamError(msg)


def near_area(data: Any, box: GeoBox, path: Path) -> Any:
    """The cells around the area, and one more on every side.

    Raises:
        LoamError: the axes do not say where that is.
    """
    try:
        return around(data, box, 1)
    except LoamError as error:
        raise LoamError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
    except (ValueError, TypeError, ArithmeticError, IndexError) as error:
        msg = f"{path}: its coordinates x and y tell no place ({' '.join(str(error).split())[:100]}); correct them"
        raise LoamError(msg) from None


def loaded(values: xr.DataArray, path: Path) -> xr.DataArray:
    """With its values read, as numbers: a file may open and yet be damaged within.

    Raises:
        LoamError: it is, or holds no numbers.
    """
    try:
        values = values.load()
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, EOFError) as error:
        msg = f"{path}: {values.name} cannot be read to its end ({' '.join(str(error).split())[:100]}); the file is damaged, bring it again"
        raise LoamError(msg) from None
    return as_numbers(values, path)


def standard_times(values: xr.DataArray, path: Path) -> np.ndarray:
    """Times as numpy's, also where the file has another calendar.

    Raises:
        LoamError: they are no times, some are missing, or the calendar has days that no year has.
    """
    axis: Any = values["time"]
    if axis.dtype.kind == "M":
        found = axis.values.astype("datetime64[ns]")
    elif axis.dtype.kind in "OUST" and axis.size and hasattr(axis.values[0], "calendar"):
        found = _of_calendar(values, path)
    elif axis.dtype.kind in "OUST":
        found = pd.to_datetime(
            pd.Series(axis.values.astype(str)), errors="coerce", format="ISO8601"
        ).to_numpy("datetime64[ns]")
    else:
        first = axis.values[0] if axis.size and "time" in values.coords else "nothing"
        msg = f"{path}: the times of {values.name} are numbers without a date ({first} first); set units as 'days since 1970-01-01'"
        raise LoamError(msg)
    if np.isnat(found).any():
        msg = f"{path}: {int(np.isnat(found).sum())} of {found.size} times of {values.name} are missing or no dates; correct them"
        raise LoamError(msg)
    return np.asarray(found)


def _of_calendar(values: xr.DataArray, path: Path) -> np.ndarray:
    times = values["time"].values
    calendar, years = times[0].calendar, {each.year for each in times}
    known = calendar in ALIKE and ALIKE_YEARS[0] <= min(years) and max(years) <= ALIKE_YEARS[1]
    try:
        found = (
            np.array([np.datetime64(each.isoformat(), "ns") for each in times]) if known else None
        )
    except ValueError:
        found = None
    if found is None:
        msg = f"{path}: {values.name}: calendar {calendar} has days that no year has; convert it first"
        raise LoamError(msg)
    return found


def merged_times(parts: Sequence[tuple[Path, xr.DataArray]], name: str) -> xr.DataArray:
    """Files of one variable as one, in order of time; what two files have alike counts once.

    Args:
        parts: each file with its values `(time, y, x)`, on one grid.
        name: of the variable, for messages.

    Raises:
        LoamError: two files differ at one time, or one has a time twice.
    """
    first = parts[0][1]
    whole = (
        xr.concat(
            [values for _, values in parts], "time", combine_attrs="override", join="override"
        )
        if len(parts) > 1
        else first
    )
    sources = np.concatenate(
        [np.full(values.sizes["time"], index) for index, (_, values) in enumerate(parts)]
    )
    order = np.argsort(whole["time"].values, kind="stable")
    whole, sources, times = whole.isel(time=order), sources[order], whole["time"].values[order]
    again = np.flatnonzero(times[1:] == times[:-1]) + 1
    for index in again:
        one, other = parts[sources[index - 1]][0], parts[sources[index]][0]
        alike = np.array_equal(whole.values[index], whole.values[index - 1], equal_nan=True)
        if one == other or not alike:
            what = (
                f"time {str(times[index])[:16]}"
                if str(times[index])[11:16] != "00:00"
                else f"day {str(times[index])[:10]}"
            )
            where = "" if one == other else f", with other values in {other}"
            msg = f"{one}: {what} is there twice of {name}{where}; keep one"
            raise LoamError(msg)
    if again.size:
        text = "%s: %d times of %s are in two files with equal values, and count once"
        logging.getLogger(__name__).info(text, parts[0][0].parent, again.size, name)
    return whole.isel(time=np.setdiff1d(np.arange(times.size), again))
