"""Leak probes: shuffles that keep what is there, and models that know no more than they may."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loam.evaluation.leakage import date_features, pixel_and_season, shuffled_days, shuffled_pixels

DAYS = np.datetime64("2022-01-01") + np.arange(0, 730, 5)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(0, 99))
def test_shuffled_days_are_the_same_days_and_never_the_own(numbers: list[int], seed: int) -> None:
    day = np.datetime64("2022-01-01") + np.array(numbers)
    other = shuffled_days(day, seed)
    pairs = pd.DataFrame({"day": day, "other": other}).drop_duplicates()
    assert sorted(pairs["other"]) == sorted(np.unique(day)) and not pairs["day"].duplicated().any()
    assert (day != other).all() or np.unique(day).size == 1
    assert np.array_equal(other, shuffled_days(day, seed))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_shuffled_pixels_keep_the_distribution_of_a_map(rows: int, columns: int, seed: int) -> None:
    row, column = (index.ravel() for index in np.indices((rows, columns)))
    chart = np.random.default_rng(0).normal(size=(rows, columns))
    other = shuffled_pixels(row, column, (rows, columns), seed)
    assert np.array_equal(np.sort(chart[other]), np.sort(chart.ravel()))
    assert rows * columns == 1 or not ((other[0] == row) & (other[1] == column)).any()


def test_a_date_tells_its_number_and_day_of_the_year() -> None:
    features = date_features(np.array(["1970-01-02", "2024-12-31"], dtype="datetime64[D]"))
    assert features.tolist() == [[1, 1], [20088, 365]]


def test_pixel_and_season_finds_a_planted_cycle_in_a_year_it_has_not_seen() -> None:
    rng = np.random.default_rng(0)

    def cycle(day: np.ndarray) -> np.ndarray:
        phase = 2 * np.pi * date_features(day)[:, 1] / 365.25
        return 0.2 * np.sin(phase) + 0.1 * np.cos(2 * phase)

    place, wanted = (
        rng.uniform(0.3, 0.6, DAYS.size),
        np.datetime64("2025-01-01") + np.arange(0, 365, 9),
    )
    label = place + cycle(DAYS) + rng.normal(0, 0.01, DAYS.size)
    said = pixel_and_season(place, DAYS, label, np.full(wanted.size, 0.4), wanted)
    np.testing.assert_allclose(said, 0.4 + cycle(wanted), atol=0.01)
    assert np.isnan(pixel_and_season(place[:3], DAYS[:3], label[:3], place, DAYS)).all()


def test_seasons_do_not_depend_on_the_order_of_the_samples() -> None:
    rng = np.random.default_rng(1)
    place, label, order = rng.random(DAYS.size), rng.random(DAYS.size), rng.permutation(DAYS.size)
    both = [
        pixel_and_season(place[way], DAYS[way], label[way], place, DAYS)
        for way in (slice(None), order)
    ]
    assert both[0] == pytest.approx(both[1], abs=1e-5)
