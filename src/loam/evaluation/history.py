"""What was observed of every pixel before a day: the last label, and those of the weeks before."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from loam.core.antecedent_labels import ANTECEDENT, antecedent_channels
from loam.evaluation.labels import Frame

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
        kept = (
            [frame for frame in (*self.frames, *today) if frame.day >= oldest] if self.days else []
        )
        return History(last, tuple(kept), self.days)

    def at(
        self, day: np.datetime64, row: np.ndarray, column: np.ndarray, split: int | None = None
    ) -> dict[str, np.ndarray]:
        """Columns `ANTECEDENT` of some pixels `(n)` on a day, as `antecedent_channels` makes them.

        Args:
            day: the day.
            row: rows of the pixels.
            column: their columns.
            split: only labels of this split count, as networks are shown when they train; None: all.
        """
        frames = [frame for frame in self.frames if frame.day >= day - self.days * DAY]
        ages = np.array([(day - frame.day) / DAY for frame in frames], dtype=np.float32)
        size = (len(frames), row.size)
        label, sigma = (
            np.array(
                [getattr(frame, name)[row, column] for frame in frames], dtype=np.float32
            ).reshape(size)
            for name in ("label", "uncertainty")
        )
        if split is not None and frames:
            label[np.array([frame.split[row, column] != split for frame in frames])] = np.nan
        return dict(
            zip(ANTECEDENT, antecedent_channels(label, sigma, ages, self.days), strict=True)
        )


def with_history(frames: Iterable[Frame], days: int) -> Iterator[tuple[Frame, History]]:
    """Every acquisition with the usable labels of each pixel from days strictly before its own.

    Labels of all tracks and splits count, test dates too: an observation of yesterday is known to whoever maps today.

    Args:
        frames: acquisitions in order of time.
        days: keep those of so many days before; 0: only the last label of every pixel [day].
    """
    history: History | None = None
    today: list[Frame] = []
    for frame in frames:
        history = (
            History(np.full(frame.label.shape, np.nan, dtype=np.float32), (), days)
            if history is None
            else history
        )
        if today and today[0].day != frame.day:
            history, today = history.after(today), []
        today.append(frame)
        yield frame, history
