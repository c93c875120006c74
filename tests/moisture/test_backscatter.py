"""Averaging, noise, normalisation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from loam.core.grid import support_pixels
from loam.moisture.backscatter import averaged_db, independent_share, normalised, speckle_variance


@pytest.mark.parametrize(
    ("support", "pixel", "expected"),
    [(100, 20, 5), (20, 20, 1), (10, 20, 1), (100, 10, 9), (100, 100, 1), (60, 20, 3)],
)
def test_the_window_is_odd_and_about_the_support(
    support: float, pixel: float, expected: int
) -> None:
    assert support_pixels(support, pixel) == expected


def test_power_is_averaged_before_decibels() -> None:
    power = np.random.default_rng(0).gamma(4.4, 0.1 / 4.4, size=(1, 12, 16)).astype(np.float32)
    level, count = averaged_db(power, 3)
    assert level[0, 5, 7] == pytest.approx(10 * np.log10(power[0, 4:7, 6:9].mean()), abs=1e-5)
    assert level[0, 5, 7] > (10 * np.log10(power[0, 4:7, 6:9])).mean()
    assert count[0, 5, 7] == 9
    assert count[0, 0, 0] == 4


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 5, 9]), st.floats(1e-8, 1e6))
def test_averages_are_scipys_over_all_orders_of_magnitude(
    seed: int, size: int, scale: float
) -> None:
    power = (np.random.default_rng(seed).gamma(1.0, 1.0, (2, 17, 23)) * scale).astype(np.float32)
    total = np.stack(
        [uniform_filter(image.astype(float), size, mode="constant") for image in power]
    )
    share = uniform_filter(np.ones((17, 23)), size, mode="constant")
    np.testing.assert_allclose(averaged_db(power, size)[0], 10 * np.log10(total / share), atol=5e-5)


def test_missing_pixels_neither_count_nor_appear() -> None:
    power = np.ones((1, 5, 5), np.float32)
    power[0, 2, 2] = np.nan
    power[0, 2, 3] = 4.0
    level, count = averaged_db(power, 3)
    assert np.isnan(level[0, 2, 2])
    # Eight finite neighbours, one of them 4.
    assert 10 ** (level[0, 1, 2] / 10) == pytest.approx((7 + 4) / 8)
    assert count[0, 1, 2] == 8


def test_negative_power_counts_and_a_negative_mean_is_missing() -> None:
    power = np.full((1, 12, 16), 0.1, np.float32)
    power[0, 5, 5] = -0.05
    power[0, 0:3, 0:3] = -1.0
    level = averaged_db(power, 3)[0][0]
    assert level[5, 5] == pytest.approx(10 * np.log10((8 * 0.1 - 0.05) / 9), abs=1e-4)
    assert np.isnan(level[1, 1])


def test_threads_change_nothing() -> None:
    power = np.random.default_rng(5).gamma(1.0, 1.0, (3, 37, 41)).astype(np.float32)
    for one, three in zip(averaged_db(power, 5), averaged_db(power, 5, threads=3), strict=True):
        np.testing.assert_array_equal(one, three)


def test_speckle_is_what_gamma_noise_shows() -> None:
    rng = np.random.default_rng(1)
    for looks, count in ((4.4, 25), (4.4, 1)):
        expected = (10 * np.log10(rng.gamma(looks, 1 / looks, size=(40000, count)).mean(1))).var()
        assert speckle_variance(np.array(count), looks) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("support", "looks"), [(20, 4.4), (30, 9), (50, 25), (100, 100)])
def test_looks_of_a_support_do_not_depend_on_the_grid(support: float, looks: float) -> None:
    """4.4 looks in 20 x 22 m: pixels of 10 m share speckle."""
    for pixel in (10, 20):
        if support >= pixel and support / pixel == support // pixel:
            variance = speckle_variance(
                np.array((support / pixel) ** 2), 4.4, independent_share(pixel, 21)
            )
            assert variance == pytest.approx(speckle_variance(np.array(1), looks), rel=0.02)


def test_normalisation_is_the_same_on_values_and_on_references() -> None:
    """sigma40 between dry40 and wet40 equals sigma between dry(theta) and wet(theta)."""
    rng = np.random.default_rng(2)
    sigma, theta, beta = (
        rng.normal(-12, 2, 50),
        rng.uniform(30, 46, 50),
        rng.normal(-0.13, 0.02, 50),
    )
    dry, wet = rng.normal(-16, 1, 50), rng.normal(-8, 1, 50)
    on_values = (normalised(sigma, theta, beta) - dry) / (wet - dry)
    shift = beta * (theta - 40)
    np.testing.assert_allclose(
        on_values, (sigma - (dry + shift)) / ((wet + shift) - (dry + shift)), atol=1e-6
    )
