"""Weather of files as they are: which variable, which axis, whose days, what a number can mean; and what a wrong one says."""

import itertools
import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import days
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from loam.config.base import Period
from loam.config.sources import Weather
from loam.core.errors import LoamError
from loam.sources.units import as_numbers, to_units
from loam.sources.weather import read_weather

# Beside 10.55 E, 50.05 N.
BOX = GeoBox.from_bbox((608000, 5542000, 612000, 5546000), "EPSG:32632", resolution=100)
AXES = {"latitude": 50.4 - 0.1 * np.arange(8), "longitude": 10.2 + 0.1 * np.arange(8)}
T10 = days("2020-01-01", 10)
T400 = days("2020-01-01", 400)
PERIOD = Period(start="2020-01-01", end="2020-12-31")
LATER = Period(start="2030-01-01", end="2030-02-01")
LONG = Period(start="2020-01-01", end="2021-02-28")
STATIONS = {"power": 2, "radius_km": 100, "min_stations": 1, "cell_m": 2000, "lapse_k_per_km": None}


def field(values, times: np.ndarray = T10, units: str = "mm", **attrs: str) -> xr.DataArray:
    """A constant, or a value a day, on latitude and longitude."""
    values = np.broadcast_to(np.asarray(values, float).reshape(-1, 1, 1), (len(times), 8, 8))
    data = xr.DataArray(
        values, dims=("time", *AXES), coords={"time": times} | AXES, attrs={"units": units} | attrs
    )
    data["latitude"].attrs["units"], data["longitude"].attrs["units"] = (
        "degrees_north",
        "degrees_east",
    )
    return data


def source(kind: str = "netcdf", **changes) -> Weather:
    plain = {"kind": kind, "path": None, "variables": {}, "stamp": "start", "day_ends_utc_h": 24}
    return Weather(**(plain | changes), stations=STATIONS)


@pytest.fixture
def read(tmp_path: Path):
    """Write a file, or several by name, read them, and give the first cell's values by day."""

    count = itertools.count()

    def run(
        files: xr.Dataset | dict[str, xr.Dataset],
        kind: str = "netcdf",
        period: Period = PERIOD,
        **changes,
    ):
        files = {"w.nc": files} if isinstance(files, xr.Dataset) else files
        folder = tmp_path / f"weather{next(count)}"
        folder.mkdir()
        for name, data in files.items():
            data.to_netcdf(folder / name)
        data = read_weather([folder], source(kind, **changes), BOX, None, period)
        cells = {
            str(name): [round(float(value), 3) for value in values[:, 0, 0]]
            for name, values in data.items()
        }
        return cells | {"days": [str(day)[:10] for day in data["time"].values]}

    return run


def refused(read, data, said: str, *args, **changes) -> None:
    with pytest.raises(LoamError, match=said) as caught:
        read(data, *args, **changes)
    assert "\n" not in str(caught.value)


RAIN = field(1)
WARM = field(5, units="degC", standard_name="air_temperature")
WARMEST = WARM.assign_attrs(cell_methods="time: maximum")


# --- Which variable ---


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"a": RAIN.assign_attrs(standard_name="precipitation_flux")},
            "precipitation, a are all precipitation by name or standard name",
        ),
        ({"a": WARM, "b": WARM}, "a, b are all temperature by name or standard name"),
        ({"a": WARMEST, "b": WARMEST}, "a, b are all temperature_max"),
        ({"tx": WARM.assign_attrs(long_name="maximum temperature")}, "tx .*sounds like an extreme"),
        ({"tasmin": WARM}, "tasmin .*sounds like an extreme"),
        (
            {"temperature": WARM.assign_attrs(standard_name="soil_temperature")},
            "standard name soil_temperature, which is no temperature",
        ),
    ],
)
def test_a_name_with_several_meanings_is_refused_with_its_candidates(more, said: str, read) -> None:
    refused(read, xr.Dataset({"precipitation": RAIN} | more), said)


