"""Files of stations as networks and people have them: forms, units in headers, hours of reading, and what serves nothing."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from loam.config.base import Period
from loam.core.errors import LoamError
from loam.core.networks import USCRN_HOURLY
from loam.sources.weather import read_weather

# Beside 39.1 N, 96.6 W.
BOX = GeoBox.from_bbox((706000, 4329000, 710000, 4333000), "EPSG:32614", resolution=100)
PERIOD = Period(start="2020-01-01", end="2020-01-31")
HEAD = "station,time,latitude,longitude,precipitation,temperature\n"


def rows(
    count: int = 3, station: str = "A", hour: str = "", rain: str = "{}", place: str = "39.1,-96.6"
) -> str:
    return "".join(
        f"{station},2020-01-{day:02d}{hour},{place},{rain.format(day)},5\n"
        for day in range(1, count + 1)
    )


@pytest.fixture
def read(tmp_path: Path, weather_source):
    """Read files of stations, by name and text; means of the first cell by day."""

    def run(
        files: dict[str, str | bytes], stations: dict | None = None, alone: bool = False, **changes
    ) -> dict[str, list[float]]:
        folder = tmp_path / "stations"
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        source = weather_source({"min_stations": 1} | (stations or {}), kind="stations", **changes)
        data = read_weather(
            [folder / next(iter(files)) if alone else folder], source, BOX, None, PERIOD
        )
        return {
            str(name): [round(float(value), 3) for value in values[:, 0, 0]]
            for name, values in data.items()
        }

    return run


# --- Tables ---


def test_columns_that_nobody_mapped_are_passed_over(read) -> None:
    """NCEI's daily summaries (GHCN-Daily)."""
    text = "STATION,NAME,LATITUDE,LONGITUDE,ELEVATION,DATE,PRCP,SNOW,SNWD,TMAX,TMIN\n" + "".join(
        f'USW00003936,"MANHATTAN, KS",39.13,-96.68,323.1,2020-01-{day:02d},{day}.5,0,25,{day},{day - 8}\n'
        for day in range(1, 4)
    )
    mapping = {
        "station": "STATION",
        "time": "DATE",
        "latitude": "LATITUDE",
        "longitude": "LONGITUDE",
        "elevation": "ELEVATION",
        "precipitation": "PRCP",
        "temperature_max": "TMAX",
        "temperature_min": "TMIN",
    }
    got = read({"a.csv": text}, variables=mapping)
    assert got == {
        "precipitation": [1.5, 2.5, 3.5],
        "temperature_max": [1, 2, 3],
        "temperature_min": [-7, -6, -5],
    }
    with pytest.raises(
        LoamError, match=r"no table has column TAVG \(sources.weather.variables.temperature\)"
    ):
        read({"a.csv": text}, variables=mapping | {"temperature": "TAVG"})
    with pytest.raises(LoamError, match=r"PRCP is named for precipitation, evapotranspiration"):
        read({"a.csv": text}, variables=mapping | {"evapotranspiration": "PRCP"})
    with pytest.raises(LoamError, match=r"sources.weather.variables.rain: unknown name"):
        read({"a.csv": text}, variables=mapping | {"rain": "PRCP"})


@pytest.mark.parametrize(
    ("unit", "rain"),
    [("(in)", 25.4), ("(mm)", 1), ("[cm] sum", 10), ("(Site 2147)", 1), ("(2 m)", 1)],
)
def test_units_in_a_header_are_honoured(unit: str, rain: float, read) -> None:
    text = HEAD.replace("precipitation", f"Rain {unit}") + rows(rain="1")
    assert (
        read({"a.csv": text}, variables={"precipitation": f"Rain {unit}"})["precipitation"]
        == [rain] * 3
    )


def test_every_station_has_its_own_step_and_hour(read) -> None:
    hourly = "".join(
        f"C,2020-01-{day:02d}T{hour:02d}:00,39.1,-96.61,0.5,5\n"
        for day in (1, 2, 3)
        for hour in range(24)
    )
    text = (
        HEAD
        + rows(hour="T07:00", rain="12")
        + rows(station="B", hour="T12:00", rain="12", place="39.12,-96.62")
        + hourly
    )
    assert read({"a.csv": text})["precipitation"] == [12, 12, 12]


