"""What a model has to beat: climatology, persistence, antecedent precipitation, boosting. All are fitted on training alone."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from loam.config.evaluation import Boosting
from loam.core.features import Covariates


def climatology(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mean training label of every pixel `(y, x)` float32; the mean of the training pixels where there is none.

    Args:
        total: sum of the training labels of each pixel `(y, x)`.
        count: number of them `(y, x)`.
    """
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    known = mean[count > 0]
    return np.where(count > 0, mean, known.mean() if known.size else np.nan).astype(np.float32)


def stationary_features(
    covariates: Covariates, day: np.ndarray, row: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Terrain, soil and NDVI of pixel-dates `(n, feature)` float32, features in the order of `static_names`.

    Args:
        covariates: of the run.
        day: day of each `(n)`.
        row: its row `(n)`.
        column: its column `(n)`.
    """
    return _by_day(
        day, lambda one, here: covariates.stationary(one, _pixels(row[here], column[here]))
    )


def weather_features(
    covariates: Covariates,
    day: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
    windows_days: Sequence[int],
) -> np.ndarray:
    """Weather of several windows up to the day of pixel-dates `(n, feature)` float32: per window the channels of `WEATHER`.

    Args:
        covariates: of the run.
        day: last day of the windows `(n)`.
        row: row of each `(n)`.
        column: its column `(n)`.
        windows_days: lengths of the windows [day].
    """

    def of_day(one: np.datetime64, here: np.ndarray) -> np.ndarray:
        pixels = _pixels(row[here], column[here])
        return np.concatenate(
            [covariates.dynamic(one, days, "aggregate", pixels)[0] for days in windows_days]
        )

    return _by_day(day, of_day)


def usable_windows(windows_days: Sequence[int], longest: int) -> tuple[int, ...]:
    """Windows of boosting [day]: those no longer than the experiments', and their longest, so that all see the same days."""
    return tuple(sorted({length for length in windows_days if length < longest} | {longest}))


def covered(covariates: Covariates, times: np.ndarray, days: int) -> np.ndarray:
    """Whether the weather of the window up to each time is known, bool `(time)`."""
    first, last = covariates.weather.times[0], covariates.weather.times[-1]
    day = times.astype("datetime64[D]")
    return (day - np.timedelta64(days - 1, "D") >= first) & (day <= last)


def boost(
    features: np.ndarray, label: np.ndarray, wanted: np.ndarray, cfg: Boosting, seed: int
) -> np.ndarray:
    """Fit gradient boosting and predict `(m)` float32; NaN where there is too little to learn from.

    Args:
        features: of the training pixel-dates `(n, feature)`.
        label: their labels `(n)`.
        wanted: features to predict from `(m, feature)`.
        cfg: section `evaluation.boosting`.
        seed: of the binning.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    if len(label) < 2 or len(wanted) == 0:
        return np.full(len(wanted), np.nan, dtype=np.float32)
    # Early stopping would hold out random pixels of the same dates, which it then knows; the trees are few enough.
    model = HistGradientBoostingRegressor(
        max_iter=cfg.iterations,
        learning_rate=cfg.learning_rate,
        min_samples_leaf=cfg.min_leaf,
        early_stopping=False,
        random_state=seed,
    )
    return model.fit(features, label).predict(wanted).astype(np.float32)


def _pixels(row: np.ndarray, column: np.ndarray) -> Any:
    return (row, column)  # numpy takes index arrays where it takes slices


def _by_day(
    day: np.ndarray, of_day: Callable[[np.datetime64, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Features of pixel-dates `(n, feature)`, put together day by day from `(feature, pixel)`."""
    out: np.ndarray | None = None
    for one in np.unique(day):
        here = np.flatnonzero(day == one)
        features = of_day(one, here)
        out = np.empty((day.size, features.shape[0]), dtype=np.float32) if out is None else out
        out[here] = features.T
    return np.empty((0, 0), dtype=np.float32) if out is None else out
