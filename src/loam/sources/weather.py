"""Daily weather from providers' files and stations, under one set of names and units."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config import Grid, Period, Weather
from loam.errors import LoamError
from loam.grid import around, target_grid, to_grid
from loam.raster import open_dataset, open_raster, write_zarr
from loam.sources.days import by_day, starting, step_hours
from loam.sources.files import listed, provider_fields, standard_times, together
from loam.sources.providers import PROVIDERS, Fields
from loam.sources.stations import EXTREMES as DAY_EXTREMES
from loam.sources.stations import LONGEST_WINDOW, station_fields
from loam.sources.units import is_rate, to_units

# Loam's name: (units, lowest, highest plausible value, standard names that mean it)
VARIABLES: dict[str, tuple[str, float, float, tuple[str, ...]]] = {
    "precipitation": ("mm", 0, 2000, (
        "lwe_precipitation_rate", "precipitation_flux", "precipitation_amount", "lwe_thickness_of_precipitation_amount", "rainfall_flux",
    )),
    "temperature": ("degC", -80, 60, ("air_temperature",)),
    "temperature_min": ("degC", -80, 60, ("air_temperature",)),
    "temperature_max": ("degC", -80, 65, ("air_temperature",)),
    "relative_humidity": ("%", 0, 110, ("relative_humidity",)),
    "relative_humidity_min": ("%", 0, 110, ("relative_humidity",)),
    "relative_humidity_max": ("%", 0, 110, ("relative_humidity",)),
    "dewpoint": ("degC", -90, 45, ("dew_point_temperature",)),
    "vapour_pressure": ("kPa", 0, 12, ("water_vapor_partial_pressure_in_air",)),
    "wind_speed": ("m/s", 0, 75, ("wind_speed",)),
    "solar_radiation": ("MJ/m^2", 0, 50, (
        "surface_downwelling_shortwave_flux_in_air", "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",
    )),
    "evapotranspiration": ("mm", -5, 40, ("water_potential_evaporation_amount", "water_potential_evaporation_flux")),
}  # fmt: skip


# What CF's cell_methods must say of a variable; the others may say neither.
EXTREMES = {
    "temperature_min": "minimum", "temperature_max": "maximum", "relative_humidity_min": "minimum", "relative_humidity_max": "maximum",
}  # fmt: skip


def import_weather(weather: list[Path], dem: Path | None, out: Path, source: Weather, grid: Grid, cube: str | None, period: Period) -> None:
    """Write daily weather around the area, on its native grid, under Loam's names and units."""
    box = target_grid(grid, Path(cube) if cube else None)
    write_zarr(cut(read_weather(weather, source, box, dem, period), period, weather[0]), out)


def cut(weather: xr.Dataset, period: Period, path: Path) -> xr.Dataset:
    """The days of the period, and before it as many as a window may look back.

    Raises:
        LoamError: there is none.
    """
    inside = weather.sel(time=slice(np.datetime64(period.start) - LONGEST_WINDOW, np.datetime64(period.end)))
    if inside.sizes["time"] == 0:
        first, last = (str(weather["time"].values[index])[:10] for index in (0, -1))
        msg = (
            f"{path}: covers {first} to {last}, no day of the period {period.start} to {period.end}; extend the "
            "weather or change the period"
        )
        raise LoamError(msg)
    return inside


def read_weather(paths: list[Path], source: Weather, box: GeoBox, dem: Path | None, period: Period) -> xr.Dataset:
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
    if source.kind == "stations":
        weather = station_fields(paths, source, box, None if dem is None else lambda cells: _mean_heights(dem, cells), period)
        weather = xr.Dataset({name: checked(values, str(name), paths[0]) for name, values in weather.items()}).odc.assign_crs(
            weather.odc.crs
        )
        days = "as sources.weather.day_ends_utc_h says where the tables are sub-daily, else as they are"
    else:
        weather, days = _read_grids(paths, source, box)
    _check_days(weather, paths[0])
    return weather.assign_attrs(source=source.kind, days=days)


def _mean_heights(dem: Path, cells: GeoBox) -> np.ndarray:
    values: np.ndarray = to_grid(open_raster(dem), cells, "average").values
    # ASSUME: cells that the DEM does not reach, at the rim, are as high as the mean of the others.
    return np.where(np.isnan(values), np.nanmean(values), values)


