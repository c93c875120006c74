"""Antecedent labels as inputs: what the radar said of a pixel before the day."""

import numpy as np
from numba import njit

from loam.core.labels import Labels, Window
from loam.core.splits import SPLITS

ANTECEDENT = ("last_ssm", "last_ssm_age", "antecedent_ssm_mean", "antecedent_ssm_count")
# Smallest 1 sigma that weighs a label [1]: one that claims to be without error must not rule alone.
LEAST_SIGMA = 0.01


def antecedent_labels(
    labels: Labels, day: np.datetime64, window: Window, days: int, splits: tuple[str, ...]
) -> np.ndarray:
    """Channels `ANTECEDENT` of a window of pixels, `(4, y, x)` float32, from labels strictly before the day.

    Args:
        labels: of the run.
        day: the day that is predicted; labels of the day itself are not looked at.
        window: rows and columns.
        days: how far back to look [day].
        splits: only labels of these splits count ('train', …); all where none is named.
    """
    times = labels.before(day, days)
    ages = (day.astype("datetime64[D]") - labels.times[times].astype("datetime64[D]")).astype(
        np.float32
    )
    shown = np.ones(len(SPLITS), dtype=bool)
    if splits:
        shown[:] = [split in splits for split in SPLITS]
    size = [edge.stop - edge.start for edge in window]
    rows, columns = (np.arange(edge.start, edge.stop) // labels.block_px for edge in window)
    out = np.empty((len(ANTECEDENT), *size), dtype=np.float32)
    summarise(
        labels.values[(times, slice(None), *window)],
        ages,
        shown[labels.units[times]],
        rows,
        columns,
        float(days),
        out,
    )
    return out


def antecedent_channels(
    ssm: np.ndarray, uncertainty: np.ndarray, ages: np.ndarray, days: int
) -> np.ndarray:
    """Channels `ANTECEDENT` of some pixels, `(4, n)` float32.

    Args:
        ssm: labels [1] `(time, n)`, in order of time, NaN missing.
        uncertainty: their 1 sigma [1] `(time, n)`.
        ages: days from each to the day [day] `(time)`.
        days: how far back was looked [day].
    """
    values = np.stack([ssm, uncertainty], axis=1)[:, :, None].astype(np.float32)
    one, count = np.zeros(1, dtype=np.intp), np.zeros(ssm.shape[1], dtype=np.intp)
    out = np.empty((len(ANTECEDENT), 1, ssm.shape[1]), dtype=np.float32)
    summarise(
        values,
        ages.astype(np.float32),
        np.ones((len(ages), 1, 1), dtype=bool),
        one,
        count,
        float(days),
        out,
    )
    return out[:, 0]


@njit(cache=True, nogil=True, error_model="numpy")
def summarise(
    values: np.ndarray,
    ages: np.ndarray,
    shown: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    days: float,
    out: np.ndarray,
) -> None:
    """Last label and its age [day], mean weighted by 1 / u², and count of every pixel.

    Where there is no label, last and mean are NaN, the age is `days` and the count 0. Compiled, since a sample of a few
    dates costs more in calls to NumPy than in arithmetic.

    Args:
        values: labels and their 1 sigma [1] `(time, 2, y, x)`, in order of time, NaN missing.
        ages: days from each to the day [day] `(time)`.
        shown: whether labels of a block count `(time, block_row, block_column)`.
        rows: block row of every row.
        columns: block column of every column.
        days: how far back was looked [day].
        out: filled, `(4, y, x)`.
    """
    out[0], out[1], out[2], out[3] = np.nan, days, 0.0, 0.0
    total = np.zeros(out.shape[1:], dtype=np.float32)
    for time in range(ages.size):
        for y in range(rows.size):
            for x in range(columns.size):
                ssm, sigma = values[time, 0, y, x], values[time, 1, y, x]
                if shown[time, rows[y], columns[x]] and np.isfinite(ssm) and np.isfinite(sigma):
                    weight = 1 / max(sigma, np.float32(LEAST_SIGMA)) ** 2
                    out[0, y, x] = ssm
                    out[1, y, x] = ages[time]
                    out[2, y, x] += weight * ssm
                    out[3, y, x] += 1
                    total[y, x] += weight
    for y in range(rows.size):
        for x in range(columns.size):
            out[2, y, x] = out[2, y, x] / total[y, x] if total[y, x] > 0 else np.nan
