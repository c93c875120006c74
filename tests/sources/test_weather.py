"""Weather files: names, units, days, and what a bad one says."""

import numpy as np
import pytest
import xarray as xr
from helpers import days

from loam.config.base import Period
from loam.config.sources import Weather
from loam.core.errors import LoamError
from loam.sources.units import to_units
from loam.sources.weather import read_weather

STATIONS = {"power": 2, "radius_km": 100, "min_stations": 3, "cell_m": 2000, "lapse_k_per_km": None}


def weather_source(**changes) -> Weather:
    plain = {
        "kind": "netcdf",
        "path": None,
        "variables": {},
        "stamp": "start",
        "day_ends_utc_h": 24,
        "stations": STATIONS,
    }
    return Weather(**(plain | changes))


SOURCE = weather_source()
PERIOD = Period(start="2020-01-01", end="2020-12-31")


@pytest.fixture
def weather(tmp_path, box, layer):
    """Write three days of weather after changing them; return the path."""
    coarse = box.zoom_out(8)

    def write(change=lambda data: data):
        def constant(value: float, **attrs: str) -> xr.DataArray:
            return layer(
                np.full((3, *coarse.shape), value, np.float32),
                days("2020-01-01", 3),
                on=coarse,
                **attrs,
            )

        data = xr.Dataset(
            {
                "rain": constant(2.0, units="kg m-2 d-1", standard_name="precipitation_flux"),
                "t2m": constant(
                    283.15, units="K", standard_name="air_temperature", cell_methods="time: mean"
                ),
                "t2m_low": constant(
                    273.15, units="K", standard_name="air_temperature", cell_methods="time: minimum"
                ),
                "wind_speed": constant(3.6, units="km h-1"),
                "solar_radiation": constant(100.0, units="W m-2"),
            }
        ).odc.assign_crs(box.crs)
        change(data).to_netcdf(tmp_path / "weather.nc")
        return tmp_path / "weather.nc"

    return write


def test_names_and_units_are_ours(weather, box) -> None:
    data = read_weather([weather()], SOURCE, box, None, PERIOD)
    got = {
        name: (round(float(values.mean()), 4), values.attrs["units"])
        for name, values in data.data_vars.items()
    }
    assert got == {
        "precipitation": (2.0, "mm"),
        "temperature": (10.0, "degC"),
        "temperature_min": (0.0, "degC"),
        "wind_speed": (1.0, "m/s"),
        "solar_radiation": (8.64, "MJ/m^2"),
    }


def test_a_mapping_names_what_standard_names_do_not(weather, box) -> None:
    data = read_weather(
        [weather()], weather_source(variables={"temperature_min": "t2m_low"}), box, None, PERIOD
    )
    assert float(data["temperature_min"].mean()) == pytest.approx(0, abs=1e-4)
    assert float(data["temperature"].mean()) == pytest.approx(10, abs=1e-4)


@pytest.mark.parametrize(
    ("value", "units", "target", "expected"),
    [
        (1.0, "inch", "mm", 25.4),
        (0.001, "m", "mm", 1.0),
        (1.0, "kg m-2", "mm", 1.0),
        (1 / 86400, "kg m-2 s-1", "mm", 1.0),
        (1.0, "mm d-1", "mm", 1.0),
        (32.0, "degF", "degC", 0.0),
        (86400.0, "J m-2 d-1", "MJ/m^2", 0.0864),
        (0.5, "1", "%", 50.0),
        (10.0, "hPa", "kPa", 1.0),
    ],
)
def test_units_by_hand_worked_values(
    value: float, units: str, target: str, expected: float, tmp_path
) -> None:
    converted = to_units(xr.DataArray([value], attrs={"units": units}, name="v"), target, tmp_path)
    assert converted.values[0] == pytest.approx(expected, abs=1e-6)


def change_of(name: str, function):
    return lambda data: data.assign({name: function(data[name])})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            change_of("t2m", lambda v: v.drop_attrs()),
            None,
        ),  # without a standard name it is not found at all
        (
            change_of("rain", lambda v: v.assign_attrs(units="degC")),
            "rain has units 'degC', which are no 'mm'",
        ),
        (
            change_of("t2m", lambda v: v.assign_attrs(units="degC")),
            r"t2m reaches from 283.15 to 283.15 degC, outside -80 to 60",
        ),
        (
            change_of(
                "rain", lambda v: v.where(v.time != v.time[1], -3.4e38).assign_attrs(v.attrs)
            ),
            "check units and nodata",
        ),
        (
            change_of("rain", lambda v: v.where(v.time != v.time[1]).assign_attrs(v.attrs)),
            "rain is missing in .* values; fill the gaps",
        ),
        (lambda data: data.isel(time=[0, 2]), "day 2020-01-01 is followed by a gap"),
        (lambda data: data.isel(time=[0, 1, 1, 2]), "day 2020-01-02 is there twice"),
    ],
)
def test_bad_weather_is_named_in_one_line(weather, box, change, said: str | None) -> None:
    path = weather(change)
    if said is None:
        assert "temperature" not in read_weather([path], SOURCE, box, None, PERIOD)
        return
    with pytest.raises(LoamError, match=said) as caught:
        read_weather([path], SOURCE, box, None, PERIOD)
    assert "\n" not in str(caught.value)


def test_units_that_are_absent_are_named(tmp_path) -> None:
    with pytest.raises(LoamError, match="rain has no units; set the attribute"):
        to_units(xr.DataArray([1.0], name="rain"), "mm", tmp_path / "w.nc")


def test_a_mapping_to_nothing_is_named(weather, box) -> None:
    with pytest.raises(
        LoamError, match=r"variable tmin \(sources.weather.variables.temperature_min\) is missing"
    ):
        read_weather(
            [weather()], weather_source(variables={"temperature_min": "tmin"}), box, None, PERIOD
        )
    with pytest.raises(LoamError, match=r"sources.weather.variables.temp: unknown name"):
        read_weather([weather()], weather_source(variables={"temp": "t2m"}), box, None, PERIOD)
