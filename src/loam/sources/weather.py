"""Daily weather from providers' files and stations, under one set of names and units."""

import logging
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.base import Grid, Period
from loam.config.sources import Weather
from loam.core.elevation import mosaic
from loam.core.errors import LoamError
from loam.core.grid import target_grid, to_grid
from loam.core.raster import open_dataset, write_zarr
from loam.sources.cf import find_variables
from loam.sources.days import DAILY_H, by_day, starting, step_hours
from loam.sources.files import (
    CUBES,
    LONGEST_WINDOW,
    listed,
    of_period,
    outside,
    provider_fields,
    together,
)
from loam.sources.layers import (
    loaded,
    merged_times,
    near_area,
    plain,
    require_axes,
    standard_times,
    with_time,
)
from loam.sources.plausible import require_plausible
from loam.sources.providers import PROVIDERS, Fields
from loam.sources.stations import station_fields
from loam.sources.units import is_rate, to_units
from loam.sources.variables import ROUNDING, VARIABLES, of_a_day


def import_weather(
    weather: list[Path],
    dem: Path | None,
    out: Path,
    source: Weather,
    grid: Grid,
    cube: str | None,
    period: Period,
) -> None:
    """Write daily weather around the area, on its native grid, under Loam's names and units.

    Args:
        weather: files of the source.
        dem: heights [m], for temperatures of stations; None: without.
        out: Zarr to write.
        source: section `sources.weather`.
        grid: section `grid`.
        cube: the backscatter cube, read only where `grid` says 'source'.
        period: section `period`.
    """
    box = target_grid(grid, Path(cube) if cube else None)
    write_zarr(cut(read_weather(weather, source, box, dem, period), period, weather[0]), out)


def cut(weather: xr.Dataset, period: Period, path: Path) -> xr.Dataset:
    """The days of the period, and before it as many as a window may look back.

    Raises:
        LoamError: there is none.
    """
    inside = weather.sel(
        time=slice(np.datetime64(period.start) - LONGEST_WINDOW, np.datetime64(period.end))
    )
    if inside.sizes["time"] == 0:
        raise LoamError(outside(path, weather["time"].values, period))
    return inside


def read_weather(
    paths: list[Path], source: Weather, box: GeoBox, dem: Path | None, period: Period
) -> xr.Dataset:
    """Read daily weather around the area on its native grid, with Loam's names and units.

    Args:
        paths: files or folders of the source.
        source: section `sources.weather`.
        box: the target grid.
        dem: heights [m], for stations whose temperature is corrected by height.
        period: stations are asked for these days, and those that a window may look back.

    Returns:
        Variables of `VARIABLES` that the source has, `(time, y, x)`, time at 00:00 UTC.

    Raises:
        LoamError: a mapped variable is missing, units are absent or wrong, values are out of bounds or missing, days
            are doubled or missing.
    """
    read = {"netcdf": _of_file, "stations": _of_stations}.get(source.kind, _of_provider)
    fields, days = read(paths, source, box, dem, period)
    return validated(fields, paths[0]).assign_attrs(source=source.kind, days=days)


def _of_stations(
    paths: list[Path], source: Weather, box: GeoBox, dem: Path | None, period: Period
) -> tuple[Fields, str]:
    """Weather of stations on a coarse grid, and which hours its days are."""
    heights = None if dem is None else partial(_mean_heights, dem)
    days = "as sources.weather.day_ends_utc_h says where the tables are sub-daily, else as they are"
    weather = station_fields(paths, source, box, heights, period)
    return {str(name): values for name, values in weather.items()}, days


def _of_provider(
    paths: list[Path], source: Weather, box: GeoBox, dem: Path | None, period: Period
) -> tuple[Fields, str]:
    """Weather of a provider's files, and which hours its days are."""
    provider = PROVIDERS[source.kind]
    fields = provider_fields(paths, provider.names, box, period)
    return harmonised(
        provider.adapt(fields, paths[0], source.stamp), source, paths[0]
    ), provider.days


def _of_file(
    paths: list[Path], source: Weather, box: GeoBox, dem: Path | None, period: Period
) -> tuple[Fields, str]:
    """Weather of a CF file, and which hours its days are."""
    fields = _cf_fields(paths, source, box, period)
    return harmonised(fields, source, paths[0]), "as the file's times say"


def harmonised(fields: Fields, source: Weather, path: Path) -> Fields:
    """Fields as read, in Loam's units, a value a day; what Loam has no name for is left out.

    Args:
        fields: by Loam's names or private ones, each `(time, y, x)` with its CRS.
        source: section `sources.weather`.
        path: of the source, for messages.

    Raises:
        LoamError: units are absent or wrong, or no day is whole.
    """
    crs = next(iter(fields.values())).odc.crs
    return {
        name: _daily(values.rename(values.name or name), name, source, path).odc.assign_crs(crs)
        for name, values in fields.items()
        if name in VARIABLES
    }


