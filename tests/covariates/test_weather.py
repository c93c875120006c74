"""Humidity, wind and reference evapotranspiration against FAO-56's worked examples."""

import numpy as np
import pytest
import xarray as xr
from helpers import days

from loam.covariates.weather import around, derive_weather, reference_et, relative_humidity, saturation_pressure, wind_at_2m
from loam.errors import LoamError


@pytest.fixture
def at(layer, box):
    """Constant daily weather of one day and cell."""
    cell = box.zoom_out(16)[0:1, 0:1]

    def make(day: str = "2020-07-06", **values: float) -> xr.Dataset:
        data = xr.Dataset({name: layer(np.full((1, 1, 1), value), days(day, 1), on=cell) for name, value in values.items()})
        return data.odc.assign_crs(box.crs)

    return make


def test_saturation_pressure_is_faos_table() -> None:
    got = saturation_pressure(xr.DataArray([1.0, 15.0, 24.5]))
    np.testing.assert_allclose(got, [0.657, 1.705, 3.075], atol=0.001)


def test_wind_comes_down_by_faos_example_14() -> None:
    assert float(wind_at_2m(xr.DataArray(3.2), 10)) == pytest.approx(2.4, abs=0.05)
    assert float(wind_at_2m(xr.DataArray(3.2), 2)) == 3.2


def test_humidity_from_dewpoint_or_vapour_pressure_is_the_same(at) -> None:
    dew = relative_humidity(at(temperature=20.0, dewpoint=12.0), "w.nc")
    actual = float(saturation_pressure(xr.DataArray(12.0)))
    vapour = relative_humidity(at(temperature=20.0, vapour_pressure=actual), "w.nc")
    assert float(dew.squeeze()) == pytest.approx(float(vapour.squeeze()), abs=1e-9)
    assert float(dew.squeeze()) == pytest.approx(60.0, abs=0.3)


def test_penman_monteith_is_faos_example_18(at, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uccle, 6 July: 50°48'N, 100 m, Tmax 21.5, Tmin 12.3, ea 1.409 kPa, u2 2.078 m/s, Rs 22.07 MJ: ET0 3.9 mm."""
    monkeypatch.setattr("loam.covariates.weather._latitude", lambda raw: xr.full_like(raw["temperature"].isel(time=0), np.radians(50.8)))
    mean = (21.5 + 12.3) / 2
    saturation = (saturation_pressure(xr.DataArray(21.5)) + saturation_pressure(xr.DataArray(12.3))) / 2
    raw = at(temperature=mean, temperature_min=12.3, temperature_max=21.5, solar_radiation=22.07)
    daily = at(temperature=mean, wind=2.078, humidity=100 * 1.409 / float(saturation))
    et = reference_et(raw, daily, 100.0, "w.nc")
    assert float(et.squeeze()) == pytest.approx(3.9, abs=0.1)
    assert et.attrs["method"] == "FAO-56 Penman-Monteith"


def test_without_radiation_the_extremes_serve_and_it_is_said(at) -> None:
    raw = at(temperature=17.0, temperature_min=12.0, temperature_max=22.0)
    et = reference_et(raw, at(temperature=17.0, wind=2.0, humidity=70.0), 100.0, "w.nc")
    assert et.attrs["method"] == "Hargreaves"
    assert 2 < float(et.squeeze()) < 6


def test_the_mean_temperature_is_that_of_the_extremes_where_it_is_missing(at) -> None:
    raw = at(precipitation=1.0, temperature_min=12.0, temperature_max=22.0, wind_speed=2.0, relative_humidity=70.0)
    assert float(derive_weather(raw, 100.0, 10.0, "w.nc")["temperature"].squeeze()) == 17.0


def test_only_the_cells_around_the_area_are_kept(layer, box) -> None:
    """A continent of weather must neither fill the memory nor mix its temperature into the area's frost."""
    cells = box.zoom_out(4).pad(20)
    values = np.arange(cells.shape.x * cells.shape.y, dtype=float).reshape(1, *cells.shape)
    whole = xr.Dataset({"temperature": layer(values, days("2020-01-01", 1), on=cells)}).odc.assign_crs(box.crs)
    kept = around(whole, box)
    assert kept.sizes["x"] == 4 + 2
    assert kept.sizes["y"] == 3 + 2
    np.testing.assert_array_equal(kept["temperature"].values[0], values[0, 19:24, 19:25])


def test_the_sources_own_et_is_taken(at) -> None:
    raw = at(precipitation=1.0, temperature=17.0, wind_speed=2.0, relative_humidity=70.0, evapotranspiration=3.3)
    daily = derive_weather(raw, 100.0, 2.0, "w.nc")
    assert float(daily["evapotranspiration"].squeeze()) == pytest.approx(3.3)
    assert {name: values.attrs["units"] for name, values in daily.data_vars.items()} == {
        "precipitation": "mm", "temperature": "degC", "humidity": "%", "wind": "m s-1", "evapotranspiration": "mm",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("precipitation", "no precipitation"),
        ("wind_speed", "no wind_speed"),
        ("relative_humidity", "no relative_humidity, dewpoint or vapour_pressure"),
    ],
)
def test_what_is_missing_is_named(at, missing: str, said: str) -> None:
    values = {"precipitation": 1.0, "temperature": 17.0, "wind_speed": 2.0, "relative_humidity": 70.0, "evapotranspiration": 3.0}
    values.pop(missing)
    with pytest.raises(LoamError, match=f"w.nc: {said}"):
        derive_weather(at(**values), 100.0, 10.0, "w.nc")


def test_no_way_to_et_is_named(at) -> None:
    with pytest.raises(LoamError, match="no evapotranspiration, no solar_radiation"):
        derive_weather(at(precipitation=1.0, temperature=17.0, wind_speed=2.0, relative_humidity=70.0), 100.0, 10.0, "w.nc")
