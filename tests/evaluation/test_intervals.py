"""Coverage and CRPS against draws and a numerical integral."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from loam.evaluation.intervals import coverage, crps, gaussian_factor, interval_scores

UNIT = st.floats(0, 1)


@given(UNIT, UNIT, st.floats(0.02, 0.8))
def test_crps_is_the_integral_of_its_definition(target: float, mean: float, sigma: float) -> None:
    """Closed form against the integral of (F(x) - 1[x >= target])², cut at the target."""

    def squared(x: float) -> float:
        return float((stats.norm.cdf(x, mean, sigma) - (x >= target)) ** 2)

    low, high = min(target, mean - 10 * sigma), max(target, mean + 10 * sigma)
    total = sum(
        integrate.quad(squared, *ends, limit=200, epsabs=1e-9)[0]
        for ends in ((low, target), (target, high))
    )
    assert crps(np.full(2, target), np.full(2, mean), np.full(2, sigma)) == pytest.approx(
        total, abs=1e-6
    )


def test_crps_of_a_sure_forecast_is_its_absolute_error() -> None:
    target, mean = np.array([0.2, 0.6]), np.array([0.5, 0.5])
    assert crps(target, mean, np.full(2, 1e-9)) == pytest.approx(0.2)


@pytest.mark.parametrize("level", [68, 90, 95])
def test_a_right_sigma_covers_what_it_promises_and_a_boastful_one_less(level: int) -> None:
    rng = np.random.default_rng(2)
    target, half = rng.normal(0, 0.3, 50_000), np.full(50_000, 0.3 * gaussian_factor(level))
    assert coverage(target, np.zeros(50_000), half) == pytest.approx(level / 100, abs=0.01)
    assert coverage(target, np.zeros(50_000), half / 3) < level / 100 - 0.2


def test_calibration_widens_what_is_too_narrow() -> None:
    rng = np.random.default_rng(3)
    target, mean, sigma = rng.normal(0, 0.2, 20_000), np.zeros(20_000), np.full(20_000, 0.1)
    scores = dict(
        interval_scores(
            target, mean, sigma, {level: 2 * gaussian_factor(level) for level in (68, 90, 95)}
        )
    )
    assert scores["coverage90"] < 0.7
    assert scores["coverage90_calibrated"] == pytest.approx(0.9, abs=0.01)
    assert (
        scores["width90_calibrated"]
        == pytest.approx(2 * scores["width90"])
        == pytest.approx(0.4 * gaussian_factor(90))
    )
    assert not any(
        name.endswith("_calibrated") for name, _ in interval_scores(target, mean, sigma, None)
    )


def test_too_few_values_score_nan() -> None:
    one = np.ones(1)
    assert all(np.isnan(value) for _, value in interval_scores(one, one, one, {90: 1.0}))