def test_a_mapping_and_cell_methods_choose(read) -> None:
    data = xr.Dataset(
        {
            "precipitation": RAIN,
            "a": WARM,
            "b": WARM + 1,
            "c": WARM.assign_attrs(cell_methods="area: maximum time: maximum"),
        }
    )
    got = read(
        data.map(lambda v: v.assign_attrs(units="mm" if v.name == "precipitation" else "degC")),
        variables={"temperature": "b"},
    )
    assert (got["temperature"][0], got["temperature_max"][0]) == (6, 5)
    refused(
        read,
        data,
        "a is named for temperature, temperature_max",
        variables={"temperature": "a", "temperature_max": "a"},
    )


def test_two_names_of_a_provider_are_refused(read) -> None:
    warm = field(280, units="K")
    refused(
        read,
        xr.Dataset({"t2m": warm, "2m_temperature": warm}),
        "t2m, 2m_temperature are all temperature",
        "era5_land",
    )
    refused(
        read,
        {"ppt_tmean_20200101.nc": xr.Dataset({"Band1": RAIN})},
        "tells both precipitation and temperature",
        "prism",
    )


def test_files_without_a_variable_of_the_kind_are_told(
    read, caplog: pytest.LogCaptureFixture
) -> None:
    assert (
        read(
            {"pr_2020.nc": xr.Dataset({"pr": RAIN}), "x.nc": xr.Dataset({"snow": RAIN})}, "gridmet"
        )["precipitation"]
        == [1] * 10
    )
    assert (
        "1 of 2 files have no variable of this kind of source and are passed over: x.nc"
        in caplog.text
    )


def test_files_of_other_units_are_not_joined(read) -> None:
    parts = {
        "a.nc": xr.Dataset({"tp": RAIN}),
        "b.nc": xr.Dataset({"tp": field(0.001, days("2020-01-11", 3), "m")}),
    }
    refused(
        read,
        parts,
        r"b.nc: precipitation has units 'm', but 'mm' in .*a\.nc",
        "era5_land",
        stamp="own_day",
    )


def test_a_raster_of_several_bands_is_named(tmp_path: Path) -> None:
    import rioxarray  # noqa: F401  (registers .rio)

    bands = (
        RAIN.rename(latitude="y", longitude="x")
        .astype("f4")
        .rename(time="band")
        .assign_coords(band=np.arange(10))
    )
    bands.rio.write_crs("EPSG:4326").rio.to_raster(tmp_path / "PRISM_ppt_20200101.tif")
    with pytest.raises(LoamError, match="has 10 bands"):
        read_weather([tmp_path], source("prism"), BOX, None, PERIOD)


# --- Which axis ---


@pytest.mark.parametrize("name", ["day", "Time", "valid_time", "date", "t", "steps_of_time"])
def test_an_axis_of_time_has_any_name(name: str, read) -> None:
    assert len(read(xr.Dataset({"precipitation": RAIN.rename(time=name)}))["days"]) == 10
    assert len(read(xr.Dataset({"pr": RAIN.rename(time=name)}), "gridmet")["days"]) == 10


@pytest.mark.parametrize("kind", ["netcdf", "gridmet"])
def test_axes_of_one_value_are_dropped_and_others_named(kind: str, read) -> None:
    name = {"netcdf": "precipitation", "gridmet": "pr"}[kind]
    assert (
        read(xr.Dataset({name: RAIN.expand_dims(ensemble=[0], height=[2.0])}), kind)[
            "precipitation"
        ]
        == [1] * 10
    )
    refused(
        read,
        xr.Dataset({name: RAIN.expand_dims(number=[0, 1, 2])}),
        r"has an axis number of 3 values \(0, 1, 2\)",
        kind,
    )
    refused(read, xr.Dataset({name: RAIN.isel(longitude=0, drop=True)}), "but no x", kind)
    refused(
        read,
        xr.Dataset({name: RAIN.drop_vars("longitude")}),
        "dimension x has no coordinates",
        kind,
    )


def test_preliminary_and_final_runs_of_era5_are_merged(read) -> None:
    parts = [
        field(np.arange(10.0)).where(RAIN.time < T10[5]),
        field(np.arange(10.0)).where(RAIN.time >= T10[5]),
    ]
    data = xr.concat(parts, xr.DataArray([1, 5], dims="expver", name="expver")).assign_attrs(
        units="mm"
    )
    assert read(xr.Dataset({"tp": data}), "era5_land", stamp="own_day")["precipitation"] == list(
        range(10)
    )


# --- Whose days ---


