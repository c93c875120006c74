"""Antecedent labels of a window of pixels."""

import numpy as np

from loam.core.antecedent_labels import ANTECEDENT, summarise
from loam.core.labels import Labels, Window
from loam.core.splits import SPLITS


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
