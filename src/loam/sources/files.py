"""Many files of one source: which variable is in which, and all of them together."""

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.errors import LoamError
from loam.grid import around
from loam.raster import open_dataset, open_raster
from loam.sources.providers import Fields, Name

RASTERS = {".tif", ".tiff", ".bil", ".jp2", ".vrt"}
CUBES = {".nc", ".nc4", ".zarr"}
DATE = re.compile(r"(?<!\d)(\d{4})[-_]?(\d{2})[-_]?(\d{2})(?!\d)")


def listed(paths: Iterable[Path], suffixes: set[str]) -> list[Path]:
    """Files of these kinds, folders searched to any depth.

    Raises:
        LoamError: there is none.
    """
    paths = list(paths)
    found = []
    for path in paths:
        inside = path.is_dir() and path.suffix not in suffixes
        found += sorted(each for each in path.rglob("*") if each.suffix.lower() in suffixes) if inside else [path]
    if not found:
        msg = f"{', '.join(map(str, paths))}: holds no file of {', '.join(sorted(suffixes))}; set the source's path to where they are"
        raise LoamError(msg)
    return found


def date_in_name(path: Path) -> np.datetime64:
    """The day that a file's name tells, as `20190516` or `2019-05-16`.

    Raises:
        LoamError: it tells none.
    """
    match = DATE.search(path.stem)
    try:
        if match:
            return np.datetime64("-".join(match.groups()), "ns")
    except ValueError:
        pass
    msg = f"{path}: its name tells no day; rename it so that it has YYYYMMDD"
    raise LoamError(msg)


def provider_fields(paths: list[Path], names: Mapping[str, Name], box: GeoBox) -> Fields:
    """What a provider's files have around the area, by Loam's names, each `(time, y, x)` in order of time.

    Args:
        paths: NetCDF files, or rasters of a day and variable each.
        names: how the provider calls what.
        box: the target grid; only what lies around it is read.

    Raises:
        LoamError: nothing is found, or the files lie on different grids.
    """
    parts: dict[str, list[xr.DataArray]] = {}
    for path in listed(paths, RASTERS | CUBES):
        for name, values in _fields_of_file(path, names, box).items():
            parts.setdefault(name, []).append(values)
    if not parts:
        known = ", ".join(key for name in names.values() for key in name.keys[:1])
        msg = f"{paths[0]}: has none of the variables of this kind of source ({known}); check sources.weather.kind"
        raise LoamError(msg)
    return {name: _joined(each, name, paths[0]) for name, each in parts.items()}


def _fields_of_file(path: Path, names: Mapping[str, Name], box: GeoBox) -> Fields:
    if path.suffix.lower() in RASTERS:
        layer = open_raster(path)
        words = set(re.split(r"[_\-.]", path.stem.lower()))
        found = {name: layer for name, each in names.items() if words & set(each.keys)}
        return {name: _dressed(around(values, box, 1).load(), names[name], path) for name, values in found.items()}
    data = open_dataset(path)
    data = data.rename({"day": "time"}) if "day" in data.dims else data
    lone = len([key for key in data.data_vars if {"time", "y", "x"} <= set(data[key].dims)]) == 1
    first_word = path.stem.lower().split("_")[0] if lone else ""
    near = around(data, box, 1)
    labels = {str(key): {str(key).lower(), first_word} for key, values in data.data_vars.items() if {"time", "y", "x"} <= set(values.dims)}
    return {name: _dressed(near[key].load(), names[name], path) for name, key in _assigned(names, labels).items()}


def _assigned(names: Mapping[str, Name], labels: Mapping[str, set[str]]) -> dict[str, str]:
    """The file's variable of every name. A key that comes earlier wins, so that the file `tmmx_…` decides over `air_temperature`."""
    found = {}
    for name, each in names.items():
        hit = next((key for wanted in each.keys for key, known in labels.items() if wanted in known), None)
        if hit is not None:
            found[name] = hit
    return found


def _dressed(values: xr.DataArray, name: Name, path: Path) -> xr.DataArray:
    """With a time, and the units that the provider is known to use where the file tells none."""
    if "time" not in values.dims:
        values = values.drop_vars("time", errors="ignore").expand_dims(time=[date_in_name(path)])
    attributes = {key: text for key, text in values.attrs.items() if key in {"units", "standard_name", "long_name", "cell_methods"}}
    units = attributes.get("units") or name.units
    kept = values.drop_vars([key for key in values.coords if key not in {"time", "y", "x", "spatial_ref"}])
    times = standard_times(values)
    return kept.assign_coords(time=times).assign_attrs(attributes | {"units": units}).transpose("time", "y", "x")


def standard_times(values: xr.DataArray) -> np.ndarray:
    """Times as numpy's, also where the file has a calendar without leap days.

    Raises:
        LoamError: the calendar has days that no year has.
    """
    if values["time"].dtype.kind == "M":
        return values["time"].values.astype("datetime64[ns]")
    # A 365-day calendar's days are days of the standard one; others would be shifted silently.
    if getattr(values["time"].values[0], "calendar", "") not in {"noleap", "365_day"}:
        msg = (
            f"{values.name}: calendar {getattr(values['time'].values[0], 'calendar', 'unknown')} has days that no "
            "year has; convert it first"
        )
        raise LoamError(msg)
    return np.array([np.datetime64(each.isoformat(), "ns") for each in values["time"].values])


def _joined(parts: list[xr.DataArray], name: str, path: Path) -> xr.DataArray:
    """The parts of one variable, in order of time, on one grid."""
    first = parts[0]
    for part in parts[1:]:
        if part.shape[1:] != first.shape[1:] or not np.allclose(part["x"], first["x"]) or not np.allclose(part["y"], first["y"]):
            msg = f"{path}: {name} lies on different grids from file to file; keep those of one grid"
            raise LoamError(msg)
    aligned = [part.assign_coords(x=first["x"], y=first["y"]) for part in parts]
    whole = xr.concat(aligned, "time", combine_attrs="override", join="override").sortby("time") if len(parts) > 1 else first.sortby("time")
    return whole.odc.assign_crs(first.odc.crs)


def together(fields: Fields, path: Path) -> xr.Dataset:
    """Variables of days, on the days that all of them have.

    Raises:
        LoamError: they share no day, or lie on different grids.
    """
    first = next(iter(fields.values()))
    for name, values in fields.items():
        if values.shape[1:] != first.shape[1:] or not (np.allclose(values["x"], first["x"]) and np.allclose(values["y"], first["y"])):
            msg = f"{path}: {name} lies on another grid than {first.name}; bring all variables of one product"
            raise LoamError(msg)
    spans = {name: (values["time"].values[0], values["time"].values[-1]) for name, values in fields.items()}
    start, end = max(span[0] for span in spans.values()), min(span[1] for span in spans.values())
    if start > end:
        msg = f"{path}: its variables share no day ({_spans(spans)}); bring the same period of all"
        raise LoamError(msg)
    if len(set(spans.values())) > 1:
        logging.getLogger(__name__).info("%s: variables cover different days (%s); those that all have are used", path, _spans(spans))
    return xr.Dataset({name: _same_place(values.sel(time=slice(start, end)), first) for name, values in fields.items()})


def _same_place(values: xr.DataArray, first: xr.DataArray) -> xr.DataArray:
    return values.assign_coords(x=first["x"], y=first["y"])


def _spans(spans: Mapping[str, tuple[np.datetime64, np.datetime64]]) -> str:
    return ", ".join(f"{name} {str(first)[:10]} to {str(last)[:10]}" for name, (first, last) in spans.items())
