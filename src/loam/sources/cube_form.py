"""Cubes as people have them, brought into one form: `vv`, `vh` and `incidence` by time, y and x; times that are times; one pass a date.

stackstac, odc-stac, openEO, SNAP and Earth Engine each write their own: polarisations as labels of a band, properties of all dates as
a scalar, times as text, slices of one pass as two dates, an angle per orbit.
"""

import logging
import re
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from loam.core.errors import LoamError

POLARISATIONS = ("vv", "vh")
# Names of a dimension that holds polarisations.
BANDS = (
    "band",
    "bands",
    "polarization",
    "polarisation",
    "pol",
    "variable",
)
# Of a dimension that holds geometries.
ORBITS = (
    "orbit",
    "track",
    "relative_orbit",
    "orbit_number",
    "burst",
)
# Between slices of one pass at most: a data take is cut every 25 s.
PASS_GAP = np.timedelta64(180, "s")
OVERLAP = 0.1  # share of the smaller slice that two slices of a pass see both, at most


def in_form(data: xr.Dataset, path: Path) -> xr.Dataset:
    """The cube with `vv`, maybe `vh` and `incidence`, and coordinates `time`, `track` and maybe `platform` by time.

    Args:
        data: as `loam.core.raster.open_dataset` gives it.
        path: the cube, for messages.

    Raises:
        LoamError: several variables could be one polarisation, a dimension is left that has no place here, or a date is no date.
    """
    data = _with_times(_polarisations(data, path), path)
    for name in ("track", "platform"):
        if name in data.variables:
            data = _by_time(data, name, path)
    if "incidence" in data:
        data = data.assign(incidence=_incidence(data, path))
    for name in (*POLARISATIONS, "incidence"):
        if name in data:
            data = data.assign({name: _without_single(data[name], path)})
    return data


def _polarisations(data: xr.Dataset, path: Path) -> xr.Dataset:
    """Variables by the polarisation in their names, or in the labels of a band."""
    for name in POLARISATIONS:
        if name in data:
            continue
        found = [variable for variable in data.data_vars if name in _words(variable)]
        if len(found) > 1:
            listed = ", ".join(map(str, found))
            msg = f"{path}: {listed} could all be {name}; keep the one that is meant, or rename it {name}"
            raise LoamError(msg)
        if found:
            data = data.rename({found[0]: name})
    if "vv" in data:
        return data
    banded = [
        (variable, dim)
        for variable in data.data_vars
        for dim in data[variable].dims
        if _is_band(data, dim)
    ]
    if len(banded) > 1:
        msg = f"{path}: {', '.join(str(variable) for variable, _ in banded)} all have bands of polarisations; keep the one that is meant"
        raise LoamError(msg)
    for variable, dim in banded:
        labels = [str(label).lower() for label in data[dim].values]
        layers = {
            name: data[variable].isel({dim: labels.index(name)}, drop=True)
            for name in POLARISATIONS
            if name in labels
        }
        data = data.drop_vars([variable, dim]).assign(layers)
    return data


def _words(name: Hashable) -> list[str]:
    return re.split(r"[^a-z0-9]+", str(name).lower())


def _is_band(data: xr.Dataset, dim: Hashable) -> bool:
    return (
        str(dim).lower() in BANDS
        and dim in data.coords
        and "vv" in [str(label).lower() for label in data[dim].values]
    )


def _with_times(data: xr.Dataset, path: Path) -> xr.Dataset:
    """The dataset with times as times, UTC."""
    if "time" not in data.coords:
        return data
    values = data["time"].values
    if values.dtype.kind in "OUST":
        try:
            values = (
                pd.to_datetime([str(value) for value in values], utc=True, format="ISO8601")
                .tz_localize(None)
                .to_numpy()
            )
        except (ValueError, TypeError, OverflowError) as error:
            msg = f"{path}: its times are text that is no ISO 8601 ({str(error).splitlines()[0][:80]}); write them as 2021-03-01T05:40:00Z"
            raise LoamError(msg) from None
        data = data.assign_coords(
            time=("time", values.astype("datetime64[ns]"), dict(data["time"].attrs))
        )
    if values.dtype.kind != "M":
        msg = f"{path}: its times are numbers without units ({values.dtype}); add the units of CF, such as 'days since 1970-01-01'"
        raise LoamError(msg)
    if missing := int(np.isnat(data["time"].values).sum()):
        msg = f"{path}: {missing} of its {values.size} acquisitions have no date (NaT); give each its time, or leave it out"
        raise LoamError(msg)
    return data


