"""Scores of estimates against labels. Where a score is not defined it is NaN, never an exception."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics as sk

# Usual in the validation of soil moisture (Gruber et al. 2020, doi 10.1016/j.rse.2020.111806): shorter than a season.
ANOMALY_WINDOW_DAYS = 35


def r2(target: np.ndarray, estimate: np.ndarray) -> float:
    """Coefficient of determination, 1 - SSE/SST [1]; NaN for fewer than two pairs or a constant target.

    Args:
        target: labels or truth `(n)`; pairs that are not finite are left out, here and in every score below.
        estimate: of the same shape and unit.
    """
    target, estimate = _finite(target, estimate)
    return float(sk.r2_score(target, estimate)) if _varies(target) else np.nan


def r(target: np.ndarray, estimate: np.ndarray) -> float:
    """Pearson's correlation [1]; NaN for fewer than two pairs or where either side is constant."""
    target, estimate = _finite(target, estimate)
    return float(stats.pearsonr(target, estimate).statistic) if _varies(target) and _varies(estimate) else np.nan


def rmse(target: np.ndarray, estimate: np.ndarray) -> float:
    """Root mean square error [unit of the target]; NaN for fewer than two pairs."""
    target, estimate = _finite(target, estimate)
    return float(sk.root_mean_squared_error(target, estimate)) if target.size > 1 else np.nan


def mae(target: np.ndarray, estimate: np.ndarray) -> float:
    """Mean absolute error [unit of the target]; NaN for fewer than two pairs."""
    target, estimate = _finite(target, estimate)
    return float(sk.mean_absolute_error(target, estimate)) if target.size > 1 else np.nan


def bias(target: np.ndarray, estimate: np.ndarray) -> float:
    """Mean of estimate minus target [unit of the target]; NaN for fewer than two pairs."""
    target, estimate = _finite(target, estimate)
    return float(np.mean(estimate - target)) if target.size > 1 else np.nan


def ubrmse(target: np.ndarray, estimate: np.ndarray) -> float:
    """Root mean square error after the bias is taken out [unit of the target]; NaN for fewer than two pairs."""
    target, estimate = _finite(target, estimate)
    return float(np.std(estimate - target)) if target.size > 1 else np.nan


def skill(target: np.ndarray, estimate: np.ndarray, reference: np.ndarray) -> float:
    """Share of the reference's mean square error that is gone, 1 - MSE/MSE(reference) [1].

    NaN for fewer than two triples, or a reference without error.
    """
    target, estimate, reference = _finite(target, estimate, reference)
    if target.size < 2 or np.array_equal(target, reference):
        return np.nan
    return float(1 - sk.mean_squared_error(target, estimate) / sk.mean_squared_error(target, reference))


def noise_ceiling(label: np.ndarray, uncertainty: np.ndarray) -> float:
    """Highest R² that labels with this noise allow, 1 - mean(u²)/var(label) [1]; below 0 where noise is all there is.

    Args:
        label: labels `(n)`.
        uncertainty: their standard errors `(n)`, in the same unit.
    """
    label, uncertainty = _finite(label, uncertainty)
    return float(1 - np.mean(uncertainty**2) / np.var(label)) if _varies(label) else np.nan


def group_means(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mean of every group, in the order of the groups' sorted names.

    Args:
        values: `(n)`.
        group: name of each value's group `(n)`.
    """
    index = np.unique(group, return_inverse=True)[1].ravel()
    return np.bincount(index, values) / np.maximum(np.bincount(index), 1)


def temporal_r(target: np.ndarray, estimate: np.ndarray, frame: np.ndarray) -> float:
    """Correlation of the frame means over dates [1]: how well the model follows wetting and drying.

    Args:
        target: labels or truth `(n)`.
        estimate: of the same shape.
        frame: date of each `(n)`.
    """
    return r(group_means(target, frame), group_means(estimate, frame))


def spatial_r(target: np.ndarray, estimate: np.ndarray, frame: np.ndarray, pixel: np.ndarray) -> float:
    """Correlation of the pixel means [1]: how well the model knows which places are wet.

    Frame means are taken out first, since a pixel drawn on wet dates alone is not a wet pixel. Where every pixel is
    there on every date this changes nothing.

    Args:
        target: labels or truth `(n)`.
        estimate: of the same shape.
        frame: date of each `(n)`.
        pixel: pixel of each `(n)`.
    """
    return r(group_means(_anomaly(target, frame), pixel), group_means(_anomaly(estimate, frame), pixel))


def anomaly_r(target: np.ndarray, estimate: np.ndarray, frame: np.ndarray) -> float:
    """Correlation of the frame means' anomalies [1]: wetting and drying apart from the seasons, which are easy to know.

    An anomaly is what a frame mean differs from the mean of those within half of `ANOMALY_WINDOW_DAYS` before and after it.

    Args:
        target: labels or truth `(n)`.
        estimate: of the same shape.
        frame: time of each `(n)`, datetime64.
    """
    from pytesmo.time_series.anomaly import calc_anomaly

    times = pd.DatetimeIndex(np.unique(frame))
    means = (pd.Series(group_means(values, frame), index=times) for values in (target, estimate))
    return r(*(calc_anomaly(mean, window_size=ANOMALY_WINDOW_DAYS).to_numpy() for mean in means)) if len(times) > 1 else np.nan


def _anomaly(values: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return values - group_means(values, frame)[np.unique(frame, return_inverse=True)[1].ravel()]


def _finite(*arrays: np.ndarray) -> list[np.ndarray]:
    """The places where all are finite, as float64."""
    columns = np.stack([np.asarray(array, dtype=np.float64).ravel() for array in arrays])
    return list(columns[:, np.isfinite(columns).all(axis=0)])


def _varies(values: np.ndarray) -> bool:
    return values.size > 1 and not np.allclose(values, values[0], rtol=1e-12, atol=1e-12)
