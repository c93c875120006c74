"""Conventions of weather providers: what they call things, in which units, and which hours their days are.

The next provider is an entry in `PROVIDERS`, and a function if its files need more than names and units.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from loam.core.errors import LoamError
from loam.sources.days import DAILY_H, deaccumulated, step_hours, with_last_days_of_leap_years

Fields = dict[str, xr.DataArray]


@dataclass(frozen=True)
class Name:
    """How a provider's files name one variable."""

    keys: tuple[str, ...]  # of the variable, or a word of the file's name where it holds but one
    units: str | None = None  # where the file says none


@dataclass(frozen=True)
class Provider:
    """What must be known of a provider to read its files."""

    # Loam's name, or a private one (with an underscore) for its function below.
    names: Mapping[str, Name]
    days: str  # which hours a day stands for
    # With the path and sources.weather.stamp.
    adapt: Callable[[Fields, Path, str], Fields] = lambda fields, _, __: fields


def _as(values: xr.DataArray, units: str) -> xr.DataArray:
    return values.assign_attrs(units=units)


def daymet(fields: Fields, path: Path, stamp: str = "start") -> Fields:
    """Daymet: radiation is the mean over daylight; years have 365 days, 31 December is missing in leap years.

    Thornton et al., Daymet version 4 (doi 10.3334/ORNLDAAC/2129): energy of a day [J/m²] is `srad` times `dayl`.
    """
    daylight = fields.pop("_daylight", None)
    if "solar_radiation" in fields:
        if daylight is None:
            msg = f"{path}: srad is a mean over daylight, but dayl is missing; bring it too, or leave srad out"
            raise LoamError(msg)
        fields["solar_radiation"] = _as(fields["solar_radiation"] * daylight, "J m-2")
    return {name: with_last_days_of_leap_years(values) for name, values in fields.items()}


def era5_land(fields: Fields, path: Path, stamp: str) -> Fields:
    """ERA5-Land: totals are accumulated from 00 UTC and stamped at their end, so that 00:00 is the day before; wind has components.

    Daily totals of the stamp's own day, as Earth Engine and `resample("D").sum()` make them, need `stamp` 'own_day'.
    Muñoz-Sabater et al. (2021, doi 10.5194/essd-13-4349) and the data's documentation.
    """
    totals = [name for name in ("precipitation", "solar_radiation") if name in fields]
    daily = [name for name in totals if step_hours(fields[name]["time"].values) > DAILY_H]
    if daily and stamp == "start":
        text = (
            "%s: daily totals (%s) stamped at 00:00 are taken as those of the day before, as Copernicus stamps them; where they are "
            "those of their own day (Earth Engine, sums by day) set sources.weather.stamp: own_day, else to end"
        )
        logging.getLogger(__name__).warning(text, path, ", ".join(daily))
    for name in totals:
        if name not in daily or stamp != "own_day":
            fields[name] = deaccumulated(fields[name], path)
    east, north = (fields.pop(name, None) for name in ("_wind_east", "_wind_north"))
    if (east is None) != (north is None):
        msg = f"{path}: has one of the wind's components u10 and v10; bring both"
        raise LoamError(msg)
    if east is not None and north is not None:
        # ASSUME: the speed of the mean vector is the mean speed; of daily components it is a little less.
        fields["wind_speed"] = _as(
            east.copy(data=np.hypot(east.values, north.values)), east.attrs["units"]
        )
    return fields


def agera5(fields: Fields, path: Path, stamp: str) -> Fields:
    """AgERA5: relative humidity comes at fixed hours of local time; their mean is the day's."""
    hours = [fields.pop(name) for name in sorted(fields) if name.startswith("_humidity_")]
    if hours:
        # ASSUME: the hours that are there (of 06, 09, 12, 15, 18) speak for the day.
        mean = sum(hours[1:], start=hours[0]) / len(hours)
        fields["relative_humidity"] = mean.assign_attrs(units=hours[0].attrs.get("units", "%"))
    return fields


def nws_qpe(fields: Fields, path: Path, stamp: str) -> Fields:
    """National Weather Service's daily precipitation: undeclared nodata of about -3.4e38 becomes NaN."""
    return {
        name: values.where(values > -1e30).assign_attrs(values.attrs)
        for name, values in fields.items()
    }


