"""Measurements of soil moisture in the ground: the US Climate Reference Network and the International Soil Moisture Network."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from loam.errors import LoamError

# Columns of USCRN's daily files (product CRND0103, its README): files of the network have no header and are separated by
# spaces; files passed on with a header name the columns the same. Moisture in five depths follows the weather.
USCRN_DEPTHS_CM = (5, 10, 20, 50, 100)
USCRN_COLUMNS = (
    "WBANNO", "LST_DATE", "CRX_VN", "LONGITUDE", "LATITUDE", "T_DAILY_MAX", "T_DAILY_MIN", "T_DAILY_MEAN", "T_DAILY_AVG",
    "P_DAILY_CALC", "SOLARAD_DAILY", "SUR_TEMP_DAILY_TYPE", "SUR_TEMP_DAILY_MAX", "SUR_TEMP_DAILY_MIN", "SUR_TEMP_DAILY_AVG",
    "RH_DAILY_MAX", "RH_DAILY_MIN", "RH_DAILY_AVG", *(f"SOIL_MOISTURE_{depth}_DAILY" for depth in USCRN_DEPTHS_CM),
    *(f"SOIL_TEMP_{depth}_DAILY" for depth in USCRN_DEPTHS_CM),
)  # fmt: skip
USCRN_MISSING = -90.0  # -99 and -9999 stand for missing; moisture is never below 0


@dataclass(frozen=True)
class Sensor:
    """One sensor of a station, as daily means."""

    network: str
    station: str
    latitude: float  # [degree], WGS 84
    longitude: float
    depth_m: float  # lower end
    moisture: pd.Series  # volumetric [m3/m3] by day


def read_stations(kind: str, path: Path, max_depth_m: float, good_flags: Sequence[str]) -> list[Sensor]:
    """All sensors not deeper than a limit.

    Args:
        kind: 'uscrn' or 'ismn'.
        path: file or folder.
        max_depth_m: lower end of the deepest sensor [m].
        good_flags: of the ISMN, kept.

    Raises:
        LoamError: nothing there can be read.
    """
    sensors = list(read_uscrn(path, max_depth_m) if kind == "uscrn" else read_ismn(path, max_depth_m, good_flags))
    if not sensors:
        msg = (
            f"{path}: has no soil moisture of {max_depth_m:g} m or less (evaluation.stations.sources); mend the path, or raise max_depth_m"
        )
        raise LoamError(msg)
    return sensors


def read_uscrn(path: Path, max_depth_m: float) -> Iterator[Sensor]:
    """Sensors of USCRN's daily files; files of several years of a station are joined. Days are of local standard time.

    Args:
        path: a file, or a folder of `*.txt` and `*.csv`.
        max_depth_m: lower end of the deepest sensor [m].

    Raises:
        LoamError: a file is no daily file of the network.
    """
    files = [path] if path.is_file() else sorted(each for each in path.glob("*") if each.suffix in {".txt", ".csv"})
    tables = [(each, _uscrn_table(each, alone=path.is_file())) for each in files]
    known = [table.assign(station=_uscrn_name(each)) for each, table in tables if table is not None]
    if not known:
        return
    for (_, name), table in pd.concat(known).groupby(["WBANNO", "station"]):
        days = pd.to_datetime(table["LST_DATE"].astype(str), format="%Y%m%d")
        for depth in USCRN_DEPTHS_CM:
            values = pd.Series(table[f"SOIL_MOISTURE_{depth}_DAILY"].to_numpy(float), index=pd.DatetimeIndex(days)).sort_index()
            values = values[values > USCRN_MISSING]
            if depth / 100 <= max_depth_m and len(values):
                place = float(table["LATITUDE"].iloc[-1]), float(table["LONGITUDE"].iloc[-1])
                yield Sensor("USCRN", str(name), *place, depth / 100, values[~values.index.duplicated()])


def _uscrn_table(path: Path, *, alone: bool) -> pd.DataFrame | None:
    """Content of a daily file; None where a file of a folder is something else."""
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    if first.startswith("WBANNO,"):
        table = pd.read_csv(path, encoding="utf-8-sig")
    elif len(first.split()) == len(USCRN_COLUMNS):
        table = pd.read_csv(path, sep=r"\s+", header=None, names=list(USCRN_COLUMNS))
    else:
        table = pd.DataFrame()
    if set(USCRN_COLUMNS) <= set(table.columns):
        return table
    if alone:
        msg = (
            f"{path}: is no daily file of USCRN (CRND0103: {len(USCRN_COLUMNS)} columns, WBANNO first); name another in evaluation.stations"
        )
        raise LoamError(msg)
    return None


def _uscrn_name(path: Path) -> str:
    """Name of the station: files of the network are called CRND0103-<year>-<station>.txt."""
    return path.stem.rpartition("-")[2]


def read_ismn(path: Path, max_depth_m: float, good_flags: Sequence[str]) -> Iterator[Sensor]:
    """Sensors of an ISMN download, daily means (UTC) of the values with a good flag, by the `ismn` reader.

    Args:
        path: folder or zip as downloaded, with networks and stations within.
        max_depth_m: lower end of the deepest sensor [m].
        good_flags: kept; 'G' is good.

    Raises:
        LoamError: the folder cannot be read.
    """
    from ismn.interface import ISMN_Interface

    logging.getLogger("ismn").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # it prints a greeting and a bar
                found = ISMN_Interface(str(path), meta_path=scratch, temp_root=scratch)
        except Exception as error:
            msg = f"{path}: cannot be read as an ISMN download ({str(error).splitlines()[0][:100]}); name its folder in evaluation.stations"
            raise LoamError(msg) from None
        for network, station, sensor in found.collection.iter_sensors(variable="soil_moisture"):
            if sensor.depth.end <= max_depth_m:
                moisture = _daily(sensor.read_data(), good_flags)
                if len(moisture):
                    yield Sensor(network.name, station.name, float(station.lat), float(station.lon), float(sensor.depth.end), moisture)


def _daily(data: pd.DataFrame, good_flags: Sequence[str]) -> "pd.Series[float]":
    """Daily means of the good values [m3/m3]; days without any are left out."""
    good = data.loc[data["soil_moisture_flag"].isin(list(good_flags)), "soil_moisture"].astype(float)
    return good[np.isfinite(good)].resample("D").mean().dropna()