def validated(fields: Fields, path: Path) -> xr.Dataset:
    """Daily weather in Loam's units, every value within its bounds, no day missing, and together as on Earth.

    Args:
        fields: by the names of `VARIABLES`, each `(time, y, x)`; messages call them as their files do.
        path: of the source, for messages.

    Raises:
        LoamError: values are missing, out of bounds or implausible, days are doubled or missing, variables differ in
            place or days.
    """
    for values in fields.values():
        _check_days(values, path)
    crs = next(iter(fields.values())).odc.crs
    found = {name: checked(values, name, path) for name, values in fields.items()}
    weather = together(found, path).odc.assign_crs(crs)
    _check_days(weather, path)
    require_plausible(weather, path)
    return weather


def _mean_heights(dem: Path, cells: GeoBox) -> np.ndarray:
    values: np.ndarray = to_grid(mosaic([dem], cells), cells, "average").values
    # ASSUME: cells that the DEM does not reach, at the rim, are as high as the mean of the others.
    return np.where(np.isnan(values), np.nanmean(values), values)


def _cf_fields(paths: list[Path], source: Weather, box: GeoBox, period: Period) -> Fields:
    """Variables of one CF file, by mapping, name or standard name."""
    path, *more = listed(paths, CUBES)
    if more:
        msg = (
            f"{path}: is one of {len(more) + 1} files, but kind netcdf reads one (sources.weather.path); join "
            "them, or name the provider as kind"
        )
        raise LoamError(msg)
    data = with_time(open_dataset(path), path)
    found = find_variables(data, source, path)
    for key in found.values():
        require_axes(data[key], path)
    near = near_area(data[list(found.values())], box, path)
    fields = {}
    for name, key in found.items():
        values = plain(near[key], path)
        values = values.assign_coords(time=standard_times(values, path)).sortby("time")
        if not (part := loaded(of_period(values, period), path)).sizes["time"]:
            raise LoamError(outside(path, values["time"].values, period))
        once = merged_times([(path, part)], key)
        fields[name] = starting(once.odc.assign_crs(data.odc.crs), source.stamp)
    return fields


def _daily(values: xr.DataArray, name: str, source: Weather, path: Path) -> xr.DataArray:
    """Values of whole days, in Loam's units."""
    units = VARIABLES[name][0]
    converted = to_units(values, units, path).astype("float32")
    if step_hours(values["time"].values) > DAILY_H:
        return converted.assign_coords(
            time=values["time"].values.astype("datetime64[D]").astype("datetime64[ns]")
        )
    total = units in {"mm", "MJ/m^2"} and not is_rate(values.attrs.get("units"), units)
    days = by_day(converted, of_a_day(name, total=total), source.day_ends_utc_h)
    if not days.sizes["time"]:
        first, last = (str(values["time"].values[index])[:16] for index in (0, -1))
        msg = f"{path}: {values.name} has no whole day from {first} to {last} (sources.weather.day_ends_utc_h); bring all hours"
        raise LoamError(msg)
    return days


def checked(converted: xr.DataArray, name: str, path: Path) -> xr.DataArray:
    """One variable in Loam's units against its bounds: a wrong unit or an undeclared nodata value shows here.

    Raises:
        LoamError: values are out of bounds or missing.
    """
    units, lowest, highest, _ = VARIABLES[name]
    converted = beyond_the_coast(converted, path)
    if lowest == 0:
        rounded = (converted < 0) & (converted >= -ROUNDING[units])
        converted = converted.where(~rounded, 0).assign_attrs(converted.attrs)
    low, high = float(converted.min()), float(converted.max())
    if low < lowest or high > highest:
        msg = (
            f"{path}: {converted.name or name} reaches from {low:g} to {high:g} {units}, outside {lowest:g} to "
            f"{highest:g}; check units and nodata"
        )
        raise LoamError(msg)
    missing = int(converted.isnull().sum())
    if missing:
        msg = f"{path}: {converted.name or name} is missing in {missing} of {converted.size} values; fill the gaps first"
        raise LoamError(msg)
    return converted.assign_attrs(units=units, long_name=name.replace("_", " "))


def beyond_the_coast(values: xr.DataArray, path: Path) -> xr.DataArray:
    """Cells without a value on any day, as land products have over the sea, take the nearest cell's; it is told.

    Args:
        values: `(time, y, x)`.
        path: the source, for messages.
    """
    # ASSUME: at the coast the weather of the nearest land cell holds.
    from scipy.ndimage import distance_transform_edt

    missing = np.isnan(values.values).all(axis=0)
    if not missing.any() or missing.all():
        return values
    text = "%s: %s has no value in %.0f %% of the cells around the area on any day; they take the nearest cell's"
    logging.getLogger(__name__).warning(text, path, values.name, 100 * missing.mean())
    rows, columns = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return values.copy(data=values.values[:, rows, columns])


def _check_days(weather: xr.Dataset | xr.DataArray, path: Path) -> None:
    days = weather["time"].values.astype("datetime64[D]")
    steps = np.diff(days).astype(int)
    if steps.size and steps.min() > 1:
        msg = f"{path}: day {days[0]} is followed by a gap: values are {int(np.median(steps))} days apart; bring daily ones"
        raise LoamError(msg)
    for fault, where, remedy in (
        ("is there twice", steps == 0, "keep one"),
        ("is followed by a gap", steps > 1, "fill it"),
    ):
        if where.any():
            msg = f"{path}: day {days[:-1][where][0]} {fault}; {remedy}"
            raise LoamError(msg)