PROVIDERS = {
    "gridmet": Provider(
        {
            "precipitation": Name(("pr", "precipitation_amount"), "mm"),
            "temperature_min": Name(("tmmn", "daily_minimum_temperature"), "K"),
            "temperature_max": Name(("tmmx", "daily_maximum_temperature"), "K"),
            "relative_humidity_min": Name(("rmin", "daily_minimum_relative_humidity"), "%"),
            "relative_humidity_max": Name(("rmax", "daily_maximum_relative_humidity"), "%"),
            "wind_speed": Name(("vs", "daily_mean_wind_speed", "wind_speed"), "m/s"),
            "solar_radiation": Name(("srad", "daily_mean_shortwave_radiation_at_surface"), "W m-2"),
            "evapotranspiration": Name(
                ("pet", "daily_mean_reference_evapotranspiration_grass"), "mm"
            ),
        },
        "from 07 UTC of the day (midnight, Mountain Standard Time) to 07 UTC of the next",
    ),
    "daymet": Provider(
        {
            "precipitation": Name(("prcp",), "mm/day"),
            "temperature_min": Name(("tmin",), "degC"),
            "temperature_max": Name(("tmax",), "degC"),
            "vapour_pressure": Name(("vp",), "Pa"),
            "solar_radiation": Name(("srad",), "W m-2"),
            "_daylight": Name(("dayl",), "s"),
        },
        "local calendar day; 31 December of leap years is the mean of its neighbours",
        daymet,
    ),
    "prism": Provider(
        {
            "precipitation": Name(("ppt",), "mm"),
            "temperature": Name(("tmean",), "degC"),
            "temperature_min": Name(("tmin",), "degC"),
            "temperature_max": Name(("tmax",), "degC"),
            "dewpoint": Name(("tdmean",), "degC"),
            "solar_radiation": Name(("soltotal",), "MJ m-2"),
        },
        "24 hours that end at 12 UTC of the day",
    ),
    "era5_land": Provider(
        {
            "precipitation": Name(("tp", "total_precipitation"), "m"),
            "temperature": Name(("t2m", "2m_temperature"), "K"),
            "temperature_min": Name(("mn2t", "t2m_min"), "K"),
            "temperature_max": Name(("mx2t", "t2m_max"), "K"),
            "dewpoint": Name(("d2m", "2m_dewpoint_temperature"), "K"),
            "solar_radiation": Name(("ssrd", "surface_solar_radiation_downwards"), "J m-2"),
            "_wind_east": Name(("u10", "10m_u_component_of_wind"), "m/s"),
            "_wind_north": Name(("v10", "10m_v_component_of_wind"), "m/s"),
        },
        "UTC day, or as sources.weather.day_ends_utc_h says where the files are hourly",
        era5_land,
    ),
    "agera5": Provider(
        {
            "precipitation": Name(("precipitation_flux",), "mm d-1"),
            "temperature": Name(("temperature_air_2m_mean_24h", "temperature_air_2m_mean"), "K"),
            "temperature_min": Name(("temperature_air_2m_min_24h", "temperature_air_2m_min"), "K"),
            "temperature_max": Name(("temperature_air_2m_max_24h", "temperature_air_2m_max"), "K"),
            "dewpoint": Name(
                ("dew_point_temperature_2m_mean", "dew_point_temperature_2m_mean_24h"), "K"
            ),
            "vapour_pressure": Name(("vapour_pressure_mean", "vapour_pressure_mean_24h"), "hPa"),
            "wind_speed": Name(("wind_speed_10m_mean", "wind_speed_10m_mean_24h"), "m/s"),
            "solar_radiation": Name(("solar_radiation_flux",), "J m-2 d-1"),
            "evapotranspiration": Name(("referenceet_penmanmonteith_fao56",), "mm d-1"),
        }
        | {
            f"_humidity_{hour}": Name((f"relative_humidity_2m_{hour}h",), "%")
            for hour in ("06", "09", "12", "15", "18")
        },
        "local calendar day",
        agera5,
    ),
    "nws_qpe": Provider(
        {"precipitation": Name(("nws_precip_1day", "nws", "precip"), "inch")},
        "24 hours that end at 12 UTC of the day",
        nws_qpe,
    ),
}
