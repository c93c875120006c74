"""Scores of estimates against labels. Where a score is not defined it is NaN, never an exception.

Written out, since there are tens of thousands of them in a table; `tests/evaluation` holds them against scikit-learn and pytesmo.
"""

import numpy as np

from loam.core.labels import ceiling_r2

# Usual in the validation of soil moisture (Gruber et al. 2020, doi 10.1016/j.rse.2020.111806): shorter than a season.
ANOMALY_WINDOW_DAYS = 35


def r2(target: np.ndarray, estimate: np.ndarray) -> float:
    """Coefficient of determination, 1 - SSE/SST [1]; NaN for fewer than two pairs or a constant target.

    Args:
        target: labels or truth `(n)`; pairs that are not finite are left out, here and in every score below.
        estimate: of the same shape and unit.
    """
    target, estimate = _finite(target, estimate)
    return (
        float(1 - np.mean((estimate - target) ** 2) / np.var(target)) if _varies(target) else np.nan
    )


def r(target: np.ndarray, estimate: np.ndarray) -> float:
    """Pearson's correlation [1]; NaN for fewer than two pairs or where either side is constant."""
    target, estimate = _finite(target, estimate)
    if not (_varies(target) and _varies(estimate)):
        return np.nan
    wanted, said = target - target.mean(), estimate - estimate.mean()
    return float(np.clip(wanted @ said / np.sqrt((wanted @ wanted) * (said @ said)), -1, 1))


def rmse(target: np.ndarray, estimate: np.ndarray) -> float:
    """Root mean square error [unit of the target]; NaN for fewer than two pairs."""
    target, estimate = _finite(target, estimate)
    return float(np.sqrt(np.mean((estimate - target) ** 2))) if target.size > 1 else np.nan


def mae(target: np.ndarray, estimate: np.ndarray) -> float:
    """Mean absolute error [unit of the target]; NaN for fewer than two pairs."""
    target, estimate = _finite(target, estimate)
    return float(np.mean(np.abs(estimate - target))) if target.size > 1 else np.nan


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
    return float(1 - np.mean((estimate - target) ** 2) / np.mean((reference - target) ** 2))


def noise_ceiling(label: np.ndarray, uncertainty: np.ndarray) -> float:
    """`ceiling_r2` of labels and their uncertainty.

    Args:
        label: labels `(n)`.
        uncertainty: their standard errors `(n)`, in the same unit.
    """
    label, uncertainty = _finite(label, uncertainty)
    return ceiling_r2(np.mean(uncertainty**2), np.var(label)) if _varies(label) else np.nan


def group_means(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mean of every group, `(groups)`.

    Args:
        values: `(n)`.
        group: number of each value's group, from 0 without a gap `(n)`.
    """
    return np.bincount(group, values) / np.maximum(np.bincount(group), 1)


def temporal_r(target: np.ndarray, estimate: np.ndarray, frame: np.ndarray) -> float:
    """Correlation of the frame means over dates [1]: how well the model follows wetting and drying.

    Args:
        target: labels or truth `(n)`.
        estimate: of the same shape.
        frame: number of the date of each, as in `group_means` `(n)`.
    """
    return r(group_means(target, frame), group_means(estimate, frame))


def anomaly_r(
    target: np.ndarray, estimate: np.ndarray, frame: np.ndarray, times: np.ndarray
) -> float:
    """Correlation of the frame means' anomalies [1]: wetting and drying apart from the seasons, which are easy to know.

    Args:
        target: labels or truth `(n)`.
        estimate: of the same shape.
        frame: number of the date of each, as in `group_means` `(n)`.
        times: date of each frame, datetime64 `(frames)`.
    """
    return r(*(anomalies(group_means(values, frame), times) for values in (target, estimate)))


def anomalies(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """What each value differs from the mean of those at most half of `ANOMALY_WINDOW_DAYS` before or after it `(n)`.

    Args:
        values: `(n)`.
        times: datetime64 `(n)`.
    """
    days = (times - times[:1]) / np.timedelta64(1, "D")
    near = np.abs(days[:, None] - days) <= ANOMALY_WINDOW_DAYS / 2
    return values - near @ values / near.sum(axis=1)


def spatial_r(
    target: np.ndarray, estimate: np.ndarray, frame: np.ndarray, pixel: np.ndarray
) -> float:
    """Correlation of the pixel means [1]: how well the model knows which places are wet.

    Frame means are taken out first, since a pixel drawn on wet dates alone is not a wet pixel. Where every pixel is
    there on every date this changes nothing.

    Args:
        target: labels or truth `(n)`.
        estimate: of the same shape.
        frame: number of the date of each, as in `group_means` `(n)`.
        pixel: number of the pixel of each, likewise `(n)`.
    """
    return r(
        *(
            group_means(values - group_means(values, frame)[frame], pixel)
            for values in (target, estimate)
        )
    )


def _finite(*arrays: np.ndarray) -> list[np.ndarray]:
    """The places where all are finite, as float64."""
    columns = np.stack([np.asarray(array, dtype=np.float64).ravel() for array in arrays])
    known = np.isfinite(columns).all(axis=0)
    return list(columns if known.all() else columns[:, known])


def _varies(values: np.ndarray) -> bool:
    return values.size > 1 and float(np.abs(values - values[0]).max()) > 1e-12 * (
        1 + abs(float(values[0]))
    )
