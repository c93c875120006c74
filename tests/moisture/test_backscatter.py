"""Averaging, noise, normalisation, frost."""

import numpy as np
import pytest
import xarray as xr
from helpers import days

from loam.moisture.backscatter import averaged_db, averaged_power, frozen_dates, normalised, speckle_db, support_pixels


@pytest.mark.parametrize(
    ("support", "pixel", "expected"), [(100, 20, 5), (20, 20, 1), (10, 20, 1), (100, 10, 9), (100, 100, 1), (60, 20, 3)]
)
def test_the_window_is_odd_and_about_the_support(support: float, pixel: float, expected: int) -> None:
    assert support_pixels(support, pixel) == expected


def test_power_is_averaged_before_decibels(layer, box) -> None:
    power = np.random.default_rng(0).gamma(4.4, 0.1 / 4.4, size=(1, *box.shape)).astype(np.float32)
    got = averaged_db(layer(power, days("2020-01-01", 1)), 3).values[0, 5, 7]
    assert got == pytest.approx(10 * np.log10(power[0, 4:7, 6:9].mean()), abs=1e-4)
    assert got > (10 * np.log10(power[0, 4:7, 6:9])).mean()


def test_missing_pixels_neither_count_nor_appear() -> None:
    power = np.ones((5, 5))
    power[2, 2] = np.nan
    power[2, 3] = 4.0
    mean = averaged_power(power, 3)
    assert np.isnan(mean[2, 2])
    assert mean[1, 2] == pytest.approx((7 + 4) / 8)  # eight finite neighbours, one of them 4


def test_negative_power_counts_and_a_negative_mean_is_missing(layer, box) -> None:
    power = np.full((1, *box.shape), 0.1, np.float32)
    power[0, 5, 5] = -0.05
    power[0, 0:3, 0:3] = -1.0
    out = averaged_db(layer(power, days("2020-01-01", 1)), 3).values[0]
    assert out[5, 5] == pytest.approx(10 * np.log10((8 * 0.1 - 0.05) / 9), abs=1e-4)
    assert np.isnan(out[1, 1])


def test_speckle_is_what_gamma_noise_shows() -> None:
    rng = np.random.default_rng(1)
    mean_of_window = rng.gamma(4.4, 1 / 4.4, size=(20000, 25)).mean(1)
    expected = (10 * np.log10(mean_of_window)).std()
    noise = speckle_db(np.ones((9, 9)), 4.4, 5)
    assert noise[4, 4] == pytest.approx(expected, rel=0.02)
    assert noise[0, 0] == pytest.approx(expected * 5 / 3, rel=0.02)  # 9 of 25 pixels in a corner


def test_normalisation_is_the_same_on_values_and_on_references() -> None:
    """sigma40 between dry40 and wet40 equals sigma between dry(theta) and wet(theta)."""
    rng = np.random.default_rng(2)
    sigma, theta, beta = rng.normal(-12, 2, 50), rng.uniform(30, 46, 50), rng.normal(-0.13, 0.02, 50)
    dry, wet = rng.normal(-16, 1, 50), rng.normal(-8, 1, 50)
    on_values = (normalised(sigma, theta, beta) - dry) / (wet - dry)
    shift = beta * (theta - 40)
    np.testing.assert_allclose(on_values, (sigma - (dry + shift)) / ((wet + shift) - (dry + shift)), atol=1e-6)


def test_a_date_is_frozen_by_its_own_day() -> None:
    temperature = xr.DataArray([[[5.0]], [[-1.0]], [[5.0]]], dims=("time", "y", "x"), coords={"time": days("2020-01-01", 3)})
    times = np.array(["2020-01-01T23:59", "2020-01-02T00:01", "2020-01-03T05:00", "2020-02-01T05:00"], dtype="datetime64[ns]")
    assert frozen_dates(temperature, times, 2.0).tolist() == [False, True, False, False]
