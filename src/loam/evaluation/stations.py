"""Measurements of soil moisture in the ground: the US Climate Reference Network and the International Soil Moisture Network."""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from loam.core.errors import LoamError
from loam.core.folders import regular_files
from loam.core.networks import (
    DEPTHS_CM,
    USCRN_DAILY,
    USCRN_HOURLY,
    require_place,
    uscrn_table,
    uscrn_values,
)
from loam.core.tables import NoTableError, Table, brief, times


@dataclass(frozen=True)
class Sensor:
    """One sensor of a station, as daily means."""

    network: str
    station: str
    latitude: float  # [degree], WGS 84
    longitude: float
    depth_m: float  # lower end
    moisture: pd.Series  # volumetric [m3/m3] by day


def read_stations(
    kind: str, path: Path, max_depth_m: float, good_flags: Sequence[str]
) -> list[Sensor]:
    """All sensors not deeper than a limit.

    Args:
        kind: 'uscrn' or 'ismn'.
        path: file or folder.
        max_depth_m: lower end of the deepest sensor [m].
        good_flags: of the ISMN, kept.

    Raises:
        LoamError: nothing there can be read.
    """
    return (
        read_uscrn(path, max_depth_m)
        if kind == "uscrn"
        else read_ismn(path, max_depth_m, good_flags)
    )


def read_uscrn(path: Path, max_depth_m: float) -> list[Sensor]:
    """Sensors of USCRN's daily files; files of several years of a station are joined. Days are of local standard time.

    Args:
        path: a file, or a folder of `*.txt` and `*.csv`.
        max_depth_m: lower end of the deepest sensor [m].

    Raises:
        LoamError: no file is a daily one of the network, two differ on a day, or no sensor is so shallow.
    """
    files = (
        [path]
        if not path.is_dir()
        else [each for each in regular_files(path) if each.suffix.lower() in {".txt", ".csv"}]
    )
    tables, passed = list[tuple[Path, Table]](), list[str]()
    for each in files:
        table = _uscrn_table(each, alone=each == path)
        passed += [each.name] if table is None else []
        tables += [] if table is None else [(each, table)]
    if not tables:
        inside = ", ".join(passed)[:200] or "nothing"
        msg = f"{path}: holds no daily file of USCRN (CRND0103), but {inside}; name another in evaluation.stations"
        raise LoamError(msg)
    if passed:
        text = "%s: %d files are no daily files of USCRN (CRND0103) and are passed over: %s"
        logging.getLogger(__name__).warning(text, path, len(passed), ", ".join(passed)[:300])
    sensors = [
        sensor for station in _by_station(tables) for sensor in _uscrn_sensors(station, max_depth_m)
    ]
    if not sensors:
        shallow = [f"{depth / 100:g}" for depth in DEPTHS_CM if depth / 100 <= max_depth_m]
        reason = (
            f"no value at {', '.join(shallow)} m"
            if shallow
            else f"the network's first sensor is at {DEPTHS_CM[0] / 100:g} m"
        )
        raise LoamError(_none_shallow(path, max_depth_m, reason))
    return sensors


def _none_shallow(path: Path, max_depth_m: float, reason: str) -> str:
    return (
        f"{path}: has no soil moisture of {max_depth_m:g} m or less: {reason} (evaluation.stations.sources); "
        "correct the path, or raise max_depth_m"
    )


def _by_station(tables: Sequence[tuple[Path, Table]]) -> Iterator[list[tuple[Path, Table]]]:
    """Files of one station together, by its number."""
    found: dict[str, list[tuple[Path, Table]]] = {}
    for path, table in tables:
        found.setdefault(str(table.frame["WBANNO"].iloc[0]), []).append((path, table))
    yield from found.values()


def _uscrn_sensors(station: Sequence[tuple[Path, Table]], max_depth_m: float) -> Iterator[Sensor]:
    path, last = station[-1]
    place = (
        float(uscrn_values(last, "LATITUDE").iloc[-1]),
        float(uscrn_values(last, "LONGITUDE").iloc[-1]),
    )
    require_place(*place, path, _uscrn_name(path))
    for depth in (depth for depth in DEPTHS_CM if depth / 100 <= max_depth_m):
        parts = [
            pd.Series(
                uscrn_values(table, f"SOIL_MOISTURE_{depth}_DAILY").to_numpy(),
                index=pd.DatetimeIndex(times(table.frame["LST_DATE"], each)),
            )
            for each, table in station
        ]
        values = pd.concat(parts).dropna().sort_index()
        again = values.groupby(level=0).agg(["min", "max"])
        if (apart := again.index[again["max"] != again["min"]]).size:
            msg = f"{path}: station {_uscrn_name(path)} has {apart[0]:%Y-%m-%d} twice with different moisture; keep one file of each year"
            raise LoamError(msg)
        if len(values):
            yield Sensor(
                "USCRN", _uscrn_name(path), *place, depth / 100, values[~values.index.duplicated()]
            )


