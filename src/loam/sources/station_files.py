"""Files of stations' weather: tables with Loam's names, USCRN daily and hourly, ISMN, and Daymet's single pixels."""

import logging
import re
from pathlib import Path

import pandas as pd
import xarray as xr

from loam.config.sources import Weather
from loam.core.errors import LoamError
from loam.core.networks import (
    USCRN_HOURLY,
    read_ismn_file,
    require_place,
    uscrn_table,
    uscrn_values,
)
from loam.core.tables import YEARS, NoTableError, Table, numbers, read_table, times
from loam.sources.providers import PROVIDERS, daymet
from loam.sources.units import measures, to_units
from loam.sources.variables import ROUNDING, VARIABLES

PLACE = ("station", "time", "latitude", "longitude")
KNOWN = (*PLACE, "elevation", *VARIABLES)
# Column -> Loam's name; units are ours already.
DAILY = {
    "P_DAILY_CALC": "precipitation",
    "T_DAILY_MEAN": "temperature",
    "T_DAILY_MIN": "temperature_min",
    "T_DAILY_MAX": "temperature_max",
    "SOLARAD_DAILY": "solar_radiation",
    "RH_DAILY_AVG": "relative_humidity",
}
HOURLY = {
    "P_CALC": "precipitation",
    "T_HR_AVG": "temperature",
    "T_MIN": "temperature_min",
    "T_MAX": "temperature_max",
    "SOLARAD": "solar_radiation",
    "RH_HR_AVG": "relative_humidity",
}
HOURLY_FLAGS = {"SOLARAD": "SOLARAD_FLAG", "RH_HR_AVG": "RH_HR_AVG_FLAG"}  # 0 is good
MJ_OF_HOUR = 0.0036  # MJ/m2 of a mean of 1 W/m2 over an hour
ISMN = {"p": "precipitation", "ta": "temperature"}  # part of the file's name -> Loam's name
ISMN_GOOD = ("G", "M", "U")  # good, missing flag, unknown; C and D are out of range or dubious
MOST_APART_DEG = 0.05  # between two mentions of one station's place


def read_file(path: Path, source: Weather) -> pd.DataFrame | None:
    """Weather of one file: station, time, latitude, longitude, maybe elevation [m], and weather under Loam's names and units.

    The attribute `stamp` says whether a time is the start or the end of what a value covers.

    Returns:
        None where the file is of a variable that Loam has no use for.

    Raises:
        NoTableError: it is a text without a header of stations.
        LoamError: it cannot be read, or a column is missing or has text where a number should be.
    """
    mapped = None  # columns that a mapping may name
    if path.suffix.lower() == ".stm":
        frame, stamp = _ismn(path), source.stamp
    elif (table := uscrn_table(path)) is not None:
        frame, stamp = _uscrn_daily(table), "start"
    elif (table := uscrn_table(path, USCRN_HOURLY)) is not None:
        frame, stamp = _uscrn_hourly(table), "start"
    else:
        wanted = {*KNOWN, "date", "year", "yday", *source.variables.values()}
        table = read_table(path, wanted, f"stations ({', '.join(PLACE)} and weather)")
        single = {"year", "yday"} <= {*table.frame.columns}
        frame, stamp = (
            (_daymet_pixel(table), "start") if single else (_table(table, source), source.stamp)
        )
        mapped = None if single else tuple(table.frame.columns)
    if frame is None:
        return None
    _require_places(frame, path)
    frame = _within_bounds(frame, path)
    frame.attrs = {"stamp": stamp, "path": path, "mapped": mapped}
    return frame


def _table(table: Table, source: Weather) -> pd.DataFrame:
    """A table with Loam's names, or mapped ones."""
    path, have = table.path, list(table.frame.columns)
    theirs = {name: name for name in KNOWN if name in have} | {
        ours: key for ours, key in source.variables.items() if key in have
    }
    if "date" in have and "time" not in source.variables:
        if "time" in have:
            msg = f"{path}: has columns date and time; write both in one, and name it in sources.weather.variables.time"
            raise LoamError(msg)
        theirs["time"] = "date"
    missing = [name for name in PLACE if name not in theirs]
    weather = [name for name in theirs if name in VARIABLES]
    if missing or not weather:
        lacking = f"column {missing[0]}" if missing else "column of weather under Loam's names"
        msg = f"{path}: has no {lacking} (it has: {', '.join(have)[:300]}); add it, or map it in sources.weather.variables"
        # A list of stations lies beside their weather now and then.
        raise LoamError(msg) if weather or "time" in theirs else NoTableError(msg)
    frame, columns = table.frame, {}
    for name in (
        *weather,
        "latitude",
        "longitude",
        *(["elevation"] if "elevation" in theirs else []),
    ):
        values = numbers(frame[theirs[name]], path, table.decimal)
        columns[name] = in_units(values, name, path) if name in VARIABLES else values
    return pd.DataFrame(
        {
            "station": _stations(frame[theirs["station"]], path),
            "time": times(frame[theirs["time"]], path),
        }
        | columns
    )


