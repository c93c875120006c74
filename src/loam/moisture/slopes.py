"""The angular slope of backscatter: a regression over dates and tracks whose error knows that soil remembers."""

import numpy as np

from loam.moisture.compiled import compiled
from loam.moisture.kernels import WIDTH


@compiled
def slope_rows(
    level: np.ndarray,
    angle: np.ndarray,
    dates: np.ndarray,
    lags: int,
    rows: tuple[int, int],
    slope: np.ndarray,
    error: np.ndarray,
) -> None:
    """Regress backscatter on incidence in a range of rows, over some dates in order of time.

    Args:
        level: `(time, y, x)` [dB].
        angle: `(time, y, x)` [degree].
        dates: places of the dates to use `(date)`.
        lags: dates over which the soil's memory is allowed for.
        rows: first row, and one past the last.
        slope: `(y, x)` [dB/degree]; written.
        error: its standard error `(y, x)` [dB/degree]; written. NaN with fewer than 3 values or a single angle.
    """
    state = np.empty((5, WIDTH), np.float64)
    recent = np.empty((lags + 1, WIDTH), np.float32)
    for y in range(rows[0], rows[1]):
        for left in range(0, level.shape[2], WIDTH):
            right = min(left + WIDTH, level.shape[2])
            _means(level, angle, dates, y, left, right, state)
            _moments(level, angle, dates, y, left, right, state)
            variance = _robust_variance(level, angle, dates, y, left, right, state, recent)
            for p in range(right - left):
                n, spread = state[0, p], state[3, p]
                known = n > 2 and spread > 0
                slope[y, left + p] = state[4, p] / spread if known else np.nan
                error[y, left + p] = (
                    np.sqrt(max(variance[p], 0.0) * n / (n - 2)) / spread if known else np.nan
                )


# One result to a loop: with more, the compiler cannot rule out that they overlap and takes value by value.
@compiled
def _means(
    level: np.ndarray,
    angle: np.ndarray,
    dates: np.ndarray,
    y: int,
    left: int,
    right: int,
    state: np.ndarray,
) -> None:
    """Count, mean level and mean angle of the values that have both."""
    state[:] = 0
    count, values_sum, angles_sum = state[0], state[1], state[2]
    for date in dates:
        values, thetas = level[date, y, left:right], angle[date, y, left:right]
        for p in range(right - left):
            count[p] += (
                np.float64(1)
                if (values[p] == values[p]) & (thetas[p] == thetas[p])
                else np.float64(0)
            )
        for p in range(right - left):
            values_sum[p] += (
                values[p] if (values[p] == values[p]) & (thetas[p] == thetas[p]) else np.float32(0)
            )
        for p in range(right - left):
            angles_sum[p] += (
                thetas[p] if (values[p] == values[p]) & (thetas[p] == thetas[p]) else np.float32(0)
            )
    for p in range(right - left):
        values_sum[p] /= max(count[p], 1.0)
        angles_sum[p] /= max(count[p], 1.0)


@compiled
def _moments(
    level: np.ndarray,
    angle: np.ndarray,
    dates: np.ndarray,
    y: int,
    left: int,
    right: int,
    state: np.ndarray,
) -> None:
    """Sums of squares of the angle, and of products with the level, about the means."""
    values_mean, angles_mean, spread, product = state[1], state[2], state[3], state[4]
    for date in dates:
        values, thetas = level[date, y, left:right], angle[date, y, left:right]
        for p in range(right - left):
            away = thetas[p] - angles_mean[p]
            spread[p] += away * away if (values[p] == values[p]) & (thetas[p] == thetas[p]) else 0.0
        for p in range(right - left):
            both = (thetas[p] - angles_mean[p]) * (values[p] - values_mean[p])
            product[p] += both if both == both else 0.0


@compiled
def _robust_variance(
    level: np.ndarray,
    angle: np.ndarray,
    dates: np.ndarray,
    y: int,
    left: int,
    right: int,
    state: np.ndarray,
    recent: np.ndarray,
) -> np.ndarray:
    """Variance of the sum of angle times residual, with memory (Newey & West 1987, Econometrica 55, 703-708)."""
    lags = recent.shape[0] - 1
    total, mean = np.zeros(recent.shape[1], np.float32), state.astype(np.float32)
    values_mean, angles_mean, slope = mean[1], mean[2], (state[4] / state[3]).astype(np.float32)
    recent[:] = 0
    for i in range(dates.size):
        values, thetas = level[dates[i], y, left:right], angle[dates[i], y, left:right]
        now = recent[i % (lags + 1)]
        for p in range(right - left):
            away = thetas[p] - angles_mean[p]
            score = away * (values[p] - values_mean[p] - away * slope[p])
            now[p] = score if score == score else np.float32(0)
        for lag in range(min(lags, i) + 1):
            weight = np.float32(1.0 if lag == 0 else 2.0 * (1.0 - lag / (lags + 1.0)))
            before = recent[(i - lag) % (lags + 1)]
            for p in range(right - left):
                total[p] += weight * now[p] * before[p]
    return total


def memory_lags(dates: int) -> int:
    """Dates over which the memory of residuals counts: 4 (n / 100)^(2/9) (Newey & West 1994)."""
    return int(4 * (max(dates, 1) / 100) ** (2 / 9))
