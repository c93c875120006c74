"""References and slopes: known truth, missing data, honest standard errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from radar_scene import TRACKS, VV, Seen, see
from scipy.stats import norm

from loam.moisture.backscatter import ALL_TRACKS
from loam.moisture.fitting import (
    ORIGINS,
    accepted_slopes,
    angular_slope,
    dry_wet_references,
    fit_tracks,
)

YEAR = (np.zeros(200, dtype=np.int64), 1)
DRY, WET, S, U_DRY, U_WET, U_S = range(6)


def test_evenly_spread_moisture_gives_back_its_extremes() -> None:
    for count in (9, 60, 401):
        values = (-16 + 8 * np.arange(1, count + 1) / (count + 1))[:, None, None] * np.ones(
            (1, 2, 3)
        )
        for low, high in ((10, 90), (5, 95), (20, 70)):
            fitted, dates = dry_wet_references(values, low, high)
            np.testing.assert_allclose(fitted[DRY], -16, atol=1e-4)
            np.testing.assert_allclose(fitted[WET], -8, atol=1e-4)
            assert (dates == count).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 140), st.integers(1, 140))
def test_percentiles_are_numpys_with_gaps(seed: int, count: int, width: int) -> None:
    """With n dates the percentiles lie at (p (n - 1) + 1) / (n + 1) of the way from dry to wet."""
    rng = np.random.default_rng(seed)
    values = rng.normal(-12, 3, size=(count, 2, width)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0] = -12
    values[1] = -11
    fitted, dates = dry_wet_references(values, 10, 90)
    p10, p90 = np.nanpercentile(values, [10, 90], axis=0)
    low, high = ((share * (dates - 1) + 1) / (dates + 1) for share in (0.1, 0.9))
    sensitivity = (p90 - p10) / (high - low)
    np.testing.assert_array_equal(dates, np.isfinite(values).sum(axis=0))
    np.testing.assert_allclose(fitted[S], sensitivity, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fitted[DRY], p10 - low * sensitivity, atol=1e-3)
    np.testing.assert_allclose(fitted[WET], p90 + (1 - high) * sensitivity, atol=1e-3)


def test_many_dates_follow_the_textbook_formula() -> None:
    values = np.random.default_rng(1).uniform(-16, -8, (1000, 1, 4))
    p10, p90 = np.percentile(values, [10, 90], axis=0)
    fitted, _ = dry_wet_references(values, 10, 90)
    np.testing.assert_allclose(fitted[DRY], p10 - 0.1 * (p90 - p10) / 0.8, atol=0.02)
    np.testing.assert_allclose(fitted[WET], p90 + 0.1 * (p90 - p10) / 0.8, atol=0.02)


@pytest.mark.parametrize(
    "draw",
    [lambda rng, shape: rng.uniform(-16, -8, shape), lambda rng, shape: rng.normal(-12, 2, shape)],
)
@pytest.mark.parametrize(("count", "tolerance"), [(40, 0.18), (100, 0.12)])
def test_errors_are_the_spread_of_repeated_experiments(draw, count: int, tolerance: float) -> None:
    """Every pixel is an experiment of its own: the spread of the estimates is what the errors should say."""
    values = draw(np.random.default_rng(4), (count, 60, 60))
    fitted, _ = dry_wet_references(values, 10, 90)
    for estimate, error in ((DRY, U_DRY), (WET, U_WET), (S, U_S)):
        assert np.sqrt((fitted[error] ** 2).mean()) == pytest.approx(
            fitted[estimate].std(), rel=tolerance
        )


def test_errors_with_and_without_gaps_agree() -> None:
    """Tiles without gaps take another path through the compiled loops."""
    values = np.random.default_rng(5).normal(-12, 2, (60, 3, 40)).astype(np.float32)
    whole, _ = dry_wet_references(values, 10, 90)
    gaps = np.concatenate([values, np.full((1, 3, 40), np.nan, np.float32)])
    np.testing.assert_allclose(dry_wet_references(gaps, 10, 90)[0], whole, rtol=1e-3, atol=1e-5)
    mixed = np.concatenate(
        [
            values,
            np.where(np.arange(40) == 7, -12, np.nan).astype(np.float32)
            * np.ones((1, 3, 1), np.float32),
        ]
    )
    keep = np.arange(40) != 7
    np.testing.assert_allclose(
        dry_wet_references(mixed, 10, 90)[0][..., keep], whole[..., keep], rtol=1e-3, atol=1e-5
    )


def test_pixels_without_values_are_missing_and_counted() -> None:
    values = np.full((20, 2, 3), np.nan)
    values[:1, 0, 0] = -12
    fitted, dates = dry_wet_references(values, 10, 90)
    assert np.isnan(fitted).all()
    assert dates.tolist() == [[1, 0, 0], [0, 0, 0]]


def test_known_references_and_slope_come_back(bare: Seen) -> None:
    """200 dates, two tracks, 100 looks: bias of dry and wet below 0.1 dB, of beta below 0.005 dB/degree."""
    fitted = fit_tracks(
        bare.level, bare.angle, bare.tracks, [*TRACKS, ALL_TRACKS], YEAR, (10, 90), 0.99, None, 2
    )
    assert np.nanmean(fitted.slope[0, 0]) == pytest.approx(VV.slope, abs=0.005)
    for place, name in enumerate((*TRACKS, ALL_TRACKS)):
        shift = 0 if name == ALL_TRACKS else VV.slope * (bare.angle[bare.tracks == name][0] - 40)
        dry, wet = (
            fitted.layers[place, DRY] - bare.dry - shift,
            fitted.layers[place, WET] - bare.wet - shift,
        )
        assert np.nanmean(dry) == pytest.approx(0, abs=0.1)
        assert np.nanmean(wet) == pytest.approx(0, abs=0.1)
        assert np.nanmean(fitted.layers[place, U_DRY]) == pytest.approx(np.nanstd(dry), rel=0.15)
        assert np.nanmean(fitted.layers[place, U_WET]) == pytest.approx(np.nanstd(wet), rel=0.15)


def test_the_slopes_error_is_honest(bare: Seen) -> None:
    slope, error = angular_slope(bare.level, bare.angle, threads=2)
    z = (slope - VV.slope) / error  # the tracks' angles differ by more in one pixel than in another
    assert z.std() == pytest.approx(1, abs=0.08)
    assert np.mean(np.abs(z) < 1) == pytest.approx(0.683, abs=0.04)


def test_memory_of_the_soil_makes_a_slope_between_alternating_tracks_more_certain() -> None:
    """What both tracks see in turns cancels; a regression that takes dates as independent would not know."""
    rng = np.random.default_rng(6)
    state = np.zeros((200, 40, 40))
    for index in range(1, 200):
        state[index] = 0.8 * state[index - 1] + 0.6 * rng.standard_normal((40, 40))
    seen = see(norm.cdf(state).astype(np.float32), rng)
    slope, error = angular_slope(seen.level, seen.angle, threads=2)
    away = seen.angle - seen.angle.mean(axis=0)
    residual = seen.level - seen.level.mean(axis=0) - slope * away
    independent = np.sqrt((residual**2).sum(axis=0) / 198 / (away**2).sum(axis=0))
    assert slope.std() < 0.5 * independent.mean()
    assert slope.std() < error.mean() < 0.75 * independent.mean()


def test_an_uncertain_slope_or_a_single_track_gives_none(bare: Seen) -> None:
    slopes, origin = accepted_slopes(bare.level, bare.angle, *YEAR, 0.05, None)
    assert np.isnan(slopes[0]).mean() > 0.9  # moisture alone leaves over 5 % with 200 dates
    assert ((origin == 0) == np.isnan(slopes[0])).all()
    one = bare.tracks == "A004"
    fitted = fit_tracks(
        bare.level[one],
        bare.angle[one],
        bare.tracks[one],
        ["A004"],
        (YEAR[0][one], 1),
        (10, 90),
        0.99,
    )
    assert np.isnan(fitted.slope).all()
    fitted = fit_tracks(bare.level, None, bare.tracks, list(TRACKS), YEAR, (10, 90), 0.99)
    assert np.isnan(fitted.slope).all()


def test_without_a_certain_slope_the_land_covers_serves(bare: Seen) -> None:
    given_slope = np.stack(
        [np.full((48, 48), -0.11, np.float32), np.full((48, 48), 0.02, np.float32)]
    )
    slopes, origin = accepted_slopes(bare.level, bare.angle, *YEAR, 0.15, given_slope)
    own = origin[0] == ORIGINS["year"]
    assert 0.02 < own.mean() < 0.5
    np.testing.assert_array_equal(slopes[0, 0][~own], np.float32(-0.11))
    assert (origin[0][~own] == ORIGINS["landcover"]).all()
    assert (slopes[1, 0][own] <= 0.15 * np.abs(slopes[0, 0][own]) + 1e-6).all()


def test_a_slope_for_every_month_follows_the_plants() -> None:
    rng = np.random.default_rng(7)
    months = np.tile(np.arange(12).repeat(2), 40)
    tracks = np.array(TRACKS)[np.arange(960) % 2]
    angle = np.where(tracks == "A004", 33.0, 43.0)[:, None, None] + rng.normal(0, 1, (960, 8, 8))
    slope = np.where((months >= 4) & (months < 9), -0.05, -0.15)[:, None, None]
    level = -12 + slope * (angle - 38) + rng.normal(0, 0.3, angle.shape)
    slopes, origin = accepted_slopes(level, angle, months, 12, 0.3, None)
    assert (origin == ORIGINS["season"]).mean() > 0.9
    np.testing.assert_allclose(np.nanmean(slopes[0, 4:9], axis=(1, 2)), -0.05, atol=0.005)
    np.testing.assert_allclose(
        np.nanmean(slopes[0, [0, 1, 2, 3, 9, 10, 11]], axis=(1, 2)), -0.15, atol=0.005
    )


def test_references_are_per_track() -> None:
    rng = np.random.default_rng(7)
    tracks = np.array(["A", "D"] * 60)
    moisture = np.tile((np.arange(1, 61) / 61).repeat(2)[:, None, None], (1, 5, 7))
    values = (
        np.where(tracks == "A", -14.0, -11.0)[:, None, None]
        + 6 * moisture
        + rng.normal(0, 0.01, moisture.shape)
    )
    fitted = fit_tracks(
        values, None, tracks, ["A", "D"], (np.zeros(120, np.int64), 1), (10, 90), 0.05
    )
    np.testing.assert_allclose(fitted.layers[:, DRY].mean((1, 2)), [-14, -11], atol=0.05)
    np.testing.assert_allclose(fitted.layers[:, S].mean((1, 2)), [6, 6], atol=0.05)
    assert (fitted.dates == 60).all()
