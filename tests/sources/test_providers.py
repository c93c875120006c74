"""Providers' conventions, on small files written as theirs are: names, units, totals, days, calendars."""

import gc
import logging

import numpy as np
import pytest
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from helpers import days
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.sources.weather import read_weather

LATITUDES, LONGITUDES = np.arange(38.9, 38.5, -0.1), np.arange(-77.1, -76.7, 0.1)


@pytest.fixture
def write(tmp_path):
    """Write one NetCDF file on latitude and longitude with a constant or given field of days."""

    def file(stem: str, name: str, values, times: np.ndarray, dim: str = "time", **attrs: str):
        values = np.asarray(values, np.float32)
        field = (
            values
            if values.ndim == 3
            else np.broadcast_to(values.reshape(-1, 1, 1), (times.size, 4, 4))
        )
        data = xr.DataArray(
            field,
            dims=(dim, "lat", "lon"),
            coords={dim: times, "lat": LATITUDES, "lon": LONGITUDES},
            attrs=attrs,
            name=name,
        )
        data["lat"].attrs["units"], data["lon"].attrs["units"] = "degrees_north", "degrees_east"
        gc.collect()  # what a refused dataset still holds open
        data.to_netcdf(tmp_path / f"{stem}.nc")

    return file


@pytest.fixture
def read(tmp_path, box, weather_source, period):
    return lambda kind, **changes: read_weather(
        [tmp_path], weather_source(kind=kind, **changes), box, None, period
    )


def means(data: xr.Dataset) -> dict[str, list[float]]:
    return {
        str(name): [round(float(v), 3) for v in values.mean(("y", "x"))]
        for name, values in data.data_vars.items()
    }


def test_gridmet_tells_extremes_apart_by_its_files(write, read) -> None:
    two = days("2020-01-01", 2)
    write("pr_2020", "precipitation_amount", [1, 2], two, "day", units="mm")
    write("tmmn_2020", "air_temperature", [273.15, 274.15], two, "day", units="K")
    write("tmmx_2020", "air_temperature", [283.15, 284.15], two, "day", units="K")
    write("rmax_2020", "relative_humidity", [90, 90], two, "day", units="%")
    write("rmin_2020", "relative_humidity", [40, 40], two, "day", units="%")
    write("vs_2020", "wind_speed", [3, 3], two, "day", units="m/s")
    write(
        "srad_2020",
        "surface_downwelling_shortwave_flux_in_air",
        [100, 100],
        two,
        "day",
        units="W m-2",
    )
    got = read("gridmet")
    assert means(got) == {
        "precipitation": [1, 2],
        "temperature_min": [0, 1],
        "temperature_max": [10, 11],
        "relative_humidity_min": [40, 40],
        "relative_humidity_max": [90, 90],
        "wind_speed": [3, 3],
        "solar_radiation": [8.64, 8.64],
    }
    assert got.attrs["source"] == "gridmet"
    assert "07 UTC" in got.attrs["days"]


def test_daymet_has_no_31_december_in_leap_years_and_means_over_daylight(write, read) -> None:
    noon = np.array(
        ["2020-12-29T12", "2020-12-30T12", "2021-01-01T12", "2021-01-02T12"], dtype="datetime64[ns]"
    )
    write("prcp", "prcp", [0, 4, 2, 0], noon, units="mm/day")
    write("tmin", "tmin", [1, 1, 3, 3], noon, units="degrees C")
    write("vp", "vp", [1000] * 4, noon, units="Pa")
    write("srad", "srad", [200] * 4, noon, units="W/m2")
    write("dayl", "dayl", [36_000] * 4, noon, units="s")
    got = read("daymet")
    assert [str(day)[:10] for day in got["time"].values] == [
        "2020-12-29",
        "2020-12-30",
        "2020-12-31",
        "2021-01-01",
        "2021-01-02",
    ]
    assert means(got)["precipitation"] == [0, 4, 3, 2, 0]  # the mean of its neighbours
    assert means(got)["temperature_min"] == [1, 1, 2, 3, 3]
    assert means(got)["vapour_pressure"][0] == 1.0
    assert means(got)["solar_radiation"][0] == pytest.approx(7.2)  # 200 W/m2 over 10 hours


def test_a_common_years_31_december_is_there_or_a_gap(write, read) -> None:
    write(
        "prcp",
        "prcp",
        [0, 4, 2],
        np.array(["2021-12-29", "2021-12-30", "2022-01-01"], dtype="datetime64[ns]"),
        units="mm/day",
    )
    with pytest.raises(LoamError, match="day 2021-12-30 is followed by a gap"):
        read("daymet")