@pytest.mark.parametrize(
    "calendar", ["julian", "proleptic_gregorian", "standard", "noleap", "all_leap"]
)
def test_dates_of_any_calendar_are_dates_where_they_exist(calendar: str, read) -> None:
    times = xr.date_range("2020-01-01", periods=10, calendar=calendar, use_cftime=True)
    assert read(xr.Dataset({"precipitation": RAIN.assign_coords(time=times)}))["days"] == [
        f"2020-01-{day:02d}" for day in range(1, 11)
    ]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (
            xr.date_range("2021-02-25", periods=10, calendar="all_leap", use_cftime=True),
            "calendar all_leap has days that no year has",
        ),
        (
            np.where(np.arange(10) == 3, np.datetime64("NaT"), T10),
            "1 of 10 times of precipitation are missing",
        ),
        (np.arange(10), "are numbers without a date"),
        (["soon"] * 10, "10 of 10 times of precipitation are missing or no dates"),
        (T10[[0, 1, 2, 3, 4, 4, 5, 6, 7, 8]], "day 2020-01-05 is there twice"),
        (
            np.array([f"2020-{month:02d}-01" for month in range(1, 11)], "M8[ns]"),
            "values are 31 days apart; bring daily ones",
        ),
    ],
)
def test_times_that_are_none_are_named(times, said: str, read) -> None:
    refused(read, xr.Dataset({"precipitation": RAIN.assign_coords(time=times)}), said)


def test_text_times_are_dates(read) -> None:
    data = xr.Dataset({"precipitation": RAIN.assign_coords(time=[str(day)[:10] for day in T10])})
    assert read(data)["days"][0] == "2020-01-01"


HOURS = np.datetime64("2020-01-01T00", "ns") + np.arange(120) * np.timedelta64(1, "h")


def test_steady_rain_by_the_hour_is_no_accumulation_either(read) -> None:
    """It never falls; but it does not begin again at 00 UTC."""
    refused(
        read,
        xr.Dataset({"tp": field(np.full(HOURS.size, 0.001), HOURS, "m")}),
        "tp does not begin again at 00 UTC",
        "era5_land",
    )


def test_hours_of_era5_are_not_taken_for_accumulations_of_era5_land(read) -> None:
    rate = np.random.default_rng(0).gamma(0.3, 1.0, 120) * 1e-3
    refused(
        read,
        xr.Dataset({"tp": field(rate, HOURS, "m")}),
        "tp falls within the day .* not accumulated since 00 UTC",
        "era5_land",
    )
    sums = read(xr.Dataset({"precipitation": field(rate, HOURS, "m")}), stamp="end")
    assert sums["precipitation"][0] == pytest.approx(rate[1:25].sum() * 1e3, abs=0.001)


@pytest.mark.parametrize("end", [24, 23, 12, 1])
def test_hours_cut_out_of_a_long_file_leave_whole_days(end: float, read) -> None:
    """A mm an hour for 200 days, of which 130 are needed: the first hour's accumulation began before."""
    hours = np.datetime64("2019-06-01T00", "ns") + np.arange(24 * 320) * np.timedelta64(1, "h")
    total = np.where(np.arange(24 * 320) % 24 == 0, 24, np.arange(24 * 320) % 24) * 1e-3
    got = read(
        xr.Dataset({"tp": field(total, hours, "m")}),
        "era5_land",
        Period(start="2020-01-01", end="2020-01-31"),
        day_ends_utc_h=end,
    )
    assert set(got["precipitation"]) == {24} and len(got["days"]) >= 120 + 31


def test_a_packed_accumulation_may_fall_by_its_last_digit(read) -> None:
    total = np.where(np.arange(120) % 24 == 0, 24, np.arange(120) % 24) * 1e-3
    total[[13, 14]] = total[12] - 1e-6  # dry hours, by packing
    total[15:24] = total[15]
    assert (
        sum(read(xr.Dataset({"tp": field(total, HOURS, "m")}), "era5_land")["precipitation"]) > 80
    )


