"""The weather generator and the atmosphere's demand for water."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from loam.twin import evaporation, weather
from loam.twin.catchment import Catchment


@pytest.fixture(scope="module")
def years() -> xr.Dataset:
    """Twenty years on 3 x 3 cells."""
    days = pd.date_range("2001-01-01", "2020-12-31", unit="ns")
    y, x = np.array([8000.0, 4000, 0]), np.array([0.0, 4000, 8000])
    return weather.simulate_weather(days, y, x, 38.8, weather.MARYLAND, np.random.default_rng(5))


def test_rain_has_the_climates_wet_days_and_annual_sum(years: xr.Dataset) -> None:
    climate = weather.MARYLAND
    rain = years["precipitation"]
    assert float((rain > 0).mean()) == pytest.approx(climate.wet_share, abs=0.025)
    assert float(rain.sum("time").mean()) / 20 == pytest.approx(climate.annual_mm, rel=0.08)
    wet = (rain > 0).values[:, 1, 1]
    assert wet[1:][wet[:-1]].mean() > wet[1:][~wet[:-1]].mean() + 0.1


def test_rain_is_correlated_in_space_but_not_uniform(years: xr.Dataset) -> None:
    rain = years["precipitation"].values
    near = np.corrcoef(rain[:, 0, 0], rain[:, 0, 1])[0, 1]
    far = np.corrcoef(rain[:, 0, 0], rain[:, 2, 2])[0, 1]
    assert 0.2 < far < near < 0.99


def test_temperature_follows_the_season_and_its_extremes_enclose_it(years: xr.Dataset) -> None:
    month = years["temperature"].groupby("time.month").mean(...) - weather.KELVIN
    assert float(month.mean()) == pytest.approx(13, abs=0.7)
    assert float(month.max() - month.min()) == pytest.approx(23, abs=2.5)
    assert int(month.values.argmax()) + 1 == 7
    assert bool(
        (years["temperature_min"] < years["temperature"]).all()
        & (years["temperature"] < years["temperature_max"]).all()
    )


def test_wet_days_are_cloudier_more_humid_and_cooler_in_summer(years: xr.Dataset) -> None:
    summer = years.sel(time=years["time.season"] == "JJA")
    wet = summer["precipitation"] > 0
    for name, sign in (("solar_radiation", -1), ("relative_humidity", 1), ("temperature", -1)):
        difference = float(summer[name].where(wet).mean() - summer[name].where(~wet).mean())
        assert sign * difference > 0.5, name


def test_the_grid_lies_within_the_weather_centres(catchment: Catchment) -> None:
    box, field = catchment.grid.boundingbox, catchment.weather
    assert float(field["x"].min()) < box.left < box.right < float(field["x"].max())
    assert float(field["y"].min()) < box.bottom < box.top < float(field["y"].max())
    assert np.unique(np.diff(field["x"])).tolist() == [weather.CELL_M]


def test_reference_et_of_the_fao_example() -> None:
    # FAO-56, example 18: Brussels, 6 July, 3.9 mm. It knows both extremes of humidity; their mean costs 0.1 mm.
    arguments = (12.3 + 273.15, 21.5 + 273.15, 73.5, 10 / 3.6, 22.07 / 0.0864, 41.09 / 0.0864)
    assert float(evaporation.reference_et(*map(np.array, arguments), 100.0)) == pytest.approx(
        3.9, abs=0.15
    )


def test_extraterrestrial_radiation_of_the_fao_example() -> None:
    # FAO-56, example 8: 3 September at 20 degrees south, 32.2 MJ.
    day = pd.DatetimeIndex(["2021-09-03"])
    assert weather.extraterrestrial_radiation(day, -20.0)[0] * 0.0864 == pytest.approx(
        32.2, abs=0.1
    )


def test_southern_slopes_get_more_winter_sun_and_flat_ground_its_own() -> None:
    slope, aspect = np.deg2rad([[0.0, 15, 15]]), np.deg2rad([[0.0, 180, 0]])
    flat, south, north = evaporation.beam_ratio(slope, aspect, 39.0, 15)[0]
    assert flat == pytest.approx(1)
    assert south > 1.3 > 0.7 > north