def test_hourly_era5_land_is_taken_apart_and_summed_to_the_day_or_the_overpass(write, read) -> None:
    """A millimetre an hour from 20 UTC of 1 January to 04 UTC of the 2nd; accumulations start again after 00 UTC."""
    hours = np.arange(
        np.datetime64("2020-01-01T01"), np.datetime64("2020-01-03T01"), np.timedelta64(1, "h")
    ).astype("datetime64[ns]")
    ends = np.arange(1, 49)
    rain = ((ends > 20) & (ends <= 28)).astype(float)
    accumulated = np.concatenate([np.cumsum(rain[:24]), np.cumsum(rain[24:])]) / 1000
    write("tp", "tp", accumulated, hours, units="m")
    assert means(read("era5_land"))["precipitation"] == [4, 4]
    # To an overpass at 22 UTC: of the first day two hours (it lacks hours and is left out), of the second six.
    assert means(read("era5_land", day_ends_utc_h=22))["precipitation"] == [6]


def test_hourly_values_of_a_cf_file_become_days_each_by_its_kind(
    tmp_path, box, layer, weather_source, period
) -> None:
    coarse = box.zoom_out(8)
    hours = np.arange(
        np.datetime64("2020-01-01T00"), np.datetime64("2020-01-03T00"), np.timedelta64(1, "h")
    ).astype("datetime64[ns]")
    ramp = np.broadcast_to(np.tile(np.arange(24.0), 2)[:, None, None], (48, *coarse.shape)).astype(
        np.float32
    )
    one = np.ones_like(ramp)
    data = xr.Dataset(
        {
            "precipitation": layer(one, hours, on=coarse, units="mm"),
            "temperature": layer(ramp, hours, on=coarse, units="degC"),
            "temperature_max": layer(ramp, hours, on=coarse, units="degC"),
            "solar_radiation": layer(100 * one, hours, on=coarse, units="W m-2"),
        }
    )
    data.odc.assign_crs(box.crs).to_netcdf(tmp_path / "hourly.nc")
    got = means(read_weather([tmp_path / "hourly.nc"], weather_source(), box, None, period))
    expected = {
        "precipitation": [24, 24],
        "temperature": [11.5, 11.5],
        "temperature_max": [23, 23],
        "solar_radiation": [8.64, 8.64],
    }
    assert got == expected
    # Stamped at their ends, the first hour belongs to the day before, and the last day lacks one.
    late = means(
        read_weather([tmp_path / "hourly.nc"], weather_source(stamp="end"), box, None, period)
    )
    assert late["precipitation"] == [24]


def test_agera5_names_and_hours_of_humidity(write, read) -> None:
    one = days("2020-01-01", 1)
    write("a", "Precipitation_Flux", [5], one, units="mm d-1")
    write("b", "Temperature_Air_2m_Mean_24h", [283.15], one, units="K")
    write("c", "Relative_Humidity_2m_06h", [80], one, units="%")
    write("d", "Relative_Humidity_2m_15h", [50], one, units="%")
    write("e", "Vapour_Pressure_Mean", [12], one, units="hPa")
    write("f", "Wind_Speed_10m_Mean", [2], one, units="m s-1")
    write("g", "Solar_Radiation_Flux", [8_640_000], one, units="J m-2 d-1")
    assert means(read("agera5")) == {
        "precipitation": [5],
        "temperature": [10],
        "relative_humidity": [65],
        "vapour_pressure": [1.2],
        "wind_speed": [2],
        "solar_radiation": [8.64],
    }


def test_prism_is_a_raster_a_day_and_variable(tmp_path, layer, box, read) -> None:
    coarse = GeoBox.from_bbox((-77.3, 38.3, -76.5, 39.1), "EPSG:4326", resolution=0.04)
    for day, rain in (("20200101", 1.0), ("20200102", 2.0)):
        for name, value in (("ppt", rain), ("tmean", 10.0), ("tdmean", 5.0)):
            values = np.full(coarse.shape, value, np.float32)
            values[0, 0] = -9999
            raster = xr.DataArray(
                values,
                dims=("y", "x"),
                coords={
                    "y": coarse.coords["latitude"].values,
                    "x": coarse.coords["longitude"].values,
                },
            )
            raster.rio.write_crs("EPSG:4326").rio.write_nodata(-9999).rio.to_raster(
                tmp_path / f"PRISM_{name}_stable_4kmD2_{day}_bil.tif"
            )
    got = read("prism")
    assert means(got) == {"precipitation": [1, 2], "temperature": [10, 10], "dewpoint": [5, 5]}
    assert got.odc.crs == "EPSG:4326"


def test_variables_that_cover_different_days_meet_and_it_is_told(
    write, read, caplog: pytest.LogCaptureFixture
) -> None:
    write("pr_2020", "precipitation_amount", [1, 2, 3], days("2020-01-01", 3), units="mm")
    write("vs_2020", "wind_speed", [3, 3, 3], days("2020-01-02", 3), units="m/s")
    with caplog.at_level(logging.INFO):
        got = read("gridmet")
    assert [str(day)[:10] for day in got["time"].values] == ["2020-01-02", "2020-01-03"]
    assert (
        "precipitation 2020-01-01 to 2020-01-03, wind_speed 2020-01-02 to 2020-01-04" in caplog.text
    )


