"""Many files of one source: which variable is in which, and all of them together."""

import logging
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.base import Period
from loam.core.errors import LoamError
from loam.core.folders import regular_files
from loam.core.raster import open_dataset, open_raster
from loam.sources.layers import (
    loaded,
    merged_times,
    near_area,
    plain,
    require_axes,
    standard_times,
    with_time,
)
from loam.sources.providers import Fields, Name

RASTERS = {".tif", ".tiff", ".bil", ".jp2", ".vrt"}
CUBES = {".nc", ".nc4", ".zarr"}
ARCHIVES = {".zip"}
MOST_UNPACKED = 4 * 10**9  # bytes of one zip
LONGEST_WINDOW = np.timedelta64(120, "D")  # the most that an experiment looks back
SPARE = np.timedelta64(3, "D")  # for days that end at another hour, or stamps of the day after
DATE = re.compile(r"(?<!\d)(\d{4})[-_]?(\d{2})[-_]?(\d{2})(?!\d)")


class BundleError(LoamError):
    """A zip that does not hold just one file of data."""


def listed(paths: Iterable[Path], suffixes: set[str]) -> list[Path]:
    """Files of these kinds, folders searched to any depth; names that begin with a dot are passed over.

    Raises:
        LoamError: there is none, or a path is a pipe or device.
    """
    paths = list(paths)
    found: dict[Path, None] = {}
    for path in paths:
        inside = path.is_dir() and path.suffix.lower() not in suffixes
        found |= dict.fromkeys(_inside(path, suffixes) if inside else [path])
        if path.exists() and not path.is_dir() and not path.is_file():
            msg = f"{path}: is a pipe or device, no file; set the source's path to a file or folder"
            raise LoamError(msg)
    if not found:
        msg = f"{', '.join(map(str, paths))}: holds no file of {', '.join(sorted(suffixes))}; set the source's path to where they are"
        raise LoamError(msg)
    return list(found)


def _inside(folder: Path, suffixes: set[str]) -> Iterable[Path]:
    """Files and Zarr folders below a folder, each once."""
    for path in regular_files(folder):
        within = path.relative_to(folder).parts
        zarr = next(
            (index for index, name in enumerate(within[:-1]) if name.lower().endswith(".zarr")),
            None,
        )
        if any(name.startswith(".") for name in within[:zarr]):
            continue
        if zarr is not None:
            if ".zarr" in suffixes:
                yield folder.joinpath(*within[: zarr + 1])
        elif path.suffix.lower() in suffixes:
            yield path


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


def provider_fields(
    paths: list[Path], names: Mapping[str, Name], box: GeoBox, period: Period
) -> Fields:
    """What a provider's files have around the area, by Loam's names, each `(time, y, x)` in order of time.

    Args:
        paths: NetCDF files, or rasters of a day and variable each; or zips with one of these.
        names: how the provider calls what.
        box: the target grid; only what lies around it is read.
        period: only its times, and those that a window may look back, are read.

    Raises:
        LoamError: nothing is found, the files lie on different grids, or a name means several things.
    """
    parts: dict[str, list[tuple[Path, xr.DataArray]]] = {}
    files, idle = listed(paths, RASTERS | CUBES | ARCHIVES), []
    spans: list[np.ndarray] = []
    fault: LoamError | None = None
    for path in files:
        try:
            with unpacked(path, RASTERS | CUBES) as inside:
                found = _fields_of_file(inside, names, box)
                for name, values in found.items():
                    spans.append(values["time"].values)
                    parts.setdefault(name, []).append(
                        (path, loaded(of_period(values, period), path))
                    )
        except BundleError as error:  # may lie beside what was unpacked from it
            found, fault = {}, error
            if path in paths:
                raise
        idle += [] if found else [path.name]
    if fault is not None and not parts:
        raise fault
    if not parts:
        known = ", ".join(key for name in names.values() for key in name.keys[:1])
        msg = f"{paths[0]}: has none of the variables of this kind of source ({known}); check sources.weather.kind"
        raise LoamError(msg)
    if idle:
        text = "%s: %d of %d files have no variable of this kind of source and are passed over: %s"
        logging.getLogger(__name__).warning(
            text, paths[0], len(idle), len(files), ", ".join(idle)[:300]
        )
    filled = {
        name: [(path, part) for path, part in each if part.sizes["time"]]
        for name, each in parts.items()
    }
    if not any(filled.values()):
        raise LoamError(outside(paths[0], np.concatenate(spans), period))
    return {name: _joined(each, name) for name, each in filled.items() if each}


