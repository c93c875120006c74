"""What was observed of every pixel before a day: the last label, and those of the weeks before."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from loam.evaluation.labels import Frame

PAST = ("last_ssm", "last_ssm_age", "past_ssm_mean", "past_ssm_count")
# Smallest 1 sigma that weighs a label [1], as in training: one that claims to be without error must not rule alone.
LEAST_SIGMA = 0.01
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class History:
    """Usable labels of days strictly before one."""

    last: np.ndarray  # last of every pixel, however old (y, x) [1]; NaN where there was none
    frames: tuple[Frame, ...]  # acquisitions of the days before, in order of time
    days: int  # how many days before they reach back [day]

    def after(self, today: list[Frame]) -> "History":
        """With the acquisitions of one day more."""
        last = self.last
        for frame in today:
            last = np.where(np.isfinite(frame.label), frame.label, last)
        oldest = today[0].day - self.days * DAY
        kept = [frame for frame in (*self.frames, *today) if frame.day >= oldest] if self.days else []
        return History(last, tuple(kept), self.days)

    def at(self, day: np.datetime64, row: np.ndarray, column: np.ndarray) -> dict[str, np.ndarray]:
        """Columns `PAST` of some pixels `(n)` on a day, as `past_of` makes them."""
        frames = [frame for frame in self.frames if frame.day >= day - self.days * DAY]
        ages = np.array([(day - frame.day) / DAY for frame in frames], dtype=np.float32)
        size = (len(frames), row.size)
        label, sigma = (
            np.array([getattr(frame, name)[row, column] for frame in frames], dtype=np.float32).reshape(size)
            for name in ("label", "uncertainty")
        )
        return dict(zip(PAST, past_of(label, sigma, ages, self.days), strict=True))


def past_of(label: np.ndarray, sigma: np.ndarray, ages: np.ndarray, days: int) -> np.ndarray:
    """Last label [1], its age [day], mean weighted by 1 / u² [1], and number of all, `(4, n)` float32: what models with past labels see.

    Where there is no label, last and mean are NaN, the age is `days` and the number 0.

    Args:
        label: in order of time `(time, n)` [1]; NaN missing.
        sigma: their 1 sigma `(time, n)` [1].
        ages: days from each to the day `(time)`.
        days: how far back is looked [day].
    """
    known = np.isfinite(label) & np.isfinite(sigma)
    last, age = np.full(label.shape[1], np.nan, np.float32), np.full(label.shape[1], days, np.float32)
    for index, old in enumerate(ages):
        last[known[index]], age[known[index]] = label[index][known[index]], old
    weight = np.where(known, 1 / np.maximum(np.nan_to_num(sigma), LEAST_SIGMA) ** 2, 0)
    total = weight.sum(axis=0)
    mean = (weight * np.nan_to_num(label)).sum(axis=0) / np.where(total > 0, total, np.nan)
    return np.stack([last, age, mean, known.sum(axis=0)]).astype(np.float32)


def with_history(frames: Iterable[Frame], days: int) -> Iterator[tuple[Frame, History]]:
    """Every acquisition with the usable labels of each pixel from days strictly before its own.

    Labels of all tracks and parts count, test dates too: an observation of yesterday is known to whoever maps today.

    Args:
        frames: acquisitions in order of time.
        days: keep those of so many days before; 0: only the last label of every pixel [day].
    """
    history: History | None = None
    today: list[Frame] = []
    for frame in frames:
        history = History(np.full(frame.label.shape, np.nan, dtype=np.float32), (), days) if history is None else history
        if today and today[0].day != frame.day:
            history, today = history.after(today), []
        today.append(frame)
        yield frame, history
