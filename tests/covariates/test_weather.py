"""Humidity, wind and reference evapotranspiration against FAO-56's worked examples."""

import numpy as np
import pytest
import xarray as xr
from helpers import days

from loam.config.covariates import WeatherCovariates
from loam.core.errors import LoamError
from loam.core.grid import around
from loam.covariates.weather import (
    derive_weather,
    reference_et,
    saturation_pressure,
    vapour_pressure,
    wind_at_2m,
)

CFG = WeatherCovariates(wind_height_m=10, missing_wind_m_s=None, evapotranspiration="computed")
OWN = CFG.model_copy(update={"evapotranspiration": "source", "wind_height_m": 2})


@pytest.fixture
def at(layer, box):
    """Constant daily weather of one day and cell."""
    cell = box.zoom_out(16)[0:1, 0:1]

    def make(day: str = "2020-07-06", **values: float) -> xr.Dataset:
        data = xr.Dataset(
            {
                name: layer(np.full((1, 1, 1), value), days(day, 1), on=cell)
                for name, value in values.items()
            }
        )
        return data.odc.assign_crs(box.crs)

    return make


def test_saturation_pressure_is_faos_table() -> None:
    got = saturation_pressure(xr.DataArray([1.0, 15.0, 24.5]))
    np.testing.assert_allclose(got, [0.657, 1.705, 3.075], atol=0.001)


def test_wind_comes_down_by_faos_example_14() -> None:
    assert float(wind_at_2m(xr.DataArray(3.2), 10)) == pytest.approx(2.4, abs=0.05)
    assert float(wind_at_2m(xr.DataArray(3.2), 2)) == 3.2


def test_humidity_from_dewpoint_or_vapour_pressure_is_the_same(at) -> None:
    shared = {
        "precipitation": 1.0,
        "wind_speed": 2.0,
        "temperature": 20.0,
        "evapotranspiration": 3.0,
    }
    actual = float(saturation_pressure(xr.DataArray(12.0)))
    dew, vapour = (
        derive_weather(at(**shared, **more), 100.0, OWN, "w.nc")
        for more in ({"dewpoint": 12.0}, {"vapour_pressure": actual})
    )
    assert float(dew["humidity"].squeeze()) == pytest.approx(
        float(vapour["humidity"].squeeze()), abs=1e-4
    )
    assert float(dew["humidity"].squeeze()) == pytest.approx(60.0, abs=0.3)


def test_vapour_pressure_from_the_extremes_of_humidity_is_faos_example_5(at) -> None:
    """Tmin 18, Tmax 25 degC, RHmax 82, RHmin 54 %: 1.70 kPa."""
    raw = at(
        temperature=21.5,
        temperature_min=18.0,
        temperature_max=25.0,
        relative_humidity_max=82.0,
        relative_humidity_min=54.0,
    )
    assert float(vapour_pressure(raw, "w.nc").squeeze()) == pytest.approx(1.70, abs=0.005)


@pytest.fixture
def latitude(monkeypatch: pytest.MonkeyPatch):
    """Put the cell at a latitude: FAO's examples lie elsewhere than the grid of the tests."""

    def move(degrees: float) -> None:
        field = lambda raw: xr.full_like(raw["temperature"].isel(time=0), np.radians(degrees))  # noqa: E731
        monkeypatch.setattr("loam.covariates.weather._latitude", field)

    return move


def test_penman_monteith_is_faos_example_18(at, latitude) -> None:
    """Uccle, 6 July: 50°48'N, 100 m, Tmax 21.5, Tmin 12.3, RH 84 and 63 %, u2 2.078 m/s, Rs 22.07 MJ: ea 1.409 kPa, ET0 3.9 mm."""
    latitude(50.8)
    raw = at(
        precipitation=0.0,
        temperature_min=12.3,
        temperature_max=21.5,
        relative_humidity_max=84.0,
        relative_humidity_min=63.0,
        wind_speed=10 / 3.6,
        solar_radiation=22.07,
    )
    daily = derive_weather(raw, 100.0, CFG, "w.nc")
    assert float(vapour_pressure(raw, "w.nc").squeeze()) == pytest.approx(1.409, abs=0.002)
    assert float(daily["wind"].squeeze()) == pytest.approx(2.078, abs=0.001)
    et = daily["evapotranspiration"]
    assert float(et.squeeze()) == pytest.approx(3.88, abs=0.05)
    assert et.attrs["method"] == "FAO-56 Penman-Monteith"


