"""Past labels as inputs: what the radar said of a pixel before the day."""

import numpy as np

from loam.features import past_channels
from loam.learning.labels import Labels, Window
from loam.parts import PARTS


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