def _read_grids(paths: list[Path], source: Weather, box: GeoBox) -> tuple[xr.Dataset, str]:
    """Weather that comes on a grid, and which hours its days are."""
    if source.kind == "netcdf":
        fields, days = _cf_fields(paths, source, box), "as the file's times say"
    else:
        provider = PROVIDERS[source.kind]
        fields, days = provider.adapt(provider_fields(paths, provider.names, box), paths[0]), provider.days
    crs = next(iter(fields.values())).odc.crs
    daily = {
        name: _daily(values.rename(values.name or name), name, source, paths[0]) for name, values in fields.items() if name in VARIABLES
    }
    for values in daily.values():
        _check_days(values, paths[0])
    checks = {name: checked(values, name, paths[0]) for name, values in daily.items()}
    return together(checks, paths[0]).odc.assign_crs(crs), days


def _cf_fields(paths: list[Path], source: Weather, box: GeoBox) -> Fields:
    """Variables of one CF file, by mapping, name or standard name."""
    path, *more = listed(paths, {".nc", ".nc4", ".zarr"})
    if more:
        msg = (
            f"{path}: is one of {len(more) + 1} files, but kind netcdf reads one (sources.weather.path); join "
            "them, or name the provider as kind"
        )
        raise LoamError(msg)
    data = open_dataset(path)
    _check_mapping(data, source, path)
    found = {name: _find(data, name, source) for name in VARIABLES}
    near = around(data, box, 1)
    fields = {name: near[key].transpose("time", "y", "x").sortby("time").load() for name, key in found.items() if key is not None}
    if not fields:
        msg = (
            f"{path}: has no variable that is known by standard name (it has: "
            f"{', '.join(map(str, data.data_vars))}); name them in sources.weather.variables"
        )
        raise LoamError(msg)
    crs, stamp = data.odc.crs, source.stamp
    return {name: starting(values.assign_coords(time=standard_times(values)).odc.assign_crs(crs), stamp) for name, values in fields.items()}


def _daily(values: xr.DataArray, name: str, source: Weather, path: Path) -> xr.DataArray:
    """Values of whole days, in Loam's units."""
    units = VARIABLES[name][0]
    converted = to_units(values, units, path).astype("float32")
    if step_hours(values["time"].values) >= 23:
        return converted.assign_coords(time=values["time"].values.astype("datetime64[D]").astype("datetime64[ns]"))
    totals = units in {"mm", "MJ/m^2"} and not is_rate(values.attrs.get("units"), units)
    return by_day(converted, "sum" if totals else DAY_EXTREMES.get(name, "mean"), source.day_ends_utc_h)


def _check_mapping(data: xr.Dataset, source: Weather, path: Path) -> None:
    for name, key in source.variables.items():
        if name not in VARIABLES:
            msg = f"sources.weather.variables.{name}: unknown name; known are {', '.join(VARIABLES)}"
            raise LoamError(msg)
        if key not in data:
            msg = f"{path}: variable {key} (sources.weather.variables.{name}) is missing; it has {', '.join(map(str, data.data_vars))}"
            raise LoamError(msg)


def _find(data: xr.Dataset, name: str, source: Weather) -> str | None:
    """The file's variable for one of ours: mapped, of the same name, or by standard name and, for extremes, cell methods."""
    if name in source.variables:
        return source.variables[name]
    if name in data:
        return name
    standard_names = VARIABLES[name][3]
    for key, values in data.data_vars.items():
        method = next((word for word in EXTREMES.values() if word in str(values.attrs.get("cell_methods", ""))), None)
        if values.attrs.get("standard_name") in standard_names and method == EXTREMES.get(name):
            return str(key)
    return None


def checked(converted: xr.DataArray, name: str, path: Path) -> xr.DataArray:
    """One variable in Loam's units against its bounds: a wrong unit or an undeclared nodata value shows here.

    Raises:
        LoamError: values are out of bounds or missing.
    """
    units, lowest, highest, _ = VARIABLES[name]
    converted = beyond_the_coast(converted, path)
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
    for fault, where, remedy in (("is there twice", steps == 0, "keep one"), ("is followed by a gap", steps > 1, "fill it")):
        if where.any():
            msg = f"{path}: day {days[:-1][where][0]} {fault}; {remedy}"
            raise LoamError(msg)
