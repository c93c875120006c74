"""Labels as a flat file of floats: any patch of any date is read from it without the rest, by every process alike."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from odc.geo.geobox import GeoBox

from loam.core.flags import usable_labels
from loam.core.raster import open_dataset
from loam.core.splits import Splits

# Values that are unpacked at once while the file is made: 64 MB of each variable.
BLOCK_VALUES = 16_000_000
LAYERS = ("ssm", "ssm_uncertainty")
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Labels:
    """Labels of some acquisitions, in order of time, with the part that every block of every one belongs to."""

    grid: GeoBox
    times: np.ndarray  # (time) datetime64[ns]
    file: Path  # float32 (time, layer, y, x); NaN where a label may not be used
    units: np.ndarray  # (time, block_row, block_column) int8, index into SPLITS
    block_px: int

    @cached_property
    def values(self) -> np.memmap:
        """SSM and its 1 sigma `(time, layer, y, x)`, mapped: only what is asked for is read."""
        return self.mapped("r")

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapping: each worker maps the file for itself, else its whole content would be sent to it."""
        return {name: value for name, value in self.__dict__.items() if name != "values"}

    def mapped(self, mode: Literal["r", "r+"]) -> np.memmap:
        """The file as an array, as `np.memmap` opens it."""
        return np.memmap(
            self.file, np.float32, mode, shape=(len(self.times), len(LAYERS), *self.grid.shape)
        )

    def before(self, day: np.datetime64, days: int) -> slice:
        """Places of the acquisitions of the `days` days before a day; the day's own are not among them."""
        dates = self.times.astype("datetime64[D]")
        last = day.astype("datetime64[D]")
        return slice(*np.searchsorted(dates, [last - np.timedelta64(days, "D"), last]).tolist())


@contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """A folder beside a step's output for unpacked labels. It goes with the step; what a killed one has left goes before.

    Beside the output, since labels can be larger than the disk of temporary files. Each process that trains has its own, and
    removes its own alone: the others may be at work.

    Args:
        out: file or Zarr that the step writes.
    """
    process = f"{os.environ.get('SLURM_PROCID', 0)}.{os.environ.get('LOCAL_RANK', 0)}"
    prefix = f".{out.name}.scratch.{process}."
    for left in [path for path in out.parent.iterdir() if path.name.startswith(prefix)]:
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=prefix) as folder:
        yield Path(folder)


def open_labels(
    path: Path,
    splits: Splits,
    folder: Path,
    parts: tuple[str, ...] = (),
    since: np.datetime64 | None = None,
) -> Labels:
    """Unpack `ssm.zarr` into a file of a folder, a few dates at a time.

    Args:
        path: `ssm.zarr`. A value under a flag that makes it unusable becomes NaN.
        splits: of the run.
        folder: where the file goes; it must outlive the labels. 8 byte a pixel and date.
        parts: acquisitions of these parts of the dates alone ('train', 'validate', …); all where none is named.
        since: acquisitions from this day on alone; None: all.
    """
    data = open_dataset(path)[[*LAYERS, "flags"]]
    data = data if data.indexes["time"].is_monotonic_increasing else data.sortby("time")
    if since is not None:
        data = data.isel(time=data["time"].values >= since)
    if parts:
        wanted = splits.times(*parts)
        data = data.isel(time=np.isin(data["time"].values.astype("datetime64[s]"), wanted))
    times = data["time"].values
    labels = Labels(
        data.odc.geobox,
        times,
        folder / "labels.f32",
        splits.of_units(times),
        splits.block_px,
    )
    _unpack(data, labels)
    return labels


def _unpack(data: Any, labels: Labels) -> None:
    """Fill the labels' file, a range of dates and rows at a time."""
    shape = tuple(data["ssm"].shape)
    if not shape[0]:
        return
    with (
        labels.file.open("wb") as file
    ):  # room for all of it: writing to a mapped page that the disk has none for kills the process
        os.posix_fallocate(file.fileno(), 0, 4 * len(LAYERS) * data["ssm"].size)
    chunk_dates, chunk_rows = (data["ssm"].encoding.get("chunks") or shape)[:2]
    rows = max(chunk_rows, BLOCK_VALUES // (chunk_dates * shape[2]) // chunk_rows * chunk_rows)
    for first in range(0, shape[0], chunk_dates):
        for row in range(0, shape[1], rows):
            where = (slice(first, first + chunk_dates), slice(row, row + rows))
            part = data.isel(time=where[0], y=where[1]).load()
            out = labels.mapped(
                "r+"
            )  # for each part again: what is written counts as memory as long as it is mapped
            for layer, name in enumerate(LAYERS):
                out[where[0], layer, where[1]] = usable_labels(
                    part[name].values, part["flags"].values
                )
            del out