def of_period(values: xr.DataArray, period: Period) -> xr.DataArray:
    """Times of the period, those that a window may look back, and some around: a file may have a century."""
    times = values["time"].values
    first, last = (
        np.datetime64(period.start) - LONGEST_WINDOW - SPARE,
        np.datetime64(period.end) + SPARE,
    )
    return values.isel(time=(times >= first) & (times <= last))


def outside(path: Path, times: np.ndarray, period: Period) -> str:
    """What to say of weather that has no day of the period."""
    covers = (
        f"covers {str(times.min())[:10]} to {str(times.max())[:10]}"
        if times.size
        else "has no times at all"
    )
    return f"{path}: {covers}, no day of the period {period.start} to {period.end}; extend the weather or change the period"


def _fields_of_file(path: Path, names: Mapping[str, Name], box: GeoBox) -> Fields:
    if path.suffix.lower() in RASTERS:
        layer = open_raster(path)
        _require_one_band(path)
        labels = {str(path.name): set(re.split(r"[_\-.]", path.stem.lower()))}
        found = {name: layer for name in _assigned(names, labels, path)}
        return {
            name: _dressed(near_area(values, box, path), names[name], path)
            for name, values in found.items()
        }
    data = with_time(open_dataset(path), path)
    fields = [str(key) for key, values in data.data_vars.items() if {"y", "x"} <= set(values.dims)]
    wanted = _assigned(names, {str(key): {str(key).lower()} for key in data.data_vars}, path)
    if len(fields) == 1 and not wanted:  # the file's name tells what its only variable is
        wanted = _assigned(names, {fields[0]: set(re.split(r"[_\-.]", path.stem.lower()))}, path)
    for key in wanted.values():
        require_axes(data[key], path)
    near = near_area(data[list(wanted.values())], box, path) if wanted else data
    return {name: _dressed(near[key], names[name], path) for name, key in wanted.items()}


def _require_one_band(path: Path) -> None:
    with rasterio.open(path) as file:
        if file.count > 1:
            bands = ", ".join(str(text) for text in file.descriptions if text) or "without names"
            msg = f"{path}: has {file.count} bands ({bands[:100]}), of which one is wanted; write a raster of each day and variable"
            raise LoamError(msg)


def _assigned(
    names: Mapping[str, Name], labels: Mapping[str, set[str]], path: Path
) -> dict[str, str]:
    """The file's variable of every name.

    Raises:
        LoamError: a name has several variables, or a variable several names.
    """
    found: dict[str, str] = {}
    for name, each in names.items():
        hits = [key for key, known in labels.items() if known & set(each.keys)]
        if len(hits) > 1:
            msg = f"{path}: {', '.join(hits)} are all {name}; keep one of them in the file"
            raise LoamError(msg)
        if hits and hits[0] in found.values():
            other = next(ours for ours, key in found.items() if key == hits[0])
            msg = f"{path}: its name tells both {other} and {name}; name it after the one that it holds"
            raise LoamError(msg)
        found |= dict.fromkeys([name], hits[0]) if hits else {}
    return found


def _dressed(values: xr.DataArray, name: Name, path: Path) -> xr.DataArray:
    """With a time, and the units that the provider is known to use where the file tells none."""
    if "time" not in values.dims and not (
        "time" in values.coords and values["time"].dtype.kind in "MO"
    ):
        values = values.drop_vars("time", errors="ignore").expand_dims(time=[date_in_name(path)])
    values, crs = plain(values, path), values.odc.crs
    attributes = {
        key: text
        for key, text in values.attrs.items()
        if key in {"units", "standard_name", "long_name", "cell_methods"}
    }
    units = attributes.get("units") or name.units
    kept = values.drop_vars(
        [key for key in values.coords if key not in {"time", "y", "x", "spatial_ref"}]
    )
    times = standard_times(values, path)
    return (
        kept.assign_coords(time=times)
        .assign_attrs(attributes | {"units": units})
        .odc.assign_crs(crs)
    )


