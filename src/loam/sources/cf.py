"""Which variable of a CF file is which of Loam's: by mapping, by name, by standard name and cell methods."""

import re
from collections.abc import Collection
from pathlib import Path

import xarray as xr

from loam.config.sources import Weather
from loam.core.errors import LoamError
from loam.sources.variables import EXTREMES, VARIABLES

EXTREME_WORDS = re.compile(
    r"(?<![a-z])(min|max|minimum|maximum|tasmin|tasmax|tmin|tmax|mn2t|mx2t|tn|tx|lowest|highest)(?![a-z])"
)


def find_variables(data: xr.Dataset, source: Weather, path: Path) -> dict[str, str]:
    """The file's variable of every name of Loam's that it has.

    Raises:
        LoamError: a mapping leads nowhere, several variables are one, or none is known.
    """
    require_mapping(source, VARIABLES)
    for name, key in source.variables.items():
        if key not in data.data_vars:
            have = ", ".join(map(str, data.data_vars))
            msg = f"{path}: variable {key} (sources.weather.variables.{name}) is missing; it has {have}"
            raise LoamError(msg)
    found = {
        name: source.variables.get(name) or _lone(data, name, source, path) for name in VARIABLES
    }
    known = {name: key for name, key in found.items() if key is not None}
    if not known:
        msg = (
            f"{path}: has no variable that is known by standard name (it has: {', '.join(map(str, data.data_vars))}); "
            "name them in sources.weather.variables"
        )
        raise LoamError(msg)
    return known


def require_mapping(source: Weather, known: Collection[str]) -> None:
    """Stop where `sources.weather.variables` has a name that is none of Loam's, or one of the file's twice.

    Raises:
        LoamError: it has.
    """
    unknown = next((name for name in source.variables if name not in known), None)
    if unknown is not None:
        msg = f"sources.weather.variables.{unknown}: unknown name; known are {', '.join(known)}"
        raise LoamError(msg)
    theirs = list(source.variables.values())
    twice = next((key for key in theirs if theirs.count(key) > 1), None)
    if twice is not None:
        names = ", ".join(ours for ours, key in source.variables.items() if key == twice)
        msg = f"sources.weather.variables: {twice} is named for {names}; name one variable for each"
        raise LoamError(msg)


def _lone(data: xr.Dataset, name: str, source: Weather, path: Path) -> str | None:
    """The one variable of a name or standard name.

    Raises:
        LoamError: there are several, or what it is called contradicts its attributes.
    """
    taken = {*source.variables.values(), *VARIABLES} - {name}
    hits = [
        str(key)
        for key, values in data.data_vars.items()
        if key not in taken and (key == name or _means(values, name))
    ]
    if len(hits) > 1:
        msg = f"{path}: {', '.join(hits)} are all {name} by name or standard name; name one in sources.weather.variables.{name}"
        raise LoamError(msg)
    if hits:
        _require_meaning(data[hits[0]], name, path)
    return hits[0] if hits else None


def _means(values: xr.DataArray, name: str) -> bool:
    return values.attrs.get("standard_name") in VARIABLES[name][3] and _extreme(
        values
    ) == EXTREMES.get(name)


def _extreme(values: xr.DataArray) -> str | None:
    """'minimum' or 'maximum' where CF's cell methods say so of time."""
    methods = re.findall(r"(\w+):\s*(minimum|maximum)", str(values.attrs.get("cell_methods", "")))
    return next((method for axis, method in methods if axis in {"time", "day", "t"}), None)


def _require_meaning(values: xr.DataArray, name: str, path: Path) -> None:
    """Stop where a variable is called one thing, and its attributes say another."""
    standard_name, remedy = (
        values.attrs.get("standard_name"),
        f"name the right one in sources.weather.variables.{name}",
    )
    if standard_name and standard_name not in VARIABLES[name][3]:
        msg = f"{path}: {values.name} has the standard name {standard_name}, which is no {name}; {remedy}"
        raise LoamError(msg)
    words = f"{values.name} {values.attrs.get('long_name', '')}".lower().replace("_", " ")
    said = EXTREME_WORDS.search(words)
    if name not in EXTREMES and said and _extreme(values) is None and f"{name}_min" in VARIABLES:
        msg = f"{path}: {values.name} ('{words[:60]}') sounds like an extreme, though its cell_methods name none; {remedy}"
        raise LoamError(msg)
