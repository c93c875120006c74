"""References: known truth, missing data, standard errors, no leak from test dates."""

import logging

import numpy as np
import pytest
import xarray as xr
from helpers import days
from hypothesis import given, settings
from hypothesis import strategies as st

from loam.moisture.references import angular_slope, bootstrap_errors, build_references, dry_wet_references, training_data


@pytest.fixture
def change(cfg):
    return cfg.moisture.change


def test_evenly_spread_moisture_gives_back_its_extremes() -> None:
    values = np.linspace(-16, -8, 401).reshape(-1, 1, 1) * np.ones((1, 2, 3))
    for low, high in ((10, 90), (5, 95), (20, 70)):
        dry, wet = dry_wet_references(values, low, high)
        np.testing.assert_allclose(dry, -16, atol=1e-9)
        np.testing.assert_allclose(wet, -8, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 40))
def test_percentiles_are_numpys_with_gaps(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(-12, 3, size=(count, 3, 4))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0] = -12
    p10, p90 = np.nanpercentile(values, [10, 90], axis=0)
    dry, wet = dry_wet_references(values, 10, 90)
    np.testing.assert_allclose(dry, p10 - 0.1 * (p90 - p10) / 0.8, atol=1e-9)
    np.testing.assert_allclose(wet, p90 + 0.1 * (p90 - p10) / 0.8, atol=1e-9)


def test_bootstrap_errors_are_the_spread_of_repeated_experiments() -> None:
    rng = np.random.default_rng(4)
    estimates = np.array([dry_wet_references(rng.uniform(-16, -8, (60, 1, 1)), 10, 90) for _ in range(2000)])[:, :, 0, 0]
    dry_error, wet_error, sensitivity_error = bootstrap_errors(rng.uniform(-16, -8, (60, 20, 20)), 10, 90, 100, rng)
    assert np.median(dry_error) == pytest.approx(estimates[:, 0].std(), rel=0.2)
    assert np.median(wet_error) == pytest.approx(estimates[:, 1].std(), rel=0.2)
    assert np.median(sensitivity_error) == pytest.approx((estimates[:, 1] - estimates[:, 0]).std(), rel=0.2)


def two_tracks(rng: np.random.Generator, noise_db: float, count: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Backscatter, incidence and track of pixels with a slope of -0.13 dB/degree."""
    tracks = np.array(["A", "D"])[np.arange(count) % 2]
    angle = np.where(tracks == "A", 33.0, 43.0)[:, None, None] + rng.normal(0, 0.3, (count, 1, 1)) + np.zeros((1, 6, 6))
    moisture = rng.uniform(0, 1, (count, 6, 6))
    return -15 + 6 * moisture - 0.13 * (angle - 40) + rng.normal(0, noise_db, (count, 6, 6)), angle, tracks


def test_the_slope_is_found_with_an_honest_error() -> None:
    values, angle, tracks = two_tracks(np.random.default_rng(5), 0.43, 4000)
    slope, error = angular_slope(values, angle, tracks, 0.5)
    assert slope.mean() == pytest.approx(-0.13, abs=0.005)
    assert error.mean() == pytest.approx((slope - -0.13).std(), rel=0.35)


def test_an_uncertain_slope_or_a_single_track_gives_none() -> None:
    values, angle, tracks = two_tracks(np.random.default_rng(6), 0.43)
    assert np.isnan(angular_slope(values, angle, tracks, 0.05)[0]).mean() > 0.9  # moisture alone leaves over 5 % with 200 dates
    assert np.isnan(angular_slope(values, angle, np.full(len(tracks), "A"), 0.5)[0]).all()
    assert np.isnan(angular_slope(values, None, tracks, 0.5)[0]).all()


def test_references_are_per_track(change, layer, box) -> None:
    rng = np.random.default_rng(7)
    tracks = np.array(["A", "D"] * 60)
    moisture = np.tile(np.linspace(0, 1, 60).repeat(2)[:, None, None], (1, *box.shape))
    values = np.where(tracks == "A", -14.0, -11.0)[:, None, None] + 6 * moisture + rng.normal(0, 0.01, moisture.shape)
    fitted = build_references(layer(values.astype(np.float32), days("2020-01-01", 120)), None, tracks, change)
    assert fitted["track"].values.tolist() == ["A", "D"]
    np.testing.assert_allclose(fitted["dry"].mean(("y", "x")), [-14, -11], atol=0.1)
    np.testing.assert_allclose(fitted["sensitivity"].mean(("y", "x")), [6, 6], atol=0.1)
    assert (fitted["dates"] == 60).all()


def test_one_reference_for_all_tracks_at_40_degrees(load, layer, box) -> None:
    change = load(moisture={"change": {"normalisation": "beta", "beta_max_relative_error": 0.3}}).moisture.change
    rng = np.random.default_rng(8)
    values, angle, tracks = two_tracks(rng, 0.1, 2000)
    grid = box[:6, :6]
    fitted = build_references(layer(values, days("2020-01-01", 2000), on=grid), angle, tracks, change)
    assert fitted["track"].values.tolist() == ["all"]
    assert float(fitted["dry"].median()) == pytest.approx(-15, abs=0.15)
    assert float(fitted["wet"].median()) == pytest.approx(-9, abs=0.15)


def test_a_track_with_too_few_dates_is_warned_of_with_counts(change, layer, box, caplog: pytest.LogCaptureFixture) -> None:
    tracks = np.array(["A"] * 60 + ["D"] * 9)
    values = np.random.default_rng(9).normal(-12, 2, (69, *box.shape))
    with caplog.at_level(logging.WARNING):
        build_references(layer(values, days("2020-01-01", 69)), None, tracks, change)
    assert [record.getMessage() for record in caplog.records] == [
        "track D: 9 training dates, fewer than moisture.change.min_dates = 50; its pixels are flagged too_few_dates"
    ]


def test_only_training_dates_that_are_not_frozen_are_read(change, layer, box) -> None:
    times = days("2020-01-01", 10)
    data = xr.Dataset({"vv": layer(np.ones((10, *box.shape)), times)}).assign_coords(track=("time", ["A"] * 10))
    weather = xr.Dataset({"temperature": layer(np.where(np.arange(10) == 2, -5.0, 8.0)[:, None, None] * np.ones(box.shape), times)})
    splits = {"dates": {"train": [str(time)[:19] for time in times[:6]], "test": [str(time)[:19] for time in times[6:]]}}
    kept = training_data(data, splits, weather, change)["time"].values
    assert kept.tolist() == times[[0, 1, 3, 4, 5]].tolist()