def _stations(names: pd.Series, path: Path) -> pd.Series:
    if (names == "").any():
        msg = f"{path}: column {names.name} is empty in line {names.index[names == ''][0]}; name the station on every line"
        raise LoamError(msg)
    return names


def in_units(values: "pd.Series[float]", name: str, path: Path) -> "pd.Series[float]":
    """A column in Loam's units, from those that its header names in brackets; without any they are Loam's."""
    target = VARIABLES[name][0]
    named = [
        text
        for text in re.findall(r"[(\[]([^()\[\]]+)[)\]]", str(values.name))
        if measures(text, target)
    ]
    if not named:
        return values
    field = xr.DataArray(
        values.to_numpy(), dims="row", name=str(values.name), attrs={"units": named[0]}
    )
    return pd.Series(to_units(field, target, path).values, index=values.index)


def _uscrn_daily(table: Table) -> pd.DataFrame:
    weather = {
        ours: uscrn_values(table, theirs) for theirs, ours in DAILY.items() if theirs in table.frame
    }
    return pd.DataFrame(_uscrn_place(table, "LST_DATE") | weather)


def _uscrn_hourly(table: Table) -> pd.DataFrame:
    weather = {}
    if "UTC_TIME" not in table.frame:
        msg = f"{table.path}: is an hourly file of USCRN without its column UTC_TIME; download it again"
        raise LoamError(msg)
    for theirs, ours in HOURLY.items():
        if theirs in table.frame:
            values, flag = uscrn_values(table, theirs), HOURLY_FLAGS.get(theirs)
            good = (
                values
                if flag not in table.frame
                else values.where(table.frame[flag].str.fullmatch("0+"))
            )
            weather[ours] = good * MJ_OF_HOUR if theirs == "SOLARAD" else good
    # The start of the hour.
    hours = pd.to_timedelta(numbers(table.frame["UTC_TIME"], table.path) // 100 - 1, unit="h")
    place = _uscrn_place(table, "UTC_DATE")
    if table.frame["UTC_TIME"].nunique() == 1:
        text = "%s: is an hourly file of USCRN with one hour a day, which is taken for the whole day; bring all hours, or CRND0103"
        logging.getLogger(__name__).warning(text, table.path)
    return pd.DataFrame(
        place | {"time": (place["time"] + hours).astype("datetime64[ns]")} | weather
    )


def _uscrn_place(table: Table, day: str) -> dict[str, pd.Series]:
    return {
        "station": table.frame["WBANNO"],
        "time": times(table.frame[day], table.path),
        "latitude": uscrn_values(table, "LATITUDE"),
        "longitude": uscrn_values(table, "LONGITUDE"),
    }


def _ismn(path: Path) -> pd.DataFrame | None:
    name = next((ours for part, ours in ISMN.items() if f"_{part}_" in path.name), None)
    if name is None:
        return None
    one = read_ismn_file(path)
    place = {"latitude": one.latitude, "longitude": one.longitude, "elevation": one.elevation_m}
    # Networks may have stations of the same name.
    station = one.station if one.network == one.station else f"{one.network}/{one.station}"
    good = one.flag.str.startswith(ISMN_GOOD)
    if not good.any():
        text = "%s: no value has a flag of %s, and none is used; it has %s"
        logging.getLogger(__name__).warning(
            text, path, ", ".join(ISMN_GOOD), ", ".join(sorted(one.flag.unique())[:6])
        )
    return pd.DataFrame(
        {"station": station, "time": one.time} | place | {name: one.value.where(good)}
    )


def _daymet_pixel(table: Table) -> pd.DataFrame:
    """Daymet's single-pixel extraction: place in the lines before the header, year and day of 365, units in the names."""
    path, frame = table.path, table.frame
    year, day = (numbers(frame[name], path) for name in ("year", "yday"))
    if not (year.between(*YEARS) & day.between(1, 365)).all():
        msg = f"{path}: has a year outside {YEARS[0]} to {YEARS[1]} or a yday outside 1 to 365, which Daymet has not; download it again"
        raise LoamError(msg)
    days = year.astype(int).astype(str).to_numpy().astype("datetime64[D]") + (
        day.astype(int).to_numpy() - 1
    )
    fields = {}
    for name, each in PROVIDERS["daymet"].names.items():
        column = next(
            (str(key) for key in frame.columns if str(key).split(" ")[0] in each.keys), None
        )
        if column is not None:
            unit = re.search(r"\((.+)\)", column)
            attrs = {"units": unit[1] if unit else each.units}
            coords = {"time": days.astype("datetime64[ns]")}
            fields[name] = xr.DataArray(
                numbers(frame[column], path).to_numpy(),
                dims="time",
                coords=coords,
                name=column,
                attrs=attrs,
            )
    if not fields.keys() & VARIABLES.keys():
        msg = f"{path}: has none of Daymet's variables (it has: {', '.join(map(str, frame.columns))}); download it again"
        raise LoamError(msg)
    weather = {
        name: to_units(values, VARIABLES[name][0], path).to_series()
        for name, values in daymet(fields, path).items()
    }
    place = {name: _before(table, name) for name in ("latitude", "longitude", "elevation")}
    return (
        pd.DataFrame(weather).rename_axis("time").reset_index().assign(station=path.stem, **place)
    )


def _before(table: Table, name: str) -> float:
    """A number that the lines before a header name."""
    found = re.search(rf"{name}:\s*(-?\d+(\.\d+)?)", "\n".join(table.before), re.IGNORECASE)
    if found is None:
        msg = f"{table.path}: no line before its header names the {name}, as Daymet's single-pixel files do; download it again"
        raise LoamError(msg)
    return float(found[1])


def _within_bounds(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """With roundings below zero as zero; a missing value that is written as a number would vanish among other stations."""
    for name in (name for name in frame if name in VARIABLES):
        units, lowest, highest, _ = VARIABLES[name]
        values = frame[name]
        if lowest == 0:
            values = values.mask((values < 0) & (values >= -ROUNDING[units]), 0.0)
        if (wrong := (values < lowest) | (values > highest)).any():
            row = frame[wrong].iloc[0]
            msg = (
                f"{path}: {name} of station {row['station']} is {row[name]:g} {units} at {row['time']:%Y-%m-%d %H:%M} "
                f"({int(wrong.sum())} such), outside {lowest:g} to {highest:g}; check units and nodata"
            )
            raise LoamError(msg)
        frame = frame.assign(**{name: values})
    return frame


def _require_places(frame: pd.DataFrame, path: Path) -> None:
    """Stop where a station has no place, or an impossible one."""
    lost = frame.loc[frame["latitude"].isna() | frame["longitude"].isna(), "station"].unique()
    if lost.size:
        msg = f"{path}: station {lost[0]} has no coordinates ({lost.size} such); fill them in, and look for lines with too few cells"
        raise LoamError(msg)
    places = frame.drop_duplicates(["station", "latitude", "longitude"])
    for station, latitude, longitude in zip(
        places["station"], places["latitude"], places["longitude"], strict=True
    ):
        require_place(float(latitude), float(longitude), path, str(station))


def require_one_place(places: pd.DataFrame, path: Path) -> None:
    """Stop where two places have one station's name: their values would be mixed.

    Args:
        places: columns `station`, `latitude`, `longitude`.
        path: the source, for messages.

    Raises:
        LoamError: there are such.
    """
    grouped = places.groupby("station")[["latitude", "longitude"]]
    apart = (grouped.max() - grouped.min()).max(axis=1)
    if (apart > MOST_APART_DEG).any():
        name = apart.index[apart > MOST_APART_DEG][0]
        some = places[places["station"] == name].drop_duplicates()
        first, last = (
            f"{row['latitude']:g}, {row['longitude']:g}" for _, row in some.iloc[[0, -1]].iterrows()
        )
        msg = f"{path}: station {name} lies at two places ({first} and {last}); give each place a name of its own"
        raise LoamError(msg)
