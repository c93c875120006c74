"""The water balance: no drop is lost, rain wets, sun dries, valleys are wet."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from loam.twin import landscape, water_balance
from loam.twin.catchment import Catchment, daily_forcing, evening_moisture
from loam.twin.water_balance import Day


@pytest.fixture
def loam() -> landscape.Soil:
    """Make a loam on 1 x 3 pixels."""
    return landscape.hydraulic_soil(np.full((1, 3), 40.0), np.full((1, 3), 20.0))


@pytest.fixture(scope="module")
def evenings(catchment: Catchment) -> np.ndarray:
    """Moisture of every evening."""
    return np.stack(list(evening_moisture(catchment)))


def _day(
    rain: float = 0.0, temperature: float = 15.0, demand: float = 3.0, ndvi: float = 0.3
) -> Day:
    return Day(*(np.full((1, 3), value) for value in (rain, temperature, demand, ndvi)))


def test_mass_balance_closes(catchment: Catchment) -> None:
    ground = water_balance.prepare_ground(catchment.soil, catchment.terrain.wetness)
    state = water_balance.initial_state(catchment.soil)
    begun, rain, left = water_balance.storage(state), 0.0, np.zeros(3)
    for _, day in daily_forcing(catchment, pd.Timestamp("2022-01-01")):
        state, fluxes = water_balance.step_day(state, day, ground)
        rain += float(day.precipitation_mm.mean())
        left += (fluxes.evapotranspiration, fluxes.runoff, fluxes.base_flow)
    assert rain > 500
    assert abs(begun + rain - water_balance.storage(state) - left.sum()) < 1e-6 * rain
    assert 0.3 < left[0] / rain < 0.9  # the humid east evaporates about two thirds
    assert (left >= 0).all()


def test_stores_stay_within_their_bounds(catchment: Catchment) -> None:
    soil = catchment.soil
    ground = water_balance.prepare_ground(soil, catchment.terrain.wetness)
    state = water_balance.initial_state(soil)
    for _, day in daily_forcing(catchment, pd.Timestamp("2022-06-01")):
        state, _ = water_balance.step_day(state, day, ground)
        assert (state.snow >= 0).all()
        assert (state.surface >= water_balance.SURFACE_MM * soil.theta_r - 1e-9).all()
        assert (state.root <= water_balance.ROOT_MM * soil.theta_s + 1e-6).all()


def test_rain_wets_and_dry_days_dry(loam: landscape.Soil) -> None:
    ground = water_balance.prepare_ground(loam, np.zeros((1, 3)))
    state = replace(
        water_balance.initial_state(loam), surface=50 * (loam.theta_wp + 0.02), ground=0.0
    )
    wet = [
        water_balance.relative_saturation(
            water_balance.step_day(state, _day(rain), ground)[0], loam
        )[0, 0]
        for rain in (0, 3, 8, 20)
    ]
    assert (np.diff(wet) > 0).all()
    drying = [water_balance.relative_saturation(state, loam)[0, 0]]
    state = replace(state, surface=50 * loam.theta_s)
    for _ in range(12):
        state, _ = water_balance.step_day(state, _day(demand=4.0), ground)
        drying.append(water_balance.relative_saturation(state, loam)[0, 0])
    assert (np.diff(drying[1:]) < 0).all()
    assert drying[1] > 0.45 > 0.25 > drying[-1]


def test_drainage_is_the_exact_solution(loam: landscape.Soil) -> None:
    water = 50 * 0.97 * loam.theta_s
    whole = water_balance.drained(water, 50.0, loam.ksat, loam)
    left = water.copy()
    for _ in range(4000):  # explicit Euler
        left = left - loam.ksat / 4000 * (left / 50 / loam.theta_s) ** loam.exponent
    np.testing.assert_allclose(whole, water - left, rtol=0.01)


def test_moisture_rises_on_rainy_days_and_falls_on_dry_ones(
    catchment: Catchment, evenings: np.ndarray
) -> None:
    change = np.diff(evenings.mean(axis=(1, 2)))
    rain = catchment.weather["precipitation"].mean(("y", "x")).values[-len(change) :]
    assert change[rain > 8].mean() > 0.05
    assert change[rain < 0.1].mean() < -0.01
    assert (change[rain < 0.1] < 0).mean() > 0.8


def test_moisture_varies_widely(evenings: np.ndarray) -> None:
    low, high = (float(np.median(np.percentile(evenings, level, axis=0))) for level in (5, 95))
    assert low < 0.2
    assert high > 0.7
    assert evenings.min() >= 0
    assert evenings.max() <= 1


def test_convergent_ground_is_wetter(catchment: Catchment, evenings: np.ndarray) -> None:
    mean, wetness = evenings.mean(axis=0), catchment.terrain.wetness
    assert mean[wetness > 1].mean() > mean[wetness < -0.5].mean() + 0.03
    assert np.corrcoef(mean.ravel(), wetness.ravel())[0, 1] > 0.2


def test_snow_waits_for_warmth_and_frozen_ground_does_not_drain(loam: landscape.Soil) -> None:
    ground = water_balance.prepare_ground(loam, np.zeros((1, 3)))
    start = replace(water_balance.initial_state(loam), surface=50 * loam.theta_s, ground=0.0)
    cold, _ = water_balance.step_day(start, _day(10, -5, 0.0), ground)
    np.testing.assert_allclose(cold.snow, 10)
    np.testing.assert_allclose(cold.surface, start.surface)
    warm, _ = water_balance.step_day(cold, _day(0, 2, 0.0), ground)
    np.testing.assert_allclose(warm.snow, 10 - 2 * water_balance.MELT_MM)
