"""Files of station networks: the US Climate Reference Network and the International Soil Moisture Network."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from loam.core.errors import LoamError
from loam.core.tables import Table, encoding_of, head_of, numbers, parsed, read_table, times

DEPTHS_CM = (5, 10, 20, 50, 100)
# US Climate Reference Network (Diamond et al. 2013). Files of the network have no header and are separated by spaces; files
# passed on with a header name the columns the same. Product CRND0103, daily, by local standard time:
USCRN_DAILY = (
    "WBANNO",
    "LST_DATE",
    "CRX_VN",
    "LONGITUDE",
    "LATITUDE",
    "T_DAILY_MAX",
    "T_DAILY_MIN",
    "T_DAILY_MEAN",
    "T_DAILY_AVG",
    "P_DAILY_CALC",
    "SOLARAD_DAILY",
    "SUR_TEMP_DAILY_TYPE",
    "SUR_TEMP_DAILY_MAX",
    "SUR_TEMP_DAILY_MIN",
    "SUR_TEMP_DAILY_AVG",
    "RH_DAILY_MAX",
    "RH_DAILY_MIN",
    "RH_DAILY_AVG",
    *(f"SOIL_MOISTURE_{depth}_DAILY" for depth in DEPTHS_CM),
    *(f"SOIL_TEMP_{depth}_DAILY" for depth in DEPTHS_CM),
)
# Product CRNH0203, hourly; a time is the end of its hour:
USCRN_HOURLY = (
    "WBANNO",
    "UTC_DATE",
    "UTC_TIME",
    "LST_DATE",
    "LST_TIME",
    "CRX_VN",
    "LONGITUDE",
    "LATITUDE",
    "T_CALC",
    "T_HR_AVG",
    "T_MAX",
    "T_MIN",
    "P_CALC",
    "SOLARAD",
    "SOLARAD_FLAG",
    "SOLARAD_MAX",
    "SOLARAD_MAX_FLAG",
    "SOLARAD_MIN",
    "SOLARAD_MIN_FLAG",
    "SUR_TEMP_TYPE",
    "SUR_TEMP",
    "SUR_TEMP_FLAG",
    "SUR_TEMP_MAX",
    "SUR_TEMP_MAX_FLAG",
    "SUR_TEMP_MIN",
    "SUR_TEMP_MIN_FLAG",
    "RH_HR_AVG",
    "RH_HR_AVG_FLAG",
    *(f"SOIL_MOISTURE_{depth}" for depth in DEPTHS_CM),
    *(f"SOIL_TEMP_{depth}" for depth in DEPTHS_CM),
)
USCRN_FEWEST = 18  # columns up to the weather's last; some files end there
USCRN_MISSING = -90.0  # -99 and -9999 stand for missing
COORDINATES = {"latitude": 90.0, "longitude": 180.0}


def uscrn_table(path: Path, columns: tuple[str, ...] = USCRN_DAILY) -> Table | None:
    """A file of USCRN's daily or hourly product, with its columns' names; None where the file is something else.

    Args:
        path: the file.
        columns: `USCRN_DAILY` or `USCRN_HOURLY`.

    Raises:
        LoamError: no text, or lines of different length.
    """
    encoding = encoding_of(path)
    lines = head_of(path, encoding)
    first = next((line for line in lines if line.strip()), "").lstrip("\ufeff")
    if "WBANNO" in first:
        table = read_table(path, columns, "USCRN")
        return table if {*columns[:2], "LONGITUDE", "LATITUDE"} <= {*table.frame.columns} else None
    width = len(first.split())
    fits = width == len(columns) or (
        columns == USCRN_DAILY and USCRN_FEWEST <= width < len(columns)
    )
    if not fits or not re.match(r"\s*\d{3,5}\s+\d{8}\s", first) or "," in first:
        return None
    frame = parsed(path, encoding, r"\s+", 0, width)
    frame.columns = pd.Index(columns[:width])
    return Table(path, frame)


def uscrn_values(table: Table, name: str) -> "pd.Series[float]":
    """Numbers of one column, missing as NaN."""
    values = numbers(table.frame[name], table.path)
    return values.where(values > USCRN_MISSING) if name not in {"LATITUDE", "LONGITUDE"} else values


@dataclass(frozen=True)
class Ismn:
    """One variable of one station of the International Soil Moisture Network (Dorigo et al. 2021)."""

    network: str
    station: str
    latitude: float
    longitude: float
    elevation_m: float
    time: pd.Series  # UTC
    value: pd.Series
    flag: pd.Series


def read_ismn_file(path: Path) -> Ismn:
    """A `.stm` file in either form: 'header and values', or CEOP, where every line has it all.

    Raises:
        LoamError: it is neither form.
    """
    encoding = encoding_of(path)
    first = next((line.split() for line in head_of(path, encoding) if line.strip()), [])
    ceop = len(first) >= 14 and re.fullmatch(r"\d{4}/\d\d/\d\d", first[0]) is not None
    if ceop:
        frame, head, columns = (
            parsed(path, encoding, r"\s+", 0, len(first)),
            first[4:10],
            (0, 1, 12, 13),
        )
    else:
        # A sensor's name may have spaces: what comes after the depths does not matter.
        frame, head, columns = _values(path, encoding), first[:6], (0, 1, 2, 3)
    if len(head) < 6 or frame.shape[1] <= columns[-1]:
        msg = f"{path}: is no file of the ISMN with header and values, nor one of its CEOP form; download the station again"
        raise LoamError(msg)
    try:
        latitude, longitude, elevation = (float(text) for text in head[3:6])
    except ValueError:
        msg = f"{path}: its first line has no latitude, longitude and elevation ({' '.join(head)[:80]}); download the station again"
        raise LoamError(msg) from None
    day, hour, value, flag = (frame[column] for column in columns)
    stamps = times((day + " " + hour).rename("of time"), path)
    require_place(latitude, longitude, path, head[2])
    return Ismn(
        head[0],
        head[2],
        latitude,
        longitude,
        elevation,
        stamps,
        numbers(value.rename("of values"), path),
        flag,
    )


def _values(path: Path, encoding: str) -> pd.DataFrame:
    lines = [line.split() for line in head_of(path, encoding)[1:] if line.strip()]
    width = max((len(line) for line in lines), default=5)
    return parsed(path, encoding, r"\s+", 1, width)


def require_place(latitude: float, longitude: float, path: Path, station: str) -> None:
    """Stop where a station's coordinates are no degrees of WGS 84.

    Args:
        latitude: of the station [degree].
        longitude: of the station [degree].
        path: file that names it, for the message.
        station: its name, for the message.

    Raises:
        LoamError: they are not.
    """
    for (name, most), value in zip(COORDINATES.items(), (latitude, longitude), strict=True):
        if not abs(value) <= most:
            msg = f"{path}: station {station} has {name} {value:g}, outside -{most:g} to {most:g}; write degrees of WGS 84, east and north"
            raise LoamError(msg)