def test_penman_monteith_is_faos_example_17(at, latitude) -> None:
    """Bangkok, April means: 13°44'N, 2 m, Tmax 34.8, Tmin 25.6, ea 2.85 kPa, u2 2 m/s, Rs 22.65 MJ: ET0 5.72 mm.

    FAO's monthly step takes 0.14 MJ of soil heat away; a day's is nought, which is worth 0.04 mm.
    """
    latitude(13 + 44 / 60)
    raw = at(
        "2020-04-15",
        precipitation=0.0,
        temperature_min=25.6,
        temperature_max=34.8,
        vapour_pressure=2.85,
        wind_speed=2.0,
        solar_radiation=22.65,
    )
    daily = derive_weather(raw, 2.0, CFG.model_copy(update={"wind_height_m": 2}), "w.nc")
    assert float(daily["evapotranspiration"].squeeze()) == pytest.approx(5.72, abs=0.1)


def test_without_radiation_the_extremes_serve_and_it_is_said(at) -> None:
    raw = at(temperature=17.0, temperature_min=12.0, temperature_max=22.0)
    given = at(wind=2.0, vapour=1.4)
    et = reference_et(raw, given["wind"], given["vapour"], 100.0, "computed", "w.nc")
    assert et.attrs["method"] == "Hargreaves"
    assert 2 < float(et.squeeze()) < 6


def test_the_mean_temperature_is_that_of_the_extremes_where_it_is_missing(at) -> None:
    raw = at(
        precipitation=1.0,
        temperature_min=12.0,
        temperature_max=22.0,
        wind_speed=2.0,
        relative_humidity=70.0,
    )
    assert float(derive_weather(raw, 100.0, CFG, "w.nc")["temperature"].squeeze()) == 17.0


def test_only_the_cells_around_the_area_are_kept(layer, box) -> None:
    """A continent of weather must neither fill the memory nor mix its temperature into the area's frost."""
    cells = box.zoom_out(4).pad(20)
    values = np.arange(cells.shape.x * cells.shape.y, dtype=float).reshape(1, *cells.shape)
    whole = xr.Dataset(
        {"temperature": layer(values, days("2020-01-01", 1), on=cells)}
    ).odc.assign_crs(box.crs)
    kept = around(whole, box)
    assert kept.sizes["x"] == 4 + 2
    assert kept.sizes["y"] == 3 + 2
    np.testing.assert_array_equal(kept["temperature"].values[0], values[0, 19:24, 19:25])


def test_the_sources_own_et_is_taken_on_request(at) -> None:
    raw = at(
        precipitation=1.0,
        temperature=17.0,
        wind_speed=2.0,
        relative_humidity=70.0,
        evapotranspiration=3.3,
    )
    daily = derive_weather(raw, 100.0, OWN, "w.nc")
    assert float(daily["evapotranspiration"].squeeze()) == pytest.approx(3.3)
    assert {name: values.attrs["units"] for name, values in daily.data_vars.items()} == {
        "precipitation": "mm",
        "temperature": "degC",
        "humidity": "%",
        "wind": "m s-1",
        "evapotranspiration": "mm",
    }


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("precipitation", "no precipitation"),
        ("wind_speed", "no wind_speed"),
        ("relative_humidity", "no relative_humidity, dewpoint or vapour_pressure"),
    ],
)
def test_what_is_missing_is_named(at, missing: str, said: str) -> None:
    values = {
        "precipitation": 1.0,
        "temperature": 17.0,
        "wind_speed": 2.0,
        "relative_humidity": 70.0,
        "evapotranspiration": 3.0,
    }
    values.pop(missing)
    with pytest.raises(LoamError, match=f"w.nc: {said}"):
        derive_weather(at(**values), 100.0, OWN, "w.nc")


def test_no_way_to_et_is_named(at) -> None:
    plain = {
        "precipitation": 1.0,
        "temperature": 17.0,
        "wind_speed": 2.0,
        "relative_humidity": 70.0,
    }
    with pytest.raises(
        LoamError, match=r"no solar_radiation, and not both .* in sources.weather.variables$"
    ):
        derive_weather(at(**plain), 100.0, CFG, "w.nc")
    with pytest.raises(LoamError, match=r"or set covariates.weather.evapotranspiration to source"):
        derive_weather(at(**plain, evapotranspiration=3.0), 100.0, CFG, "w.nc")
    with pytest.raises(
        LoamError,
        match=r"has no evapotranspiration, which covariates.weather.evapotranspiration = source asks for",
    ):
        derive_weather(at(**plain), 100.0, OWN, "w.nc")


def test_a_source_without_wind_may_assume_one_and_says_so(at) -> None:
    raw = at(precipitation=1.0, temperature_min=12.0, temperature_max=22.0, vapour_pressure=1.2)
    calm = derive_weather(raw, 100.0, CFG.model_copy(update={"missing_wind_m_s": 2.0}), "w.nc")[
        "wind"
    ]
    assert float(calm.squeeze()) == 2.0  # at 2 m already
    assert calm.attrs["method"] == "assumed, the source has none"
    with pytest.raises(LoamError, match=r"no wind_speed; .* covariates.weather.missing_wind_m_s"):
        derive_weather(raw, 100.0, CFG, "w.nc")