def test_an_hour_without_a_row_leaves_no_sum_but_a_mean(read) -> None:
    hourly = "".join(
        f"C,2020-01-{day:02d}T{hour:02d}:00,39.1,-96.6,0.5,5\n"
        for day in (1, 2)
        for hour in range(24)
        if (day, hour) != (2, 7)
    )
    more = HEAD + "".join(
        f"B,2020-01-{day:02d}T{hour:02d}:00,39.1,-96.6,1,7\n"
        for day in (1, 2)
        for hour in range(24)
    )
    got = read({"a.csv": HEAD + hourly, "b.csv": more})
    assert got["precipitation"][1] == 24  # of the other station alone
    assert got["temperature"] == [6, 6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + rows(rain="T"),
            r"column precipitation has 'T' in line 2 \(3 such\).*trace of rain is written as 0",
        ),
        (
            HEAD + rows(rain="-99.9"),
            r"precipitation of station A is -99.9 mm at 2020-01-01 .* check units and nodata",
        ),
        (HEAD + rows() + rows(station="B", rain="-999"), "precipitation of station B is -999 mm"),
        (HEAD + rows(place="91,-96.6"), "station A has latitude 91, outside -90 to 90"),
        (HEAD + rows(place="4330000,700000"), r"latitude 4.33e\+06, outside"),
        (
            HEAD + rows(place="-39.1,-96.6"),
            r"no station is near the area of interest: the nearest, A at -39.1 N -96.6 E, is \d+ km away",
        ),
        (
            HEAD + rows() + rows(place="39.5,-96.6").replace("2020-01", "2020-02"),
            "station A lies at two places",
        ),
        (
            HEAD + "".join(rows(15).splitlines(keepends=True)[::7]),
            "station A has precipitation every 7 days",
        ),
        (HEAD + rows(station=""), "column station is empty in line 2"),
        (HEAD.replace("temperature", "date") + rows(), "has columns date and time"),
        (HEAD.upper() + rows(), r"has no column station \(it has: STATION, TIME"),
        (
            "station,time,latitude,longitude,snow,x\n" + rows(),
            "has no column of weather under Loam's names",
        ),
        (HEAD, "no line below its header"),
        (
            HEAD + rows().replace("2020", "1999"),
            r"no station has a value in the period .* \(they have 1999-01-01 to 1999-01-03\)",
        ),
        (
            HEAD + rows(1, hour="T00:00") + rows(1, hour="T01:00") + rows(1, hour="T02:00"),
            "none of their days has all its hours",
        ),
        (
            "Date,Site (2147) Precipitation Increment (mm),x\n2020-01-01,2.5,1\n",
            "has no column station",
        ),
    ],
)
def test_a_bad_table_is_named_by_its_true_cause(text: str, said: str, read) -> None:
    with pytest.raises(LoamError, match=said) as caught:
        read({"a.csv": text})
    assert "\n" not in str(caught.value)


def test_files_that_are_no_tables_are_told_and_passed_over(
    read, caplog: pytest.LogCaptureFixture
) -> None:
    got = read(
        {
            "a.csv": HEAD + rows(),
            "Readme.txt": "How to cite\n",
            "deep/b_static_variables.csv": "quantity_name;value\nclay;3\n",
        }
    )
    assert got["precipitation"] == [1, 2, 3]
    assert (
        "2 files hold no table of stations and are passed over: Readme.txt, b_static_variables.csv"
        in caplog.text
    )
    with pytest.raises(LoamError, match="begins with 'How to cite'"):
        read({"Readme.txt": "How to cite\n"}, alone=True)


def test_what_two_files_tell_alike_counts_once(read) -> None:
    text = HEAD + rows()
    assert read({"a.csv": text, "b.csv": HEAD + rows(4)})["precipitation"] == [1, 2, 3, 4]
    with pytest.raises(
        LoamError, match=r"station A has 2020-01-01 00:00:00 twice, with another value in .*b\.csv"
    ):
        read({"a.csv": text, "b.csv": HEAD + rows(rain="9")})
    with pytest.raises(LoamError, match="station A has 2020-01-01 00:00:00 twice"):
        read({"a.csv": text + rows(1), "b.csv": HEAD + rows(4)})


# --- Networks ---


def test_uscrns_hourly_files_become_days(read) -> None:
    fixed = dict.fromkeys(USCRN_HOURLY, "-9999.0") | {
        "WBANNO": "53974",
        "CRX_VN": "2.622",
        "LONGITUDE": "-96.61",
        "LATITUDE": "39.10",
        "SUR_TEMP_TYPE": "C",
        "P_CALC": "0.5",
        "T_HR_AVG": "1.1",
        "T_MAX": "1.2",
        "T_MIN": "0.9",
        "SOLARAD": "100",
        "SOLARAD_FLAG": "0",
        "RH_HR_AVG": "66",
        "RH_HR_AVG_FLAG": "0",
    }
    ends = np.arange(np.datetime64("2020-01-01T01"), np.datetime64("2020-01-03T01"))
    lines = [
        fixed
        | {
            "UTC_DATE": str(end)[:10].replace("-", ""),
            "UTC_TIME": f"{str(end)[11:13]}00",
            "LST_DATE": "20200101",
        }
        for end in ends
    ]
    text = "".join(" ".join(line.values()) + "\n" for line in lines)
    expected = {
        "precipitation": [12, 12],
        "temperature": [1.1, 1.1],
        "temperature_max": [1.2, 1.2],
        "temperature_min": [0.9, 0.9],
        "solar_radiation": [8.64, 8.64],
        "relative_humidity": [66, 66],
    }
    assert read({"CRNH0203-2020-KS_Manhattan_6_SSW.txt": text}) == expected
    late = text.replace(" 66 0 ", " 66 3 ")  # a sensor in doubt
    assert "relative_humidity" not in read({"CRNH0203-2020-KS_Manhattan_6_SSW.txt": late})