def _joined(parts: list[tuple[Path, xr.DataArray]], name: str) -> xr.DataArray:
    """The parts of one variable, in order of time, on one grid."""
    first_path, first = parts[0]
    for path, part in parts[1:]:
        if (
            part.shape[1:] != first.shape[1:]
            or not np.allclose(part["x"], first["x"])
            or not np.allclose(part["y"], first["y"])
        ):
            msg = f"{path}: {name} lies on another grid than in {first_path}; keep the files of one grid"
            raise LoamError(msg)
        if str(part.attrs.get("units")) != str(first.attrs.get("units")):
            msg = (
                f"{path}: {name} has units '{part.attrs.get('units')}', but '{first.attrs.get('units')}' in {first_path}; "
                "bring files of one form"
            )
            raise LoamError(msg)
    aligned = [(path, _same_place(part, first)) for path, part in parts]
    return merged_times(aligned, str(first.name or name)).odc.assign_crs(first.odc.crs)


@contextmanager
def unpacked(path: Path, suffixes: set[str]) -> Iterator[Path]:
    """The one file of these kinds that a zip holds, unpacked for as long as it is read; other files as they are.

    Raises:
        LoamError: the zip is damaged, or holds none or several such files.
    """
    if path.suffix.lower() not in ARCHIVES:
        yield path
        return
    with tempfile.TemporaryDirectory() as scratch:
        inside = _unpacked(path, suffixes, Path(scratch))
        try:
            yield inside
        except LoamError as error:  # who reads the message knows the zip
            raise LoamError(str(error).replace(str(inside), f"{path}/{inside.name}")) from None


def _unpacked(path: Path, suffixes: set[str], folder: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            held = [each for each in members if Path(each.filename).suffix.lower() in suffixes]
            if len(held) != 1:
                names = ", ".join(each.filename for each in (held or members))[:200]
                msg = f"{path}: holds {len(held) or 'no'} rasters or NetCDF files ({names}); unpack it and name the files"
                raise BundleError(msg)
            stem = Path(held[0].filename).stem
            # A .bil has its header beside it.
            beside = [each for each in members if Path(each.filename).name.startswith(f"{stem}.")]
            if sum(each.file_size for each in beside) > MOST_UNPACKED:
                msg = f"{path}: holds more than {MOST_UNPACKED / 1e9:g} GB; unpack it and name the files"
                raise LoamError(msg)
            for each in beside:
                (folder / Path(each.filename).name).write_bytes(archive.read(each))
    except (
        zipfile.BadZipFile,
        OSError,
        RuntimeError,
        NotImplementedError,
        zlib.error,
        EOFError,
    ) as error:
        msg = f"{path}: cannot be unpacked ({str(error)[:80]}); download it again"
        raise LoamError(msg) from None
    return folder / Path(held[0].filename).name


def together(fields: Fields, path: Path) -> xr.Dataset:
    """Variables of days, on the days that all of them have.

    Raises:
        LoamError: they share no day, or lie on different grids.
    """
    first = next(iter(fields.values()))
    for name, values in fields.items():
        if values.shape[1:] != first.shape[1:] or not (
            np.allclose(values["x"], first["x"]) and np.allclose(values["y"], first["y"])
        ):
            msg = f"{path}: {name} lies on another grid than {first.name}; bring all variables of one product"
            raise LoamError(msg)
    spans = {
        name: (values["time"].values[0], values["time"].values[-1])
        for name, values in fields.items()
    }
    start, end = max(span[0] for span in spans.values()), min(span[1] for span in spans.values())
    if start > end:
        msg = f"{path}: its variables share no day ({_spans(spans)}); bring the same period of all"
        raise LoamError(msg)
    if len(set(spans.values())) > 1:
        logging.getLogger(__name__).info(
            "%s: variables cover different days (%s); those that all have are used",
            path,
            _spans(spans),
        )
    return xr.Dataset(
        {
            name: _same_place(values.sel(time=slice(start, end)), first)
            for name, values in fields.items()
        }
    )


def _same_place(values: xr.DataArray, first: xr.DataArray) -> xr.DataArray:
    return values.assign_coords(x=first["x"], y=first["y"])


def _spans(spans: Mapping[str, tuple[np.datetime64, np.datetime64]]) -> str:
    return ", ".join(
        f"{name} {str(first)[:10]} to {str(last)[:10]}" for name, (first, last) in spans.items()
    )
