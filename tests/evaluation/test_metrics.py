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


def test_scores_agree_with_pytesmo() -> None:
    from pytesmo import metrics as reference

    rng = np.random.default_rng(2)
    target = rng.uniform(size=300)
    estimate = 0.2 + 0.7 * target + rng.normal(0, 0.1, 300)
    assert metrics.ubrmse(target, estimate) == pytest.approx(reference.ubrmsd(estimate, target))
    assert metrics.rmse(target, estimate) == pytest.approx(reference.rmsd(estimate, target))
    assert metrics.bias(target, estimate) == pytest.approx(reference.bias(estimate, target))
    assert metrics.r(target, estimate) == pytest.approx(reference.pearson_r(estimate, target))
    assert metrics.r2(target, estimate) == pytest.approx(reference.nash_sutcliffe(target, estimate))


def test_error_splits_into_bias_and_the_rest() -> None:
    total, part, rest = (
        score(TARGET, ESTIMATE) for score in (metrics.rmse, metrics.bias, metrics.ubrmse)
    )
    assert total**2 == pytest.approx(part**2 + rest**2)


def test_anomaly_correlation_does_not_pay_for_knowing_the_season() -> None:
    rng = np.random.default_rng(5)
    day = np.arange(0, 720, 6)
    frame = np.datetime64("2022-01-01", "ns") + day * np.timedelta64(1, "D")
    season, weather = np.sin(2 * np.pi * day / 360), 0.2 * rng.normal(size=day.size)
    knows_season = season + 0.2 * rng.normal(size=day.size)
    assert metrics.r(season + weather, knows_season) > 0.9
    assert abs(metrics.anomaly_r(season + weather, knows_season, np.arange(day.size), frame)) < 0.25
    assert metrics.anomaly_r(season + weather, weather - season, np.arange(day.size), frame) > 0.9


def test_anomalies_are_those_of_pytesmo() -> None:
    import pandas as pd
    from pytesmo.time_series.anomaly import calc_anomaly

    rng = np.random.default_rng(6)
    days = np.sort(rng.choice(400, 90, replace=False))
    values = pd.Series(
        rng.normal(size=90), index=pd.Timestamp("2022-01-01") + pd.to_timedelta(days, "D")
    )
    ours = metrics.anomalies(values.to_numpy(), values.index.to_numpy())
    np.testing.assert_allclose(ours, calc_anomaly(values, window_size=35), atol=1e-12)


def test_temporal_and_spatial_correlation_know_their_axis() -> None:
    frame, pixel = (
        axis.ravel() for axis in np.meshgrid(np.arange(20), np.arange(30), indexing="ij")
    )
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
    assert np.isnan(metrics.spatial_r(constant, varied, np.arange(size), np.arange(size)))
    for score in (metrics.rmse, metrics.mae, metrics.bias):
        assert np.isnan(score(constant, varied)) == (size < 2 or np.isnan(value))


def test_pairs_that_are_not_finite_are_left_out() -> None:
    holed = np.append(TARGET, [np.nan, 3.0])
    assert metrics.r2(holed, np.append(ESTIMATE, [1.0, np.nan])) == metrics.r2(TARGET, ESTIMATE)