def _by_time(data: xr.Dataset, name: str, path: Path) -> xr.Dataset:
    """A property of all dates, or of each."""
    if data[name].ndim > 1 or (data[name].ndim == 1 and data[name].dims != ("time",)):
        msg = f"{path}: {name} has dimensions {data[name].dims}; give it one value per time, or one for all"
        raise LoamError(msg)
    values = np.broadcast_to(data[name].astype(str).values, data.sizes.get("time", 1))
    return data.drop_vars(name).assign_coords({name: ("time", values)})


def _incidence(data: xr.Dataset, path: Path) -> xr.DataArray:
    """The angle by time; of a layer per orbit, that of each date's track."""
    angle = data["incidence"]
    for dim in [dim for dim in angle.dims if str(dim).lower() in ORBITS and angle.sizes[dim] > 1]:
        labels = [str(label) for label in angle[dim].values] if dim in angle.coords else []
        tracks = list(data["track"].values) if "track" in data else []
        unknown = sorted(set(tracks) - set(labels))
        if not tracks or unknown:
            known = f"labels {', '.join(labels)}" if labels else "no labels"
            msg = (
                f"{path}: incidence has a layer per {dim} with {known}, but the cube's tracks are {', '.join(sorted(set(tracks))) or 'not'}"
                f"{'' if tracks else ' there'}; label the layers by track"
            )
            raise LoamError(msg)
        places = xr.DataArray(
            [labels.index(track) for track in tracks], dims="time", coords={"time": data["time"]}
        )
        angle = angle.drop_vars([dim]).isel({dim: places})
    return angle


def _without_single(values: xr.DataArray, path: Path) -> xr.DataArray:
    """Without dimensions of length one that have no place here; others are refused."""
    more = [dim for dim in values.dims if dim not in {"time", "y", "x"}]
    if long := [f"{dim} ({values.sizes[dim]})" for dim in more if values.sizes[dim] > 1]:
        msg = f"{path}: {values.name} has the dimension {', '.join(long)} beside (time, y, x); choose one place along it, and drop it"
        raise LoamError(msg)
    return values.squeeze(more, drop=True)


def one_date_a_pass(data: xr.Dataset, path: Path) -> xr.Dataset:
    """The cube with slices of one pass joined into one acquisition, which has the time of the first.

    Args:
        data: in form, in order of time, with `track`.
        path: the cube, for messages.

    Raises:
        LoamError: two acquisitions have one time, or follow within minutes on one track, and see the same ground.
    """
    times, names = data["time"].values, data["track"].values
    platform = data["platform"].values if "platform" in data else np.full(times.size, "")
    number = np.zeros(times.size, dtype=int)
    for place in range(1, times.size):
        same = names[place] == names[place - 1] and platform[place] == platform[place - 1]
        number[place] = number[place - 1] + (
            not (same and times[place] - times[place - 1] <= PASS_GAP)
        )
    if number.size == 0 or number[-1] + 1 == times.size:
        _require_single_times(data, path)
        return data
    groups = [np.flatnonzero(number == index) for index in range(number[-1] + 1)]
    joined = [
        data.isel(time=group) if group.size == 1 else _joined(data.isel(time=group), path)
        for group in groups
    ]
    text = "%s: %d acquisitions are slices of %d passes (one track, within %d s); the slices of a pass are joined"
    logging.getLogger(__name__).warning(text, path, times.size, len(groups), PASS_GAP.astype(int))
    out = xr.concat(
        joined, "time", data_vars="minimal", coords="minimal", compat="override", join="override"
    )
    _require_single_times(out, path)
    return out


def _require_single_times(data: xr.Dataset, path: Path) -> None:
    doubled = data.indexes["time"].duplicated()
    if doubled.any():
        msg = f"{path}: time {data.time.values[doubled][0]} is there {doubled.sum() + 1} times; merge the slices of one pass first"
        raise LoamError(msg)


def _joined(slices: xr.Dataset, path: Path) -> xr.Dataset:
    """Slices of one pass as one date: the first that sees a pixel counts."""
    seen = slices["vv"].notnull()
    both, least = (
        xr.Dataset({"both": (seen.sum("time") > 1).sum(), "least": seen.sum(("y", "x")).min()})
        .compute()
        .data_vars.values()
    )
    if int(both) > OVERLAP * int(least):
        first = slices["time"].values[0]
        count = slices.sizes["time"]
        msg = (
            f"{path}: time {first} is there {count} times"
            if len(set(slices["time"].values)) == 1
            else ""
        )
        msg = (
            msg
            or f"{path}: {count} acquisitions of one track within minutes of {first} see the same ground"
        )
        msg += "; merge the slices of one pass first, or keep one processing of each"
        raise LoamError(msg)
    timed = [name for name in slices.data_vars if "time" in slices[name].dims]
    out = slices.isel(time=[0])
    for place in range(1, slices.sizes["time"]):
        later = slices.isel(time=[place]).assign_coords(time=out["time"])
        out = out.assign({name: out[name].fillna(later[name]) for name in timed})
    return out
