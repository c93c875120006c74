"""Scores of wet events: whether a model finds what landslides and floods happen in."""

from collections.abc import Iterator

import numpy as np


def event_scores(
    target: np.ndarray, estimate: np.ndarray, threshold: float
) -> Iterator[tuple[str, float]]:
    """Name and value of POD, FAR, CSI of exceeding a threshold (Wilks 2011, section 8.2), and POD by rank; NaN where not defined.

    Hits a, false alarms b, misses c: probability of detection a / (a + c), false alarm ratio b / (a + b), critical
    success index a / (a + b + c).

    A model that predicts the mean hardly ever says what noisy labels reach by their noise. By rank, as many events are said
    as happened, where the estimate is highest: how well the wettest are told from the rest, whatever the scale.

    Args:
        target: labels or truth `(n)`.
        estimate: of the same shape and unit.
        threshold: an event is a value of at least this much.
    """
    happened, said = target >= threshold, estimate >= threshold
    hits, alarms, misses = (
        int(np.sum(one)) for one in (happened & said, ~happened & said, happened & ~said)
    )
    for name, count, total in (
        ("pod", hits, hits + misses),
        ("far", alarms, hits + alarms),
        ("csi", hits, hits + alarms + misses),
    ):
        yield name, count / total if total else np.nan
    yield "pod_ranked", _found_by_rank(happened, estimate)


def _found_by_rank(happened: np.ndarray, estimate: np.ndarray) -> float:
    """Share of the events that lie among as many highest estimates [1]; of equal estimates each counts its share."""
    count = int(happened.sum())
    if not count:
        return np.nan
    least = np.partition(estimate, -count)[-count]
    above, equal = estimate > least, estimate == least
    return float((happened[above].sum() + (count - above.sum()) * happened[equal].mean()) / count)
