"""Daily weather from CF NetCDF, whatever the provider calls it."""

from pathlib import Path

import numpy as np
import xarray as xr

from loam.config import Weather
from loam.errors import LoamError
from loam.raster import open_dataset, write_zarr
from loam.sources.units import to_units

# Loam's name: (units, lowest, highest plausible value, standard names that mean it)
VARIABLES: dict[str, tuple[str, float, float, tuple[str, ...]]] = {
    "precipitation": ("mm", 0, 2000, (
        "lwe_precipitation_rate", "precipitation_flux", "precipitation_amount", "lwe_thickness_of_precipitation_amount", "rainfall_flux",
    )),
    "temperature": ("degC", -80, 60, ("air_temperature",)),
    "temperature_min": ("degC", -80, 60, ("air_temperature",)),
    "temperature_max": ("degC", -80, 65, ("air_temperature",)),
    "relative_humidity": ("%", 0, 110, ("relative_humidity",)),
    "dewpoint": ("degC", -90, 45, ("dew_point_temperature",)),
    "vapour_pressure": ("kPa", 0, 12, ("water_vapor_partial_pressure_in_air",)),
    "wind_speed": ("m/s", 0, 75, ("wind_speed",)),
    "solar_radiation": ("MJ/m^2", 0, 50, (
        "surface_downwelling_shortwave_flux_in_air", "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",
    )),
    "evapotranspiration": ("mm", -5, 40, ("water_potential_evaporation_amount", "water_potential_evaporation_flux")),
}  # fmt: skip


def import_weather(weather: Path, out: Path, source: Weather) -> None:
    """Write daily weather on its native grid under Loam's names and units."""
    write_zarr(read_weather(weather, source), out)


# What CF's cell_methods must say of a variable; the others may say neither.
EXTREMES = {"temperature_min": "minimum", "temperature_max": "maximum"}


def read_weather(path: Path, source: Weather) -> xr.Dataset:
    """Read daily weather on its native grid, with Loam's names and units.

    Returns:
        Variables of `VARIABLES` that the file has, `(time, y, x)`, time at 00:00 UTC.

    Raises:
        LoamError: a mapped variable is missing, units are absent or wrong, values are out of bounds or missing, days
            are doubled or missing.
    """
    data = open_dataset(path)
    _check_mapping(data, source, path)
    found = {name: _find(data, name, source) for name in VARIABLES}
    weather = xr.Dataset({name: _converted(data[key], name, path) for name, key in found.items() if key is not None})
    weather = weather.transpose("time", "y", "x").sortby("time")
    weather["time"] = weather["time"].values.astype("datetime64[D]").astype("datetime64[ns]")
    _check_days(weather, path)
    return weather.odc.assign_crs(data.odc.crs)


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


def _converted(values: xr.DataArray, name: str, path: Path) -> xr.DataArray:
    """One variable in our units, checked against bounds: a wrong unit or an undeclared nodata value shows here."""
    units, lowest, highest, _ = VARIABLES[name]
    converted = to_units(values, units, path).astype("float32")
    low, high = float(converted.min()), float(converted.max())
    if low < lowest or high > highest:
        msg = f"{path}: {values.name} reaches from {low:g} to {high:g} {units}, outside {lowest:g} to {highest:g}; check units and nodata"
        raise LoamError(msg)
    missing = int(converted.isnull().sum())
    if missing:
        msg = f"{path}: {values.name} is missing in {missing} of {converted.size} values; fill the gaps first"
        raise LoamError(msg)
    return converted.assign_attrs(long_name=name.replace("_", " "))


def _check_days(weather: xr.Dataset, path: Path) -> None:
    days = weather["time"].values.astype("datetime64[D]")
    steps = np.diff(days).astype(int)
    for fault, where, remedy in (("is there twice", steps == 0, "keep one"), ("is followed by a gap", steps > 1, "fill it")):
        if where.any():
            msg = f"{path}: day {days[:-1][where][0]} {fault}; {remedy}"
            raise LoamError(msg)
