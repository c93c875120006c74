"""Labels date by date, with the split that each pixel belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from loam.core.flags import usable_labels
from loam.core.splits import Splits

# Values read at once: 128 MB of float32, whatever the length of the file's chunks.
BLOCK_VALUES = 32_000_000


@dataclass(frozen=True)
class Frame:
    """The labels of one acquisition."""

    time: np.datetime64
    track: Any
    label: np.ndarray  # (y, x) float32 [1], NaN where no label is usable
    uncertainty: np.ndarray  # (y, x) float32 [1]
    split: np.ndarray  # (y, x) int8, index into SPLITS

    @property
    def day(self) -> np.datetime64:
        """Day of the acquisition [UTC]."""
        return self.time.astype("datetime64[D]")


@dataclass(frozen=True)
class LabelFrames:
    """All labels of a run; each walk over them reads the file once more, in order of time."""

    data: xr.Dataset  # ssm, ssm_uncertainty, flags (time, y, x), sorted by time
    splits: Splits

    @property
    def times(self) -> np.ndarray:
        """Acquisition times `(time)`."""
        return self.data["time"].values.astype("datetime64[s]")

    def __iter__(self) -> Iterator[Frame]:
        """Walk over the acquisitions, a few in memory at a time."""
        units = self.splits.of_units(self.times)
        for block in blocks(self.data["ssm"]):
            values = self.data.isel(time=block).load()
            label = usable_labels(values["ssm"].values, values["flags"].values)
            for index, now in enumerate(range(block.start, block.stop)):
                split = self.splits.of_pixels(units[now], label.shape[1:])
                uncertainty = values["ssm_uncertainty"].values[index]
                yield Frame(
                    self.times[now], values["track"].values[index], label[index], uncertainty, split
                )


def open_frames(data: xr.Dataset, splits: Splits) -> LabelFrames:
    """Put labels and splits together.

    Args:
        data: content of `ssm.zarr`.
        splits: of the run.
    """
    data = data[["ssm", "ssm_uncertainty", "flags"]]
    if not data.indexes["time"].is_monotonic_increasing:
        data = data.sortby("time")
    return LabelFrames(data, splits)


def blocks(data: xr.DataArray) -> Iterator[slice]:
    """Ranges of time that can be read at once: whole chunks of the file where they are small enough."""
    most = max(1, BLOCK_VALUES // (data.sizes["y"] * data.sizes["x"]))
    lengths = data.variable.chunksizes.get("time", (data.sizes["time"],))
    for begin, end in pairwise(np.cumsum([0, *lengths]).tolist()):
        for start in range(begin, end, most):
            yield slice(start, min(start + most, end))


def values_at(
    data: xr.DataArray, day: np.ndarray, row: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Values of pixel-dates `(n)` float32, NaN on days that the data lack.

    Args:
        data: daily fields `(time, y, x)`.
        day: day of each pixel-date `(n)`.
        row: its row `(n)`.
        column: its column `(n)`.
    """
    out = np.full(day.size, np.nan, dtype=np.float32)
    days = data["time"].values.astype("datetime64[D]")
    for block in blocks(data):
        here = np.flatnonzero(np.isin(day, days[block]))
        if here.size:
            values = data.isel(time=block).values
            out[here] = values[np.searchsorted(days[block], day[here]), row[here], column[here]]
    return out
