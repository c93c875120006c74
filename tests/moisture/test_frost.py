"""Frost and snow, by date and by pixel."""

import numpy as np
import pandas as pd
import xarray as xr
from helpers import days
from odc.geo.geobox import GeoBox

from loam.core.frost import below, frost_of, frost_temperature
from loam.moisture.snow import snow_free_mean, wet_snow
from loam.twin.weather import MARYLAND, simulate_weather


def frost(temperatures: np.ndarray, times: np.ndarray, thaw: float = 0, memory: int = 30):
    coords = {
        "time": days("2020-01-01", len(temperatures)),
        "y": [4290200.0, 4290000.0],
        "x": [330000.0, 330300.0],
    }
    field = (
        np.broadcast_to(temperatures[:, None, None], (len(temperatures), 2, 2))
        if temperatures.ndim == 1
        else temperatures
    )
    daily = xr.DataArray(field, dims=("time", "y", "x"), coords=coords)
    weather = daily.to_dataset(name="temperature").odc.assign_crs("EPSG:32618")
    return frost_of(weather, times, 2.0, thaw, memory)


def test_a_date_is_frozen_by_its_own_day(box: GeoBox) -> None:
    times = np.array(
        ["2020-01-01T23:59", "2020-01-02T00:01", "2020-01-03T05:00", "2020-02-01T05:00"],
        dtype="datetime64[ns]",
    )
    frozen = frost(np.array([5.0, -1.0, 5.0]), times).frozen(box, np.arange(4))
    assert frozen.all(axis=(1, 2)).tolist() == [False, True, False, False]
    assert frozen.any(axis=(1, 2)).tolist() == [False, True, False, False]


def test_frost_lasts_until_its_degree_days_are_back(box: GeoBox) -> None:
    """Below 2 degC it freezes: 1 K day takes 1 K day to thaw, 11 K day no more than the 3 that the top layer holds."""
    times = days("2020-01-01", 8) + np.timedelta64(6, "h")
    daily = np.array([1.0, 2.5, 3.5, -9.0, 4.0, 4.0, 9.0, 9.0])
    frozen = frost(daily, times, thaw=3).frozen(box, np.arange(8))[:, 0, 0]
    assert frozen.tolist() == [True, True, False, True, True, False, False, False]


def test_a_day_without_weather_neither_freezes_nor_thaws() -> None:
    cold = frost_temperature(np.array([[-1.0], [np.nan], [0.5], [0.6]], np.float32), 0.0, 3.0)[:, 0]
    np.testing.assert_allclose(cold, [-1.0, np.nan, -0.5, 0.1], atol=1e-6)


def test_frost_of_the_twins_winters_is_found_and_the_ground_thaws_as_a_layer_with_ice_would(
    cfg,
) -> None:
    """Against the twin, which freezes and thaws at once, and against 15 mm of wet soil that stores heat and ice."""
    dates = pd.date_range("2012-10-01", "2024-06-30", unit="ns")
    y, x = np.array([4292000.0, 4290000.0]), np.array([330000.0, 333000.0])
    weather = simulate_weather(dates, y, x, 38.8, MARYLAND, np.random.default_rng(4))
    mean = weather["temperature"].values[:, 0, 0] - 273.15
    signal = cfg.moisture.signal
    found = (
        frost_temperature(mean[:, None], signal.frozen_below_degc, signal.thaw_degree_days)[:, 0]
        < signal.frozen_below_degc
    )
    icy = layer_with_ice(mean)
    for truth in (mean < 0, icy):
        print(
            f"{found[truth].mean():.3f} found, {found[~truth].mean():.3f} false; below 2 degC {(mean < 2)[~truth].mean():.3f} false"
        )
        assert found[truth].mean() >= 0.95
        assert found[~truth].mean() <= 0.03


def layer_with_ice(mean_degc: np.ndarray, depth_m: float = 0.015, water: float = 0.3) -> np.ndarray:
    """Whether a layer of soil holds ice at the end of a day, by its enthalpy: 6 W m-2 K-1 to the air, 5 times an hour."""
    heat, latent, enthalpy = 2e6 * depth_m, 334e6 * water * depth_m, 10 * 2e6 * depth_m
    out = np.zeros(len(mean_degc), bool)
    for day, air in enumerate(mean_degc):
        for _ in range(120):
            # Enthalpy 0 is all water at 0 degC; ice melts between -latent and 0 while the temperature stays.
            temperature = enthalpy / heat if enthalpy > 0 else min(0.0, (enthalpy + latent) / heat)
            enthalpy += 6 * (air - temperature) * 720
        out[day] = enthalpy < 0
    return out


def test_frost_is_per_pixel(box: GeoBox) -> None:
    cold_west = np.tile(np.array([[-6.0, 10.0]]), (1, 2, 1))
    frozen = frost(cold_west, days("2020-01-01", 1)).frozen(box, np.arange(1))[0]
    assert frozen[:, 0].all()
    assert not frozen[:, -1].any()


def test_fields_without_a_limit_in_them_are_not_interpolated_but_agree() -> None:
    rows, columns = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 7), indexing="ij")
    fields = np.array(
        [
            np.full((2, 2), 1.0),
            np.full((2, 2), 3.0),
            [[0.0, 4.0], [0.0, 4.0]],
            np.full((2, 2), np.nan),
        ],
        np.float32,
    )
    got = below(fields, 2.0, rows, columns)
    assert got.all(axis=(1, 2)).tolist() == [True, False, False, False]
    np.testing.assert_array_equal(got[2], 4 * columns < 2)


def test_snow_lies_for_so_long_after_frost(box: GeoBox) -> None:
    times = days("2020-01-02", 3, step=8)
    cold_once = np.where(np.arange(40) == 1, -3.0, 9.0)
    assert frost(cold_once, times, memory=10).snow_possible(box, np.arange(3))[
        :, 0, 0
    ].tolist() == [True, True, False]
    assert not frost(cold_once, times, memory=0).snow_possible(box, np.arange(3)).any()


def test_snow_is_judged_against_its_own_season() -> None:
    """Summer VH is 3 dB higher by plants; wet snow takes 4 dB from the winter's."""
    rng = np.random.default_rng(0)
    winter, snow = np.arange(60) % 12 < 5, np.arange(60) % 12 == 2
    vh = (np.where(winter, -20.0, -17.0) - 4.0 * snow)[:, None, None] + rng.normal(
        0, 0.4, (60, 30, 30)
    )
    tracks = np.array(["A", "D"])[np.arange(60) // 12 % 2]
    possible = np.broadcast_to(winter[:, None, None], vh.shape)
    mean = snow_free_mean(vh, possible, tracks, ["A", "D"], 2.6)
    np.testing.assert_allclose(mean.mean(axis=(1, 2)), -20, atol=0.2)
    found = wet_snow(vh, mean[(tracks == "D").astype(int)], possible, 2.6)
    assert found[snow].mean() >= 0.95
    assert found[~snow].mean() <= 0.03
    assert not found[~winter].any()
