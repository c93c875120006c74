"""Weather of stations, from CSV tables, USCRN and ISMN files, onto a coarse grid."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from loam.config import Period, Weather
from loam.errors import LoamError
from loam.grid import empty_like_grid
from loam.sources.days import by_day, starting, step_hours
from loam.sources.files import listed
from loam.sources.idw import distance_weights, left_out, root_mean_square, weighted_means

PLACE = ("station", "time", "latitude", "longitude")
# US Climate Reference Network, product daily01 (Diamond et al. 2013): column -> Loam's name; units are ours already.
USCRN = {
    "WBANNO": "station", "LST_DATE": "time", "LATITUDE": "latitude", "LONGITUDE": "longitude", "P_DAILY_CALC": "precipitation",
    "T_DAILY_MEAN": "temperature", "T_DAILY_MIN": "temperature_min", "T_DAILY_MAX": "temperature_max",
    "SOLARAD_DAILY": "solar_radiation", "RH_DAILY_AVG": "relative_humidity",
}  # fmt: skip
LAPSING = ("temperature", "dewpoint")  # names that begin so fall with height
USCRN_MISSING = -99  # and below: -99, -9999
USCRN_COLUMNS = [
    "WBANNO", "LST_DATE", "CRX_VN", "LONGITUDE", "LATITUDE", "T_DAILY_MAX", "T_DAILY_MIN", "T_DAILY_MEAN", "T_DAILY_AVG", "P_DAILY_CALC",
    "SOLARAD_DAILY", "SUR_TEMP_DAILY_TYPE", "SUR_TEMP_DAILY_MAX", "SUR_TEMP_DAILY_MIN", "SUR_TEMP_DAILY_AVG", "RH_DAILY_MAX",
    "RH_DAILY_MIN", "RH_DAILY_AVG",
]  # fmt: skip
# International Soil Moisture Network (Dorigo et al. 2021), header + values: part of the file's name -> Loam's name.
ISMN = {"p": "precipitation", "ta": "temperature"}
SUMMED = ("precipitation", "solar_radiation", "evapotranspiration")
EXTREMES = {"temperature_min": "min", "temperature_max": "max"}
LONGEST_WINDOW = np.timedelta64(120, "D")  # the most that an experiment looks back


def station_fields(
    paths: list[Path], source: Weather, box: GeoBox, height_m: Callable[[GeoBox], np.ndarray] | None, period: Period
) -> xr.Dataset:
    """Daily weather of stations on a coarse grid over the area, `(time, y, x)`, in Loam's units.

    Args:
        paths: CSV tables with Loam's names and units (or mapped ones), USCRN daily files, ISMN `.stm` files.
        source: section `sources.weather`.
        box: the target grid.
        height_m: mean heights of a grid's cells, for `lapse_k_per_km`.
        period: days before its windows and after it are left out: stations come and go over the years.

    Raises:
        LoamError: a station has no coordinates, or too few are in reach.
    """
    table = read_stations(paths, source)
    days = needed(daily_table(table, source.stamp, source.day_ends_utc_h), period, paths[0])
    grid = GeoBox.from_bbox(box.boundingbox.buffered(source.stations.cell_m), box.crs, resolution=source.stations.cell_m)
    lapse = source.stations.lapse_k_per_km
    if lapse is not None and "elevation" not in days:
        msg = (
            f"{paths[0]}: stations have no elevation, which sources.weather.stations.lapse_k_per_km needs; add "
            "the column, or set it to null"
        )
        raise LoamError(msg)
    heights = height_m(grid) if lapse is not None and height_m is not None else None
    return interpolated(days, source, grid, heights, paths[0])


def read_stations(paths: list[Path], source: Weather) -> pd.DataFrame:
    """All stations in one table: station, time, latitude, longitude, maybe elevation [m], and weather under Loam's names.

    Raises:
        LoamError: a column that is needed is missing, a station has no coordinates, a time is there twice.
    """
    frames = [_read(path, source) for path in listed(paths, {".csv", ".txt", ".stm"})]
    if not any(len(frame) for frame in frames):
        msg = f"{paths[0]}: holds no weather of stations; bring tables with {', '.join(PLACE)} and Loam's names of weather"
        raise LoamError(msg)
    table = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    lost = table.loc[table["latitude"].isna() | table["longitude"].isna(), "station"].unique()
    if lost.size:
        msg = f"{paths[0]}: station {lost[0]} has no coordinates ({lost.size} such); fill latitude and longitude"
        raise LoamError(msg)
    # ISMN has a file per variable: rows of one station and time become one row.
    if any(path.suffix == ".stm" for path in listed(paths, {".csv", ".txt", ".stm"})):
        table = table.groupby(["station", "time"], as_index=False).first()
    twice = table.duplicated(["station", "time"])
    if twice.any():
        row = table[twice].iloc[0]
        msg = f"{paths[0]}: station {row['station']} has {row['time']} twice; keep one"
        raise LoamError(msg)
    return table


def _read(path: Path, source: Weather) -> pd.DataFrame:
    if path.suffix == ".stm":
        return _read_ismn(path)
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    if "," not in first and len(first.split()) >= len(USCRN_COLUMNS):
        table = pd.read_csv(path, sep=r"\s+", header=None, usecols=range(len(USCRN_COLUMNS)), names=USCRN_COLUMNS)
        return _uscrn(table)
    table = pd.read_csv(path, encoding="utf-8-sig")
    if {"WBANNO", "LST_DATE"} <= set(table.columns):
        return _uscrn(table)
    table = table.rename(columns={theirs: ours for ours, theirs in source.variables.items()} | {"date": "time"})
    missing = [name for name in PLACE if name not in table.columns]
    if missing:
        msg = (
            f"{path}: has no column {missing[0]} (it has: {', '.join(map(str, table.columns))}); add it, or map "
            "it in sources.weather.variables"
        )
        raise LoamError(msg)
    return table.assign(station=table["station"].astype(str), time=_times(table["time"], path))


def _times(values: pd.Series, path: Path) -> pd.Series:
    try:
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    except (ValueError, TypeError) as error:
        msg = f"{path}: column time cannot be read ({str(error)[:60]}); write it as 2020-01-31 or 2020-01-31T12:00"
        raise LoamError(msg) from None


def _uscrn(table: pd.DataFrame) -> pd.DataFrame:
    table = table[[name for name in USCRN if name in table.columns]].rename(columns=USCRN)
    weather = [name for name in table.columns if name not in PLACE]
    known = table[weather].apply(pd.to_numeric, errors="coerce")
    times = pd.to_datetime(table["time"].astype(str), format="%Y%m%d")
    return table.assign(station=table["station"].astype(str), time=times, **known.where(known > USCRN_MISSING))


def _read_ismn(path: Path) -> pd.DataFrame:
    """One variable of one station; empty where Loam has no use for the variable."""
    head = path.open().readline().split()
    name = next((ours for part, ours in ISMN.items() if f"_{part}_" in path.name), None)
    if name is None:
        return pd.DataFrame(columns=[*PLACE])
    table = pd.read_csv(path, sep=r"\s+", skiprows=1, header=None, usecols=[0, 1, 2, 3], names=["day", "hour", name, "flag"])
    good = table["flag"].astype(str).str.startswith(("G", "M", "U"))  # good, missing flag, unknown; C and D are out of range or dubious
    latitude, longitude, elevation = (float(text) for text in head[3:6])
    return pd.DataFrame({
        "station": head[2], "time": pd.to_datetime(table["day"] + " " + table["hour"], format="%Y/%m/%d %H:%M"),
        "latitude": latitude, "longitude": longitude, "elevation": elevation, name: table[name].where(good),
    })  # fmt: skip


def daily_table(table: pd.DataFrame, stamp: str, day_ends_utc_h: float) -> xr.Dataset:
    """Daily weather `(time, station)` with `latitude`, `longitude` and maybe `elevation` of every station."""
    weather = [name for name in table.columns if name not in (*PLACE, "elevation") and table[name].dtype.kind in "fi"]
    data = table.set_index(["time", "station"])[weather].to_xarray()
    places = table.groupby("station")[[name for name in (*PLACE[2:], "elevation") if name in table.columns]].first()
    data = data.assign({str(name): ("station", column.reindex(data["station"].values)) for name, column in places.items()})
    if step_hours(data["time"].values) >= 23:
        steps = starting(data[weather[0]], stamp)["time"].values
        return data.assign_coords(time=steps.astype("datetime64[D]").astype("datetime64[ns]"))
    whole = {name: by_day(starting(data[name], stamp), _method(name), day_ends_utc_h) for name in weather}
    return xr.Dataset(whole).assign({str(name): data[name] for name in places})


def needed(days: xr.Dataset, period: Period, path: Path) -> xr.Dataset:
    """The days that a period and its windows need, without those on which no station has a value.

    Raises:
        LoamError: there is none.
    """
    inside = days.sel(time=slice(np.datetime64(period.start) - LONGEST_WINDOW, np.datetime64(period.end)))
    weather = [name for name, values in days.data_vars.items() if "time" in values.dims]
    known = np.any([np.isfinite(inside[name].transpose("time", "station").values).any(axis=1) for name in weather], axis=0)
    if not known.any():
        msg = f"{path}: no station has a value in the period {period.start} to {period.end}; bring those of that time"
        raise LoamError(msg)
    return inside.isel(time=known)


def _method(name: str) -> str:
    return "sum" if name in SUMMED else EXTREMES.get(name, "mean")


def interpolated(days: xr.Dataset, source: Weather, grid: GeoBox, heights: np.ndarray | None, path: Path) -> xr.Dataset:
    """Stations on a coarse grid by inverse-distance weighting; each variable tells its leave-one-out error.

    Args:
        days: `(time, station)`, as of `daily_table`.
        source: section `sources.weather`.
        grid: the coarse grid.
        heights: of its cells `(y, x)` [m]; temperatures then follow `lapse_k_per_km`.
        path: the source, for messages.

    Raises:
        LoamError: too few stations reach a cell on some day.
    """
    settings, coords = source.stations, empty_like_grid(grid)
    east, north = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True).transform(
        days["longitude"].values, days["latitude"].values
    )
    stations = np.column_stack([east, north])
    cells = np.column_stack([axis.ravel() for axis in np.meshgrid(coords["x"].values, coords["y"].values)])
    weights = distance_weights(cells, stations, settings.power, 1000 * settings.radius_km)
    fields = {}
    for name in (str(each) for each, values in days.data_vars.items() if "time" in values.dims):
        values = days[name].transpose("time", "station").values.astype(float)
        if not np.isfinite(values).any():
            continue
        # A temperature is brought to sea level, spread, and brought back to the ground.
        fall = (settings.lapse_k_per_km or 0.0) / 1000 if heights is not None and name.startswith(LAPSING) else 0.0
        level = values + fall * days["elevation"].values if fall else values
        field = weighted_means(weights, level, settings.min_stations)
        _require_reach(field, days["time"].values, name, source, path)
        ground = field - fall * heights.ravel() if heights is not None else field
        told = {"stations": len(stations), "units": "1"} | _left_out_error(stations, level, source)
        fields[name] = (("time", "y", "x"), ground.reshape(-1, *grid.shape).astype(np.float32), told)
    return xr.Dataset(fields, coords={"time": days["time"].values} | coords).odc.assign_crs(grid.crs)


def _left_out_error(stations: np.ndarray, values: np.ndarray, source: Weather) -> dict[str, float]:
    """What interpolation errs by at each station when that is left out: attributes for the report."""
    settings = source.stations
    error = left_out(stations, values, settings.power, 1000 * settings.radius_km, settings.min_stations) - values
    if not np.isfinite(error).any():
        return {}
    return {"leave_one_out_rmse": root_mean_square(error), "leave_one_out_bias": float(np.nanmean(error))}


def _require_reach(field: np.ndarray, times: np.ndarray, name: str, source: Weather, path: Path) -> None:
    lacking = np.isnan(field).any(axis=1)
    if lacking.any():
        share = float(np.isnan(field[lacking][0]).mean())
        msg = (
            f"{path}: {name} has fewer than {source.stations.min_stations} stations within {source.stations.radius_km:g} km "
            f"on {share:.0%} of the area on {str(times[lacking][0])[:10]}; "
            "widen sources.weather.stations.radius_km, lower min_stations, or bring more stations"
        )
        raise LoamError(msg)