def test_variables_of_different_times_are_named(write, read) -> None:
    write("pr_2020", "precipitation_amount", [1, 2], days("2020-01-01", 2), units="mm")
    write("vs_2020", "wind_speed", [3, 3], days("2021-01-02", 2), units="m/s")
    with pytest.raises(LoamError, match="share no day"):
        read("gridmet")


@pytest.mark.parametrize(
    ("calendar", "said"),
    [("360_day", "calendar 360_day has days that no year has"), ("noleap", "followed by a gap")],
)
def test_another_calendar_is_named(calendar: str, said: str, tmp_path, read) -> None:
    times = xr.date_range("2020-02-27", periods=4, calendar=calendar, use_cftime=True)
    field = np.ones((4, 4, 4), np.float32)
    data = xr.DataArray(
        field,
        dims=("time", "lat", "lon"),
        coords={"time": times, "lat": LATITUDES, "lon": LONGITUDES},
        name="pr",
        attrs={"units": "mm"},
    )
    data["lat"].attrs["units"] = "degrees_north"
    data.to_netcdf(tmp_path / "pr.nc")
    with pytest.raises(LoamError, match=said):
        read("gridmet")


def test_doubled_days_of_two_files_are_named(write, read) -> None:
    write("pr_2020", "precipitation_amount", [1, 2], days("2020-01-01", 2), units="mm")
    write("pr_more", "precipitation_amount", [1, 2], days("2020-01-02", 2), units="mm")
    with pytest.raises(LoamError, match="day 2020-01-02 is there twice"):
        read("gridmet")


def test_values_that_no_weather_has_are_named(write, read) -> None:
    one = days("2020-01-01", 1)
    write("rmax_2020", "relative_humidity", [130], one, units="%")
    with pytest.raises(LoamError, match="130 %, outside 0 to 110; check units and nodata"):
        read("gridmet")
    write("rmax_2020", "relative_humidity", [90], one, units="%")
    write("tmmx_2020", "air_temperature", [290], one, units="degC")  # kelvin under another name
    with pytest.raises(LoamError, match="290 degC, outside -80 to 65"):
        read("gridmet")


def test_the_sea_beside_the_land_takes_the_nearest_cell_and_it_is_told(
    write, read, caplog: pytest.LogCaptureFixture
) -> None:
    field = np.ones((1, 4, 4))
    field[:, :, 2:] = np.nan
    write("pr_2020", "precipitation_amount", field, days("2020-01-01", 1), units="mm")
    with caplog.at_level(logging.WARNING):
        assert means(read("gridmet")) == {"precipitation": [1]}
    assert "take the nearest cell's" in caplog.text


def test_a_folder_of_something_else_is_named(tmp_path, write, read) -> None:
    write("x", "snow", [1], days("2020-01-01", 1), units="mm")
    with pytest.raises(
        LoamError,
        match=r"has none of the variables of this kind of source .* check sources.weather.kind",
    ):
        read("daymet")
    (tmp_path / "x.nc").unlink()
    with pytest.raises(LoamError, match="holds no file of"):
        read("daymet")


def test_a_projected_grid_told_by_its_parameters_is_placed(
    tmp_path, box, weather_source, period
) -> None:
    """Daymet's Lambert grid has no WKT: its CF parameters must do."""
    from pyproj import CRS

    lambert = CRS.from_proj4(
        "+proj=lcc +lat_1=25 +lat_2=60 +lat_0=42.5 +lon_0=-100 +x_0=0 +y_0=0 +ellps=WGS84 +units=m"
    )
    grid = box.extent.to_crs(lambert.to_wkt()).boundingbox.buffered(3000)
    x, y = np.arange(grid.left, grid.right, 1000), np.arange(grid.top, grid.bottom, -1000)
    values = np.ones((1, y.size, x.size), np.float32)
    data = xr.Dataset(
        {"prcp": (("time", "y", "x"), values, {"units": "mm/day"})},
        coords={"time": days("2020-01-01", 1), "y": y, "x": x},
    )
    attrs = {
        key: value
        for key, value in lambert.to_cf().items()
        if key not in {"crs_wkt", "spatial_ref"}
    }
    data["lambert_conformal_conic"] = ((), 0, attrs)
    data.to_netcdf(tmp_path / "prcp.nc")
    got = read_weather([tmp_path / "prcp.nc"], weather_source(kind="daymet"), box, None, period)
    assert got.odc.crs.projected
    assert float(got["precipitation"].mean()) == 1
