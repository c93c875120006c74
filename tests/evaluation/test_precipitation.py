"""The antecedent precipitation index: its recurrence, and a planted decay found again."""

import numpy as np
import pytest

from loam.core.features import WEATHER, open_covariates
from loam.evaluation.precipitation import antecedent_index, fit_antecedent


def test_the_index_is_its_recurrence() -> None:
    rain = np.random.default_rng(0).gamma(0.5, 8, (40, 2, 3))
    index = antecedent_index(rain, 0.9)
    expected = np.zeros((2, 3))
    for today, value in zip(rain, index, strict=True):
        expected = 0.9 * expected + today
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_a_planted_decay_is_found_from_noisy_labels_and_predicts_other_days(shared_run) -> None:
    covariates = open_covariates(shared_run.inputs()["covariates"])
    rng = np.random.default_rng(1)
    field = antecedent_index(covariates.weather.values[:, WEATHER.index("precipitation")], 0.83)
    index = rng.integers(60, len(field), 900)
    row, column = rng.integers(0, 48, 900), rng.integers(0, 40, 900)
    true = np.array(
        [
            covariates.weather.at(field[i], (r, c))
            for i, r, c in zip(index, row[:, None], column[:, None], strict=True)
        ]
    )[:, 0]
    label = 0.1 + 0.02 * true
    day = covariates.weather.times[index]
    fitted = fit_antecedent(
        covariates, day[:600], row[:600], column[:600], (label + rng.normal(0, 0.02, 900))[:600]
    )
    assert fitted is not None
    assert (fitted.decay, fitted.slope, fitted.intercept) == pytest.approx(
        (0.83, 0.02, 0.1), abs=0.02
    )
    np.testing.assert_allclose(
        fitted.predict(covariates, day[600:], row[600:], column[600:]),
        np.clip(label[600:], 0, 1),
        atol=0.02,
    )


def test_without_labels_there_is_no_fit(shared_run) -> None:
    covariates = open_covariates(shared_run.inputs()["covariates"])
    none = np.zeros(0, dtype=int)
    assert (
        fit_antecedent(covariates, none.astype("datetime64[D]"), none, none, none.astype(float))
        is None
    )