def test_overlapping_downloads_count_once_and_contradicting_ones_are_named(read) -> None:
    total = field(
        np.where(np.arange(120) % 24 == 0, 24, np.arange(120) % 24) * 1e-3, HOURS, "m"
    ).to_dataset(name="tp")
    parts = {"a.nc": total.isel(time=slice(0, 80)), "b.nc": total.isel(time=slice(70, None))}
    assert read(parts, "era5_land")["precipitation"] == [24] * 4
    refused(
        read, parts | {"b.nc": 2 * parts["b.nc"].assign(tp=parts["b.nc"].tp)}, "b.nc", "era5_land"
    )


def test_daily_totals_of_era5_land_are_the_day_befores_unless_told(
    read, caplog: pytest.LogCaptureFixture
) -> None:
    data = xr.Dataset({"tp": field(np.arange(1.0, 11) / 1e3, units="m")})
    assert read(data, "era5_land")["days"][0] == "2019-12-31"
    assert "are taken as those of the day before" in caplog.text and "own_day" in caplog.text
    caplog.clear()
    assert read(data, "era5_land", stamp="end")["days"][0] == "2019-12-31"
    assert read(data, "era5_land", stamp="own_day")["days"][0] == "2020-01-01"
    assert "day before" not in caplog.text


def test_only_the_periods_times_are_read(read, tmp_path: Path) -> None:
    got = read(
        xr.Dataset({"precipitation": field(1, days("2015-01-01", 3000))}),
        period=Period(start="2020-01-01", end="2020-01-10"),
    )
    # 120 days of a window, and some to spare.
    assert (got["days"][0], got["days"][-1]) == (
        "2019-08-31",
        "2020-01-13",
    )
    refused(
        read,
        xr.Dataset({"precipitation": RAIN}),
        "covers 2020-01-01 to 2020-01-10, no day of the period",
        period=LATER,
    )


# --- What a number means ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"precipitation": field(-1e-10)},
        {"precipitation": RAIN, "solar_radiation": field(-0.02, units="W m-2")},
        {"precipitation": RAIN, "relative_humidity": field([-0.05, *[50] * 9], units="%")},
    ],
)
def test_roundings_below_zero_are_zero(wrong, read) -> None:
    got = read(xr.Dataset(wrong))
    assert (
        min(min(values) for name, values in got.items() if name != "days") == 0
        or got["precipitation"] == [1] * 10
    )
    refused(read, xr.Dataset({"precipitation": field(-0.5)}), "check units and nodata")


WET = np.random.default_rng(1).gamma(0.3, 8.0, 400)
COURSE = 10 + 10 * np.sin(np.arange(400) / 58)


def degrees(more: float) -> xr.DataArray:
    return field(COURSE + more, T400, "degC")


def year(**fields) -> xr.Dataset:
    return xr.Dataset({"precipitation": field(WET, T400)} | fields)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            year(precipitation=field(WET / 1000, T400)),
            "precipitation is .* mm a year, and .* on its wettest day of 400; check its units",
        ),
        (
            year(precipitation=field(WET / 86400, T400)),
            "mm on its wettest day of 400; check its units",
        ),
        (xr.Dataset({"precipitation": field(WET[:60] / 1000, T400[:60])}), "wettest day of 60"),
        (
            year(relative_humidity=field(0.6 + COURSE / 100, T400, "%")),
            "relative_humidity never exceeds .* it is a share of 1, called %",
        ),
        (
            year(temperature_min=degrees(8), temperature_max=degrees(0)),
            "temperature_min is higher than",
        ),
        (year(dewpoint=degrees(9), temperature_max=degrees(0)), "dewpoint is higher than"),
        (
            year(temperature=field(COURSE + 40, T400, "degC")),
            "temperature is 5.* degC in the mean of 400 days",
        ),
        (year(temperature=field(COURSE + 273, T400, "degC")), "outside -80 to 60"),
        (
            year(vapour_pressure=field(8, T400, "Pa"), temperature=field(COURSE, T400, "degC")),
            "of what air of its temperature holds",
        ),
        (year(solar_radiation=field(15, T400, "W m-2")), "solar_radiation is 1.3 MJ"),
        (year(wind_speed=field(25, T400, "m/s")), "wind_speed is 25 m/s in the mean"),
        (
            year(evapotranspiration=field(-2, T400)),
            "evapotranspiration is -730 mm a year.*check its sign",
        ),
        (year(evapotranspiration=field(0.002, T400)), "evapotranspiration is 0.731 mm a year"),
    ],
)
def test_numbers_that_no_year_has_are_refused(data: xr.Dataset, said: str, read) -> None:
    refused(read, data, said, period=LONG)


