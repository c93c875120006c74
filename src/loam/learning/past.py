"""Past labels as inputs: what the radar said of a pixel before the day."""

import numpy as np

from loam.learning.labels import Labels, Window
from loam.parts import PARTS

PAST = ("last_ssm", "last_ssm_age", "past_ssm_mean", "past_ssm_count")
# Smallest 1 sigma that weighs a label [1]: one that claims to be without error must not rule alone.
LEAST_SIGMA = 0.01


def past_labels(labels: Labels, day: np.datetime64, window: Window, days: int, parts: tuple[str, ...]) -> np.ndarray:
    """Channels `PAST` of a window of pixels, `(4, y, x)` float32, from labels strictly before the day.

    Args:
        labels: of the run.
        day: the day that is predicted; labels of the day itself are not looked at.
        window: rows and columns.
        days: how far back to look [day].
        parts: only labels of these parts count ('train', …); all where none is named.
    """
    times = labels.before(day, days)
    values = np.array(labels.values[(times, slice(None), *window)])
    if parts:
        shown = np.isin(labels.parts_of(times, window), [PARTS.index(part) for part in parts])
        values = np.where(shown[:, None], values, np.nan)
    ages = (day.astype("datetime64[D]") - labels.times[times].astype("datetime64[D]")) / np.timedelta64(1, "D")
    return past_channels(values[:, 0], values[:, 1], ages, days)


def past_channels(ssm: np.ndarray, uncertainty: np.ndarray, ages: np.ndarray, days: int) -> np.ndarray:
    """Last label and its age [day], mean weighted by 1 / u², and count, `(4, y, x)` float32.

    Where there is no label, last and mean are NaN, the age is `days` and the count 0.

    Args:
        ssm: labels [1] `(time, y, x)`, in order of time, NaN missing.
        uncertainty: their 1 sigma [1] `(time, y, x)`.
        ages: days from each to the day [day] `(time)`.
        days: how far back was looked [day].
    """
    known = np.isfinite(ssm) & np.isfinite(uncertainty)
    out = np.stack([np.full(ssm.shape[1:], fill, dtype=np.float32) for fill in (np.nan, days, np.nan, 0)])
    for index, age in enumerate(ages):
        out[0][known[index]] = ssm[index][known[index]]
        out[1][known[index]] = age
    weight = np.where(known, 1 / np.maximum(np.nan_to_num(uncertainty), LEAST_SIGMA) ** 2, 0)
    total = weight.sum(axis=0)
    mean = (weight * np.nan_to_num(ssm)).sum(axis=0) / np.where(total > 0, total, np.nan)
    out[2], out[3] = mean, known.sum(axis=0)
    return out