def _uscrn_table(path: Path, *, alone: bool) -> Table | None:
    """Content of a daily file; None where a file of a folder is something else."""
    try:
        table = uscrn_table(path)
    except NoTableError:
        table = None
    if table is not None and {*USCRN_DAILY} <= {*table.frame.columns} and len(table.frame):
        return table
    if alone:
        hourly = (
            " but an hourly one (CRNH0203)" if uscrn_table(path, USCRN_HOURLY) is not None else ""
        )
        msg = (
            f"{path}: is no daily file of USCRN (CRND0103: {len(USCRN_DAILY)} columns, WBANNO first){hourly}; name another in "
            "evaluation.stations"
        )
        raise LoamError(msg)
    return None


def _uscrn_name(path: Path) -> str:
    """Name of the station: files of the network are called CRND0103-<year>-<station>.txt."""
    return path.stem.rpartition("-")[2]


def read_ismn(path: Path, max_depth_m: float, good_flags: Sequence[str]) -> list[Sensor]:
    """Sensors of an ISMN download, daily means (UTC) of the values with a good flag, by the `ismn` reader.

    Args:
        path: folder or zip as downloaded, with networks and stations within.
        max_depth_m: lower end of the deepest sensor [m].
        good_flags: kept; 'G' is good, 'U' unknown: older downloads have no other.

    Raises:
        LoamError: the folder cannot be read, all sensors are deeper, or no value has a good flag.
    """
    from ismn.interface import ISMN_Interface

    pipe = (
        next((each for each in path.rglob("*.stm") if not each.is_file()), None)
        if path.is_dir()
        else None
    )
    if pipe is not None or (path.exists() and not path.is_dir() and not path.is_file()):
        msg = f"{pipe or path}: is a pipe, device or dead link, no file of the ISMN; remove it"  # the reader would wait for ever
        raise LoamError(msg)
    sensors, depths, flags, idle = list[Sensor](), list[float](), Counter[str](), list[str]()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with _quiet():
                found = ISMN_Interface(str(path), meta_path=scratch, temp_root=scratch)
                for network, station, sensor in found.collection.iter_sensors(
                    variable="soil_moisture"
                ):
                    depths.append(float(sensor.depth.end))
                    if sensor.depth.end > max_depth_m:
                        continue
                    data = sensor.read_data()
                    flags.update(data["soil_moisture_flag"].astype(str))
                    moisture, place = (
                        _daily(data, good_flags),
                        (float(station.lat), float(station.lon)),
                    )
                    if len(moisture):
                        sensors.append(
                            Sensor(network.name, station.name, *place, depths[-1], moisture)
                        )
                    else:
                        idle.append(f"{network.name}/{station.name}")
        except Exception as error:
            msg = f"{path}: cannot be read as an ISMN download ({brief(error)}); name its folder in evaluation.stations"
            raise LoamError(msg) from None
    if not sensors:
        raise LoamError(
            _no_flag(path, good_flags, flags)
            if idle
            else _none_shallow(path, max_depth_m, _depths(depths))
        )
    if idle:
        text = "%s: %d sensors have no value with one of evaluation.stations.good_flags = %s, and are not used: %s"
        logging.getLogger(__name__).warning(
            text, path, len(idle), list(good_flags), ", ".join(idle)[:300]
        )
    return sensors


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the ismn reader prints, and logs of every file without a list of its own."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)


def _depths(depths: Sequence[float]) -> str:
    known = ", ".join(f"{depth:g}" for depth in sorted(set(depths))[:8])
    return f"its sensors reach to {known} m" if known else "it has no sensor of it at all"


def _no_flag(path: Path, good_flags: Sequence[str], flags: Counter[str]) -> str:
    have = (
        ", ".join(f"{flag} ({count})" for flag, count in flags.most_common(6)) or "no value at all"
    )
    return (
        f"{path}: no value has one of evaluation.stations.good_flags = [{', '.join(good_flags)}]; it has {have}; add those that are good "
        "for you (U is unknown: older downloads have no other)"
    )


def _daily(data: pd.DataFrame, good_flags: Sequence[str]) -> "pd.Series[float]":
    """Daily means of the good values [m3/m3]; days without any are left out."""
    good = data.loc[data["soil_moisture_flag"].isin(list(good_flags)), "soil_moisture"].astype(
        float
    )
    return good[np.isfinite(good)].resample("D").mean().dropna()
