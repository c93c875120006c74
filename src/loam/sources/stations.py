"""Weather of stations onto a coarse grid: which stations, which days, which cells."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Geod, Transformer

from loam.config.base import Period
from loam.config.sources import Weather
from loam.core.errors import LoamError
from loam.core.grid import empty_like_grid
from loam.core.tables import NoTableError
from loam.sources.cf import require_mapping
from loam.sources.days import DAILY_H, by_day, starting, step_hours
from loam.sources.files import LONGEST_WINDOW, listed
from loam.sources.idw import distance_weights, left_out, root_mean_square, weighted_means
from loam.sources.station_files import KNOWN, PLACE, read_file, require_one_place
from loam.sources.variables import of_a_day

SUFFIXES = {".csv", ".txt", ".tsv", ".stm"}
SUMMED = ("precipitation", "solar_radiation", "evapotranspiration")
LAPSING = ("temperature", "dewpoint")  # names that begin so fall with height
MOST_FILLED = 20  # times as many hours as a station has rows are filled with missing ones at most
LONGEST_STEP_H = 47  # a station whose values are never closer than this [h] has none of days


def station_fields(
    paths: list[Path],
    source: Weather,
    box: GeoBox,
    height_m: Callable[[GeoBox], np.ndarray] | None,
    period: Period,
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
    frames = near(read_stations(paths, source), box, source.stations.radius_km, paths[0])
    days = needed(daily_table(frames, source.day_ends_utc_h), period, paths[0])
    grid = GeoBox.from_bbox(
        box.boundingbox.buffered(source.stations.cell_m), box.crs, resolution=source.stations.cell_m
    )
    lapse = source.stations.lapse_k_per_km
    if lapse is not None and "elevation" not in days:
        msg = (
            f"{paths[0]}: stations have no elevation, which sources.weather.stations.lapse_k_per_km needs; add "
            "the column, or set it to null"
        )
        raise LoamError(msg)
    if (
        lapse is not None
        and (unknown := days["station"].values[np.isnan(days["elevation"].values)]).size
    ):
        msg = f"{paths[0]}: station {unknown[0]} has no elevation ({unknown.size} such), which lapse_k_per_km needs; fill it"
        raise LoamError(msg)
    heights = height_m(grid) if lapse is not None and height_m is not None else None
    return interpolated(days, source, grid, heights, paths[0])


def read_stations(paths: list[Path], source: Weather) -> list[pd.DataFrame]:
    """Files of stations, a table each: station, time, latitude, longitude, maybe elevation [m], and weather under Loam's names.

    Raises:
        LoamError: a file cannot be read, a column that is needed is missing, a station has no coordinates or two, or a
            time twice.
    """
    require_mapping(source, KNOWN)
    frames, passed = list[pd.DataFrame](), list[str]()
    fault: LoamError | None = None
    for path in listed(paths, SUFFIXES):
        try:
            frame = read_file(path, source)
        except NoTableError as error:
            if path in paths:
                raise
            frame, fault = None, fault or error
            passed.append(path.name)
        if frame is not None and len(frame):
            frames.append(frame)
        elif frame is not None:
            passed.append(f"{path.name} (no line below its header)")
    if passed:
        text = "%s: %d files hold no table of stations and are passed over: %s"
        logging.getLogger(__name__).warning(text, paths[0], len(passed), ", ".join(passed)[:300])
    if not frames:
        if fault is not None:
            raise fault
        inside = f" ({', '.join(passed)[:200]})" if passed else ""
        msg = f"{paths[0]}: holds no weather of stations{inside}; bring tables with {', '.join(PLACE)} and Loam's names of weather"
        raise LoamError(msg)
    _check_mapping(frames, source, paths[0])
    require_one_place(
        pd.concat([frame[["station", "latitude", "longitude"]] for frame in frames]), paths[0]
    )
    return frames


def _check_mapping(frames: Sequence[pd.DataFrame], source: Weather, path: Path) -> None:
    """Every mapped column is in some file: one that was asked for is not left out silently."""
    tables = [frame for frame in frames if frame.attrs["mapped"] is not None]
    have = {str(column) for frame in tables for column in frame.attrs["mapped"]}
    for name, key in source.variables.items():
        if tables and key not in have:
            msg = f"{path}: no table has column {key} (sources.weather.variables.{name}); they have {', '.join(sorted(have))[:300]}"
            raise LoamError(msg)


def near(
    frames: Sequence[pd.DataFrame], box: GeoBox, radius_km: float, path: Path
) -> list[pd.DataFrame]:
    """Stations that count for a cell of the area, and those that tell the error of these.

    Args:
        frames: tables of the stations.
        box: the target grid.
        radius_km: how far a station counts [km].
        path: of the source, for messages.

    Raises:
        LoamError: there is none; it tells the nearest.
    """
    area = box.extent.to_crs("EPSG:4326", resolution="auto").boundingbox
    middle = ((area.left + area.right) / 2, (area.bottom + area.top) / 2)
    geod = Geod(ellps="WGS84")
    reach = geod.inv(*middle, area.left, area.bottom)[2] / 1000 + 2 * radius_km
    places = pd.concat(
        [frame[[*PLACE[:1], *PLACE[2:]]].drop_duplicates("station") for frame in frames]
    )
    lone = np.full(len(places), middle[0]), np.full(len(places), middle[1])
    away = geod.inv(*lone, places["longitude"].to_numpy(), places["latitude"].to_numpy())[2] / 1000
    if away.min() > reach:
        first = places.iloc[int(away.argmin())]
        msg = (
            f"{path}: no station is near the area of interest: the nearest, {first['station']} at {first['latitude']:g} N "
            f"{first['longitude']:g} E, is {away.min():.0f} km away; bring others, or correct latitude and longitude"
        )
        raise LoamError(msg)
    inside = set(places["station"][away <= reach])
    kept = [frame[frame["station"].isin(inside)] for frame in frames]
    return [frame for frame in kept if len(frame)]


def daily_table(frames: Sequence[pd.DataFrame], day_ends_utc_h: float) -> xr.Dataset:
    """Daily weather `(time, station)` with `latitude`, `longitude` and maybe `elevation` of every station.

    Each station and variable has a step of its own: days are taken as they are, whatever the hour of the reading.

    Raises:
        LoamError: a time is there twice, or values are further apart than days.
    """
    parts: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for frame in frames:
        for station, rows in frame.groupby("station"):
            _require_once(rows["time"], str(station), frame.attrs["path"])
            for name in frame.columns.difference([*PLACE, "elevation"]):
                series = pd.Series(rows[name].to_numpy(float), index=pd.DatetimeIndex(rows["time"]))
                series.attrs = frame.attrs | {"station": str(station)}
                parts[name, str(station)].append(series)
    table: dict[str, dict[str, pd.Series]] = defaultdict(dict)
    for (name, station), each in parts.items():
        table[name][station] = _daily(_one(each), name, day_ends_utc_h, each[0].attrs)
    weather = {
        name: pd.DataFrame(each).rename_axis("time").rename_axis("station", axis=1)
        for name, each in table.items()
    }
    data = xr.Dataset({name: xr.DataArray(each) for name, each in weather.items()})
    whole = pd.concat(frames)
    places = whole.groupby("station")[
        [name for name in (*PLACE[2:], "elevation") if name in whole]
    ].first()
    return data.assign(
        {
            str(name): ("station", column.reindex(data["station"].values))
            for name, column in places.items()
        }
    )


def _require_once(times: pd.Series, station: str, path: Path) -> None:
    twice = times[times.duplicated()]
    if len(twice):
        msg = f"{path}: station {station} has {twice.iloc[0]} twice; keep one"
        raise LoamError(msg)


def _one(parts: Sequence[pd.Series]) -> "pd.Series[float]":
    """One series of a station's files; a time that two have alike counts once.

    Raises:
        LoamError: two files differ at one time.
    """
    whole = pd.concat(parts).sort_index()
    if not whole.index.has_duplicates:
        return whole
    known = whole[whole.notna()]
    merged = known.groupby(level=0).agg(["min", "max"])
    if (apart := merged[merged["max"] - merged["min"] > 1e-6 * merged["max"].abs()]).size:
        paths = sorted({str(part.attrs["path"]) for part in parts if apart.index[0] in part.index})
        msg = f"{paths[0]}: station {parts[0].attrs['station']} has {apart.index[0]} twice, with another value in {paths[-1]}; keep one"
        raise LoamError(msg)
    return known[~known.index.duplicated()].reindex(whole.index.unique())


def _daily(
    values: "pd.Series[float]", name: str, day_ends_utc_h: float, told: dict[Any, Any]
) -> "pd.Series[float]":
    """Days of one variable of one station."""
    hours = step_hours(values.index.to_numpy())
    field = xr.DataArray(values.to_numpy(), dims="time", coords={"time": values.index.to_numpy()})
    if hours <= DAILY_H:
        return by_day(
            starting(_regular(field, hours), told["stamp"]),
            of_a_day(name, total=name in SUMMED),
            day_ends_utc_h,
        ).to_series()
    gaps = np.diff(values.index.to_numpy()) / np.timedelta64(1, "h")
    if gaps.size > 1 and gaps.min() > LONGEST_STEP_H:
        msg = f"{told['path']}: station {told['station']} has {name} every {gaps.min() / 24:.3g} days or less often; bring daily values"
        raise LoamError(msg)
    days = pd.DatetimeIndex(
        starting(field, told["stamp"])["time"].values if hours < LONGEST_STEP_H else values.index
    ).floor("D")
    _require_once(pd.Series(days), told["station"], told["path"])
    return pd.Series(values.to_numpy(), index=days)


def _regular(values: xr.DataArray, hours: float) -> xr.DataArray:
    """With hours that have no row as missing ones, where the others lie on one raster."""
    step, times = np.timedelta64(round(hours * 3600), "s"), values["time"].values
    mostly_gaps = (times[-1] - times[0]) / step > MOST_FILLED * times.size
    if mostly_gaps or ((times - times[0]) % step).astype(int).any():
        return values
    return values.reindex(time=np.arange(times[0], times[-1] + step, step))


def needed(days: xr.Dataset, period: Period, path: Path) -> xr.Dataset:
    """The days that a period and its windows need, without those on which no station has a value.

    Raises:
        LoamError: there is none.
    """
    inside = days.sel(
        time=slice(np.datetime64(period.start) - LONGEST_WINDOW, np.datetime64(period.end))
    )
    weather = [name for name, values in days.data_vars.items() if "time" in values.dims]
    known = np.any(
        [
            np.isfinite(inside[name].transpose("time", "station").values).any(axis=1)
            for name in weather
        ],
        axis=0,
    )
    if not known.any():
        some = [days[name].dropna("time", how="all")["time"].values for name in weather]
        spans = [(each[0], each[-1]) for each in some if each.size]
        have = (
            f"they have {str(min(first for first, _ in spans))[:10]} to {str(max(last for _, last in spans))[:10]}"
            if spans
            else "none of their days has all its hours"
        )
        msg = f"{path}: no station has a value in the period {period.start} to {period.end} ({have}); bring those of that time"
        raise LoamError(msg)
    return inside.isel(time=known)


def interpolated(
    days: xr.Dataset, source: Weather, grid: GeoBox, heights: np.ndarray | None, path: Path
) -> xr.Dataset:
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
    cells = np.column_stack(
        [axis.ravel() for axis in np.meshgrid(coords["x"].values, coords["y"].values)]
    )
    weights = distance_weights(cells, stations, settings.power, 1000 * settings.radius_km)
    fields = {}
    for name in (str(each) for each, values in days.data_vars.items() if "time" in values.dims):
        values = days[name].transpose("time", "station").values.astype(float)
        if not np.isfinite(values).any():
            logging.getLogger(__name__).warning(
                "%s: %s has no value at any station; it is not used", path, name
            )
            continue
        # A temperature is brought to sea level, spread, and brought back to the ground.
        fall = (
            (settings.lapse_k_per_km or 0.0) / 1000
            if heights is not None and name.startswith(LAPSING)
            else 0.0
        )
        level = values + fall * days["elevation"].values if fall else values
        field = weighted_means(weights, level, settings.min_stations)
        _require_reach(field, days["time"].values, name, source, path)
        ground = field - fall * heights.ravel() if heights is not None else field
        told = {"stations": len(stations), "units": "1"} | _left_out_error(stations, level, source)
        fields[name] = (
            ("time", "y", "x"),
            ground.reshape(-1, *grid.shape).astype(np.float32),
            told,
        )
    return xr.Dataset(fields, coords={"time": days["time"].values} | coords).odc.assign_crs(
        grid.crs
    )


def _left_out_error(stations: np.ndarray, values: np.ndarray, source: Weather) -> dict[str, float]:
    """What interpolation errs by at each station when that is left out: attributes for the report."""
    settings = source.stations
    error = (
        left_out(stations, values, settings.power, 1000 * settings.radius_km, settings.min_stations)
        - values
    )
    if not np.isfinite(error).any():
        return {}
    return {
        "leave_one_out_rmse": root_mean_square(error),
        "leave_one_out_bias": float(np.nanmean(error)),
    }


def _require_reach(
    field: np.ndarray, times: np.ndarray, name: str, source: Weather, path: Path
) -> None:
    lacking = np.isnan(field).any(axis=1)
    if lacking.any():
        share = float(np.isnan(field[lacking][0]).mean())
        msg = (
            f"{path}: {name} has fewer than {source.stations.min_stations} stations within {source.stations.radius_km:g} km "
            f"on {share:.0%} of the area on {str(times[lacking][0])[:10]}; "
            "widen sources.weather.stations.radius_km, lower min_stations, or bring more stations"
        )
        raise LoamError(msg)