@pytest.mark.parametrize(
    "data",
    [
        year(
            relative_humidity=field(0.6 + COURSE / 100, T400, "1"),
            temperature=field(COURSE, T400, "degC"),
        ),
        xr.Dataset({"precipitation": field(np.zeros(60), T400[:60])}),  # a dry season
        xr.Dataset(
            {"precipitation": field(np.where(np.arange(400) % 80 == 0, 4.0, 0), T400)}
        ),  # a desert
        year(
            temperature=field(COURSE - 40, T400, "degC"), solar_radiation=field(6, T400, "MJ m-2")
        ),
    ],
)
def test_dry_and_cold_places_are_true(data: xr.Dataset, read) -> None:
    assert len(read(data, period=LONG)["days"]) in {60, 400}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (year(precipitation=field(WET / 25.4, T400)), "mm a year"),  # inches
        (year(precipitation=field(WET * 10, T400)), "mm a year"),  # tenths of mm
        (year(wind_speed=field(12, T400, "m/s")), "wind_speed is 12 m/s in the mean"),  # km/h
        (
            year(vapour_pressure=field(0.1, T400, "kPa"), temperature=degrees(0)),
            "of what air of its temperature holds",
        ),  # kPa as hPa
        (xr.Dataset({"precipitation": field(WET[:10] / 1000)}), "on its wettest day"),
    ],
)
def test_what_few_places_have_is_told(
    data: xr.Dataset, said: str, read, caplog: pytest.LogCaptureFixture
) -> None:
    read(data, period=LONG)
    assert said in caplog.text and "which is rare: check its units" in caplog.text


@pytest.mark.parametrize(
    "units",
    [
        "9**9**9**9",
        "mm**99999",
        "(((((",
        "",
        "m" * 3000,
        "mm\nmm",
        "1/0",
        "lambda: 1",
        "‰",
        "hours",
    ],
)
def test_units_that_are_none_are_one_short_line(units: str) -> None:
    with pytest.raises(LoamError, match="which are no 'mm'") as caught:
        to_units(xr.DataArray([1.0], attrs={"units": units}, name="rain"), "mm", Path("w.nc"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_start_of_forecasts_beside_the_time_does_not_count(read) -> None:
    data = RAIN.rename(time="valid_time").assign_coords(time=T10[0], x=("longitude", np.arange(8)))
    assert len(read(xr.Dataset({"precipitation": data}))["days"]) == 10


def test_packing_that_is_none_is_named(read) -> None:
    refused(
        read,
        xr.Dataset({"precipitation": RAIN.assign_attrs(scale_factor="much")}),
        "precipitation cannot be read to its end",
    )


def test_text_and_dates_are_no_numbers() -> None:
    with pytest.raises(LoamError, match="no numbers"):
        as_numbers(xr.DataArray(["wet"], name="rain"), Path("w.nc"))
    with pytest.raises(LoamError, match="no numbers"):
        as_numbers(xr.DataArray(T10, dims="t", name="rain"), Path("w.nc"))
    assert as_numbers(xr.DataArray(["1.5"], name="rain"), Path("w.nc")).values == [1.5]


# --- Zips ---


def prism(path: Path, day: str = "20240101") -> None:
    band = RAIN.isel(time=0, drop=True).astype("f4")
    xr.Dataset({"Band1": band}).to_netcdf(path.parent / f"prism_ppt_us_25m_{day}.nc")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.parent / f"prism_ppt_us_25m_{day}.nc", f"prism_ppt_us_25m_{day}.nc")
        archive.writestr("readme.txt", "x")
    (path.parent / f"prism_ppt_us_25m_{day}.nc").unlink()


def test_prism_is_read_from_its_zips(tmp_path: Path) -> None:
    for day in ("20240101", "20240102"):
        prism(tmp_path / f"prism_ppt_us_25m_{day}.zip", day)
    got = read_weather(
        [tmp_path], source("prism"), BOX, None, Period(start="2024-01-01", end="2024-12-31")
    )
    assert got["precipitation"].sizes["time"] == 2 and float(got["precipitation"].max()) == 1


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"a.txt": b"x"}, r"holds no rasters or NetCDF files \(a.txt\)"),
        ({"a.nc": b"", "b.nc": b""}, r"holds 2 rasters or NetCDF files"),
        ({"ppt_20240101.nc": b"\x89HDF"}, r"x\.zip/ppt_20240101\.nc: cannot be read"),
        (None, "cannot be unpacked"),
    ],
)
def test_a_zip_of_something_else_is_named(members, said: str, tmp_path: Path) -> None:
    if members is None:
        (tmp_path / "x.zip").write_bytes(b"PK\x03\x04")
    else:
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    with pytest.raises(LoamError, match=said):
        read_weather(
            [tmp_path], source("prism"), BOX, None, Period(start="2024-01-01", end="2024-12-31")
        )