def test_some_columns_of_uscrn_with_a_header_do(read) -> None:
    text = "WBANNO,LST_DATE,LONGITUDE,LATITUDE,P_DAILY_CALC\n53974,20200101,-96.61,39.1,3.5\n53974,20200102,-96.61,39.1,0\n"
    assert read({"a.csv": text}) == {"precipitation": [3.5, 0]}


PREAMBLE = (
    "Latitude: 39.1  Longitude: -96.6\nX & Y on Lambert Conformal Conic: 287540.36 -357850.5\nTile: 11556\nElevation: 325 meters\n"
    "All years; all variables; Daymet Data Version 4.0.\nHow to cite: doi 10.3334/ORNLDAAC/2129\n"
)


def test_daymets_single_pixels_are_read_with_their_units(read) -> None:
    text = (
        PREAMBLE
        + "year,yday,dayl (s),prcp (mm/day),srad (W/m^2),tmax (deg c),tmin (deg c),vp (Pa)\n"
    )
    text += "".join(f"2020,{day},36000,{day},200,5,-3,700\n" for day in (1, 2, 3))
    assert read({"11556_lat_39.csv": text}) == {
        "precipitation": [1, 2, 3],
        "solar_radiation": [7.2] * 3,
        "temperature_max": [5] * 3,
        "temperature_min": [-3] * 3,
        "vapour_pressure": [0.7] * 3,
    }
    with pytest.raises(LoamError, match="no line before its header names the latitude"):
        read({"11556_lat_39.csv": text.removeprefix(PREAMBLE)})
    with pytest.raises(LoamError, match="yday outside 1 to 365"):
        read({"11556_lat_39.csv": text.replace("2020,3,", "2020,367,")})


def stm(
    form: str, hours: int = 24, network: str = "NET", place: str = "39.10000 -96.60000 350.00"
) -> str:
    if form == "ceop":
        stamps = [f"2020/01/01 {hour:02d}:00" for hour in range(hours)]
        return "".join(
            f"{stamp} {stamp} {network} {network} Hill {place} 0.00 0.00 0.5000 G M\n"
            for stamp in stamps
        )
    return f"{network} {network} Hill {place} 0.00 0.00 Gauge\n" + "".join(
        f"2020/01/01 {hour:02d}:00 0.5000 G M\n" for hour in range(hours)
    )


@pytest.mark.parametrize("form", ["ceop", "header"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_both_forms_of_the_ismn_are_weather(form: str, end: str, read) -> None:
    name = "NET_NET_Hill_p_0.000000_0.000000_Gauge_20200101_20200102.stm"
    assert read({name: stm(form).replace("\n", end)}) == {"precipitation": [12]}


def test_stations_of_one_name_in_two_networks_stay_two(read) -> None:
    files = {
        f"{net}_{net}_Hill_p_0_0_G_1_2.stm": stm("header", network=net, place=place)
        for net, place in (("A", "39.1 -96.6 1"), ("B", "39.4 -96.6 1"))
    }
    assert read(files, {"min_stations": 2})["precipitation"] == [12]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x\n", "is no file of the ISMN"),
        (stm("header").replace("39.10000", "north"), "its first line has no latitude"),
        (stm("header").replace("0.5000", "wet"), "column of values has 'wet'"),
        (stm("header").replace("/01/01", "/13/01"), "column of time cannot be read"),
        (stm("ceop").replace("39.10000", "139.1"), "latitude 139.1, outside"),
    ],
)
def test_a_damaged_ismn_file_is_named(text: str, said: str, read) -> None:
    with pytest.raises(LoamError, match=said):
        read({"NET_NET_Hill_p_0_0_G_1_2.stm": text})


LINES = st.sampled_from(
    [
        HEAD,
        *rows().splitlines(keepends=True),
        "\n",
        "A,2020-01-02,39.1,-96.6,T,5\n",
        "A;1\n",
        '"',
        "A,2020-01-03\n",
        "B,,,,,\n",
        PREAMBLE,
        "year,yday,prcp (mm/day)\n",
        "2020,1,3\n",
        *stm("ceop", 2).splitlines(keepends=True),
        *stm("header", 2).splitlines(keepends=True),
    ]
)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["a.csv", "a.txt", "N_N_H_p_0_0_S_1_2.stm"]),
    st.lists(LINES, max_size=8).map("".join),
)
def test_any_file_of_stations_is_weather_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, text: str
) -> None:
    from loam.config.sources import Weather

    path = tmp_path_factory.getbasetemp() / name
    path.write_text(text)
    stations = {
        "power": 2,
        "radius_km": 100,
        "min_stations": 1,
        "cell_m": 2000,
        "lapse_k_per_km": None,
    }
    source = Weather(
        kind="stations",
        path=None,
        variables={},
        stamp="start",
        day_ends_utc_h=24,
        stations=stations,
    )
    logging.getLogger("loam").setLevel(logging.ERROR)
    try:
        assert "precipitation" in read_weather([path], source, BOX, None, PERIOD)
    except LoamError as error:
        assert "\n" not in str(error) and str(path) in str(error)
    finally:
        logging.getLogger("loam").setLevel(logging.NOTSET)
