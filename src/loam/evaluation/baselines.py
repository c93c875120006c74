"""What a model has to beat: climatology, persistence, gradient boosting. All are fitted on the training part only."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from loam.evaluation.labels import Frame
from loam.features import Covariates

# Days that rain and drying are summed over, besides the longest window of the experiments [day].
WINDOWS_DAYS = (1, 2, 3, 5)
EVERYWHERE = (slice(None), slice(None))


def climatology(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mean training label of every pixel `(y, x)` float32; the mean of the training pixels where there is none.

    Args:
        total: sum of the training labels of each pixel `(y, x)`.
        count: number of them `(y, x)`.
    """
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    known = mean[count > 0]
    return np.where(count > 0, mean, known.mean() if known.size else np.nan).astype(np.float32)


def with_persistence(frames: Iterable[Frame], first_guess: np.ndarray) -> Iterator[tuple[Frame, np.ndarray]]:
    """Every acquisition with the last usable label of each pixel from a day strictly before its own.

    Labels of all tracks and parts count, test dates too: an observation of yesterday is known to whoever maps today.

    Args:
        frames: acquisitions in order of time.
        first_guess: taken where a pixel was never seen before `(y, x)`.
    """
    last, latest, day = first_guess, first_guess, None
    for frame in frames:
        if frame.day != day:
            last, day = latest, frame.day
        yield frame, last
        latest = np.where(np.isfinite(frame.label), frame.label, latest)


def boosting_features(covariates: Covariates, day: np.datetime64, row: np.ndarray, column: np.ndarray, days: int) -> np.ndarray:
    """What gradient boosting sees of pixels of one day: terrain, soil, NDVI, weather of several windows.

    Args:
        covariates: covariates of the run.
        day: the day.
        row: rows of the pixels `(n)`.
        column: their columns `(n)`.
        days: longest window [day].

    Returns:
        `(n, feature)` float32: `static_names`, then per window the channels of `WEATHER`.
    """
    pixels: Any = (row, column)  # numpy takes index arrays where it takes slices
    windows = sorted({length for length in WINDOWS_DAYS if length < days} | {days})
    weather = [covariates.dynamic(day, length, "aggregate", pixels)[0] for length in windows]
    stationary = covariates.stationary(day, EVERYWHERE)[:, row, column]
    return np.concatenate([stationary, *weather]).T


def all_features(covariates: Covariates, day: np.ndarray, row: np.ndarray, column: np.ndarray, days: int) -> np.ndarray:
    """Features of pixel-dates `(n, feature)`, put together day by day; arguments as in `boosting_features`."""
    out: np.ndarray | None = None
    for one in np.unique(day):
        here = np.flatnonzero(day == one)
        features = boosting_features(covariates, one, row[here], column[here], days)
        out = np.empty((day.size, features.shape[1]), dtype=np.float32) if out is None else out
        out[here] = features
    return np.empty((0, 0), dtype=np.float32) if out is None else out


def covered(covariates: Covariates, times: np.ndarray, days: int) -> np.ndarray:
    """Whether the weather of the window up to each time is known, bool `(time)`."""
    first, last = covariates.weather.times[0], covariates.weather.times[-1]
    day = times.astype("datetime64[D]")
    return (day - np.timedelta64(days - 1, "D") >= first) & (day <= last)


def boost(features: np.ndarray, label: np.ndarray, wanted: np.ndarray, iterations: int, seed: int) -> np.ndarray:
    """Fit gradient boosting and predict `(m)` float32; NaN where there is too little to learn from.

    Args:
        features: of the training pixel-dates `(n, feature)`.
        label: their labels `(n)`.
        wanted: features to predict from `(m, feature)`.
        iterations: number of trees.
        seed: of the binning.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    if len(label) < 2 or len(wanted) == 0:
        return np.full(len(wanted), np.nan, dtype=np.float32)
    # Early stopping would hold out random pixels of the same dates, which it then knows; the trees are few enough.
    model = HistGradientBoostingRegressor(max_iter=iterations, early_stopping=False, random_state=seed)
    return model.fit(features, label).predict(wanted).astype(np.float32)
