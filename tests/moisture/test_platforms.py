"""Offsets between satellites: found, told from season and rain, and left alone when chance."""

import logging

import numpy as np
import pytest
from helpers import days

from loam.moisture.platforms import antecedent_rain, platform_offsets, significant, stable_series


def series(seed: int, offset: float, noise: float = 0.2) -> tuple[np.ndarray, ...]:
    """150 dates of two tracks; S1C takes over half-way. Backscatter follows season and rain too."""
    rng = np.random.default_rng(seed)
    times = days("2021-01-01", 150, step=6)
    rain = rng.gamma(1.0, 10.0, 150)
    tracks = np.array(["A", "D"])[np.arange(150) % 2]
    platforms = np.where(np.arange(150) < 80, "S1A", "S1C")
    year = 2 * np.pi * np.arange(150) * 6 / 365.25
    level = (
        0.8 * np.cos(year)
        + 0.02 * rain
        + 0.5 * (tracks == "D")
        + offset * (platforms == "S1C")
        + rng.normal(0, noise, 150)
    )
    return level, platforms, tracks, times, rain


def test_an_offset_comes_back_with_an_honest_error() -> None:
    found = np.array([platform_offsets(*series(seed, 0.4))["S1C"] for seed in range(300)])
    assert found[:, 0].mean() == pytest.approx(0.4, abs=0.01)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)


def test_only_a_significant_offset_is_removed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert significant(platform_offsets(*series(1, 0.4)), 3)["S1C"][0] == pytest.approx(
            0.4, abs=0.15
        )
        assert significant({"S1A": (0.0, 0.0), "S1C": (0.05, 0.04)}, 3) == {
            "S1A": (0.0, 0.0),
            "S1C": (0.0, 0.04),
        }
    assert "removed" in caplog.records[0].getMessage()
    assert "not significant" in caplog.records[-1].getMessage()
    false = [
        significant(platform_offsets(*series(seed, 0.0)), 3)["S1C"][0] != 0 for seed in range(200)
    ]
    assert np.mean(false) < 0.04


def test_a_satellite_that_flies_one_track_alone_cannot_be_told_from_it() -> None:
    level, _, tracks, times, rain = series(2, 0.0)
    offset, error = platform_offsets(
        level, np.where(tracks == "A", "S1A", "S1B"), tracks, times, rain
    )["S1B"]
    assert offset == 0
    assert np.isnan(error)
    assert significant({"S1B": (offset, error)}, 3)["S1B"][0] == 0


def test_the_series_is_that_of_stable_ground() -> None:
    rng = np.random.default_rng(3)
    moisture = rng.normal(0, 2.0, 60)
    stable, moist = rng.normal(0, 0.2, (60, 100)), moisture[:, None] + rng.normal(0, 0.2, (60, 200))
    level = np.concatenate([stable - 5, moist - 12], axis=1) + 0.5 * (np.arange(60) >= 30)[:, None]
    level[7] = np.nan
    got = stable_series(level, np.array(["A"] * 60))
    assert np.isnan(got[7])
    assert abs(np.corrcoef(np.delete(got, 7), np.delete(moisture, 7))[0, 1]) < 0.4
    assert np.nanmean(got[30:]) - np.nanmean(got[:30]) == pytest.approx(0.5, abs=0.05)


def test_rain_is_forgotten_by_a_share_a_day() -> None:
    np.testing.assert_allclose(
        antecedent_rain(np.array([10.0, 0.0, np.nan, 2.0])), [10, 8.5, 7.225, 8.14125]
    )