# --- Any cube ---

TEXT = st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=8)
UNITS = st.one_of(
    st.sampled_from(["mm", "m", "kg m-2 s-1", "K", "%", "1", "mm/day", "W m-2"]), TEXT
)
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "units": UNITS,
        "standard_name": st.sampled_from(
            ["precipitation_amount", "air_temperature", "relative_humidity", "wind_speed"]
        ),
        "cell_methods": st.sampled_from(["time: mean", "time: maximum", "area: mean", ""]),
    },
)
CHANGES = {
    "none": lambda v: v,
    "one time": lambda v: v.isel(time=0, drop=True) if v.sizes["time"] else v,
    "two layers": lambda v: v.expand_dims(z=2),
    "one layer": lambda v: v.expand_dims(height=[2.0]),
    "text": lambda v: v.astype(str),
    "whole": lambda v: v.fillna(0).clip(-9, 9).astype("i2"),
}
ANY = {
    "names": st.sets(
        st.sampled_from(["precipitation", "temperature", "tp", "t2m", "tx", "a"]),
        min_size=1,
        max_size=3,
    ),
    "kind": st.sampled_from(["netcdf", "era5_land", "gridmet", "agera5"]),
    "times": st.sampled_from(
        [
            T10,
            HOURS[:50],
            np.arange(10),
            T10[:1],
            T10[[0, 0, 1]],
            np.array(["x", "y"]),
            T10[:0],
            T10[::3],
        ]
    ),
    "axis": st.sampled_from(["time", "day", "level"]),
    "value": st.sampled_from([0.0, 1.0, 300.0, -1e-9, np.nan, np.inf, -3.4e38]),
    "attributes": ATTRIBUTES,
    "change": st.sampled_from(sorted(CHANGES)),
}
NUMBER = itertools.count()


@settings(max_examples=40, deadline=None)
@given(case=st.fixed_dictionaries(ANY))
def test_any_cube_is_weather_or_one_line(tmp_path_factory: pytest.TempPathFactory, case) -> None:
    plain = field(case["value"], case["times"])
    plain.attrs = case["attributes"]
    data = xr.Dataset(dict.fromkeys(sorted(case["names"]), CHANGES[case["change"]](plain)))
    path = tmp_path_factory.getbasetemp() / f"cube{next(NUMBER)}.nc"
    data.rename({"time": case["axis"]} if "time" in data.dims else {}).to_netcdf(path)
    logging.getLogger("loam").setLevel(logging.CRITICAL)
    try:
        assert len(read_weather([path], source(case["kind"]), BOX, None, PERIOD).data_vars)
    except LoamError as error:
        assert "\n" not in str(error) and str(path) in str(error)
    finally:
        logging.getLogger("loam").setLevel(logging.NOTSET)


@settings(max_examples=15, deadline=None)
@given(share=st.floats(0, 1), junk=st.binary(max_size=8))
def test_a_cut_or_overwritten_file_is_weather_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, share: float, junk: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"cut{next(NUMBER)}.nc"
    xr.Dataset({"precipitation": RAIN}).to_netcdf(path, engine="scipy")
    content = path.read_bytes()
    place = int(share * len(content))
    path.write_bytes(content[:place] + junk)
    try:
        read_weather([path], source(), BOX, None, Period(start="2020-01-01", end="2020-01-31"))
    except LoamError as error:
        assert "\n" not in str(error) and str(path) in str(error)
