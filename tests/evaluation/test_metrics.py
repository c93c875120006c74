"""Scores against hand-worked values and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from loam.evaluation import metrics

TARGET = np.array([0.0, 1.0, 2.0, 3.0])
ESTIMATE = np.array([0.5, 1.0, 2.0, 4.5])


def test_hand_worked_values() -> None:
    assert metrics.r2(TARGET, ESTIMATE) == pytest.approx(1 - 2.5 / 5)
    assert metrics.rmse(TARGET, ESTIMATE) == pytest.approx(np.sqrt(2.5 / 4))
    assert metrics.mae(TARGET, ESTIMATE) == pytest.approx(0.5)
    assert metrics.bias(TARGET, ESTIMATE) == pytest.approx(0.5)
    assert metrics.r(TARGET, ESTIMATE) == pytest.approx(np.corrcoef(TARGET, ESTIMATE)[0, 1])


def test_skill_is_zero_for_the_reference_and_one_for_the_target() -> None:
    reference = np.full(4, 1.5)
    assert metrics.skill(TARGET, reference, reference) == 0
    assert metrics.skill(TARGET, TARGET, reference) == 1
    assert metrics.skill(TARGET, ESTIMATE, reference) == pytest.approx(1 - 2.5 / 5)
    assert np.isnan(metrics.skill(TARGET, ESTIMATE, TARGET))


def test_r2_agrees_with_scikit_learn_on_random_values() -> None:
    rng = np.random.default_rng(0)
    target = rng.uniform(size=200)
    estimate = target + rng.normal(0, 0.2, 200)
    assert metrics.r2(target, estimate) == pytest.approx(r2_score(target, estimate))


def test_noise_ceiling_is_what_a_perfect_model_of_the_truth_reaches() -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 1, 200_000)
    label = truth + rng.normal(0, 0.1, truth.size)
    ceiling = metrics.noise_ceiling(label, np.full(truth.size, 0.1))
    assert ceiling == pytest.approx(1 - 0.01 / (1 / 12 + 0.01), abs=0.005)
    assert metrics.r2(label, truth) == pytest.approx(ceiling, abs=0.005)


def test_coverage_of_a_right_and_a_boastful_sigma() -> None:
    rng = np.random.default_rng(2)
    target = rng.normal(0, 0.3, 50_000)
    sigma = np.full(target.size, 0.3)
    assert metrics.coverage90(target, np.zeros(target.size), sigma) == pytest.approx(0.9, abs=0.01)
    assert metrics.coverage90(target, np.zeros(target.size), sigma / 3) < 0.5


def test_temporal_and_spatial_correlation_know_their_axis() -> None:
    frame, pixel = (axis.ravel() for axis in np.meshgrid(np.arange(20), np.arange(30), indexing="ij"))
    rng = np.random.default_rng(3)
    season, place = rng.normal(size=20), rng.normal(size=30)
    target = season[frame] + place[pixel]
    assert metrics.temporal_r(target, season[frame], frame) == pytest.approx(1)
    assert metrics.spatial_r(target, place[pixel] - season[frame], frame, pixel) == pytest.approx(1)
    assert metrics.temporal_r(target, place[pixel] - season[frame], frame) == pytest.approx(-1)


def test_spatial_correlation_is_not_fooled_by_the_dates_a_pixel_was_drawn_on() -> None:
    rng = np.random.default_rng(4)
    frame, pixel = rng.integers(0, 20, 4000), np.arange(4000)
    season = rng.normal(size=20)[frame]
    target, estimate = season + 0.1 * rng.normal(size=4000), season + 0.1 * rng.normal(size=4000)
    assert abs(metrics.spatial_r(target, estimate, frame, pixel)) < 0.1


@given(st.integers(0, 3), st.sampled_from([0.0, 0.25, np.nan]))
def test_undefined_scores_are_nan_and_never_an_exception(size: int, value: float) -> None:
    constant = np.full(size, value)
    varied = np.arange(size, dtype=float)
    assert np.isnan(metrics.r2(constant, varied))
    assert np.isnan(metrics.r(constant, varied))
    assert np.isnan(metrics.noise_ceiling(constant, varied))
    assert np.isnan(metrics.spatial_r(constant, varied, varied, varied))
    for score in (metrics.rmse, metrics.mae, metrics.bias):
        assert np.isnan(score(constant, varied)) == (size < 2 or np.isnan(value))


def test_pairs_that_are_not_finite_are_left_out() -> None:
    holed = np.append(TARGET, [np.nan, 3.0])
    assert metrics.r2(holed, np.append(ESTIMATE, [1.0, np.nan])) == metrics.r2(TARGET, ESTIMATE)
