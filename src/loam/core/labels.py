"""Labels as a flat file of floats: any patch of any date is read from it without the rest, by every process alike."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.core.flags import usable_labels
from loam.core.raster import open_dataset
from loam.core.splits import SPLITS, Splits

LAYERS = ("ssm", "ssm_uncertainty")
# Values that are unpacked at once: 64 MB of each variable.
BLOCK_VALUES = 16_000_000
VALUES, INDEX, UNITS = "values.f32", "labels.json", "units.npy"
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Labels:
    """Labels of some acquisitions, in order of time, with the split that every block of every one belongs to."""

    grid: GeoBox
    times: np.ndarray  # (time) datetime64[ns]
    file: Path  # float32 (time, layer, y, x); NaN where a label may not be used
    units: np.ndarray  # (time, block_row, block_column) int8, index into SPLITS
    block_px: int

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `unpack-labels` wrote; no value is read yet.

        Raises:
            LoamError: the folder is not one that `unpack-labels` writes.
        """
        try:
            told = json.loads((folder / INDEX).read_text())
            grid = GeoBox(tuple(told["shape"]), Affine(*told["transform"]), told["crs"])
            times = np.array(told["times"], dtype="datetime64[ns]")
            units = np.load(folder / UNITS, allow_pickle=False)
            found = cls(grid, times, folder / VALUES, units, int(told["block_px"]))
            size = found.file.stat().st_size
        except (OSError, ValueError, LookupError, TypeError) as error:
            msg = f"{folder}: holds no unpacked labels ({type(error).__name__}: {error}); remove it and run again"
            raise LoamError(msg) from None
        if size != found.nbytes:
            msg = (
                f"{found.file}: has {size} bytes, not {found.nbytes}; remove {folder} and run again"
            )
            raise LoamError(msg)
        return found

    def describe(self) -> None:
        """Write what `open` reads beside the values."""
        told = {
            "shape": list(self.grid.shape),
            "transform": list(self.grid.transform)[:6],
            "crs": str(self.grid.crs),
            "times": np.datetime_as_string(self.times).tolist(),
            "block_px": self.block_px,
        }
        (self.file.parent / INDEX).write_text(json.dumps(told))
        np.save(self.file.parent / UNITS, self.units, allow_pickle=False)

    def allocate(self) -> None:
        """Make the file with room for all values: writing to a mapped page that the disk has none for kills the process."""
        with self.file.open("wb") as file:
            if self.nbytes:
                os.posix_fallocate(file.fileno(), 0, self.nbytes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Times, layers, rows, columns."""
        return (len(self.times), len(LAYERS), *self.grid.shape)

    @property
    def nbytes(self) -> int:
        """Size of the values' file [byte]."""
        return 4 * int(np.prod(self.shape))

    @cached_property
    def values(self) -> np.ndarray:
        """SSM and its 1 sigma `(time, layer, y, x)`, mapped: only what is asked for is read."""
        return self.mapped("r")

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapping: each worker maps the file for itself, else its whole content would be sent to it."""
        return {name: value for name, value in self.__dict__.items() if name != "values"}

    def mapped(self, mode: Literal["r", "r+"]) -> np.ndarray:
        """The file as an array, as `np.memmap` opens it."""
        if not self.nbytes:  # an empty file cannot be mapped
            return np.empty(self.shape, np.float32)
        return np.memmap(self.file, np.float32, mode, shape=self.shape)

    def before(self, day: np.datetime64, days: int) -> slice:
        """Places of the acquisitions of the `days` days before a day; the day's own are not among them."""
        dates = self.times.astype("datetime64[D]")
        last = day.astype("datetime64[D]")
        return slice(*np.searchsorted(dates, [last - np.timedelta64(days, "D"), last]).tolist())


def unpack(
    ssm: Path,
    splits: Splits,
    folder: Path,
    seen: tuple[str, ...] = (),
    since: np.datetime64 | None = None,
) -> Labels:
    """Unpack `ssm.zarr` into a folder, a few dates at a time.

    Args:
        ssm: `ssm.zarr`. A value under a flag that makes it unusable becomes NaN.
        splits: of the run.
        folder: made, and filled with 8 byte a pixel and date.
        seen: acquisitions on dates of these splits alone, and NaN in blocks of others; all where none is named.
        since: acquisitions from this day on alone; None: all.
    """
    data = open_dataset(ssm)[[*LAYERS, "flags"]]
    data = data if data.indexes["time"].is_monotonic_increasing else data.sortby("time")
    if since is not None:
        data = data.isel(time=data["time"].values >= since)
    if seen:
        wanted = splits.times(*seen)
        data = data.isel(time=np.isin(data["time"].values.astype("datetime64[s]"), wanted))
    times = data["time"].values
    folder.mkdir(parents=True, exist_ok=True)
    labels = Labels(
        data.odc.geobox, times, folder / VALUES, splits.of_units(times), splits.block_px
    )
    labels.allocate()
    _fill(data, labels, np.isin(np.arange(len(SPLITS)), [SPLITS.index(each) for each in seen]))
    labels.describe()
    return labels


def _fill(data: xr.Dataset, labels: Labels, seen: np.ndarray) -> None:
    """Fill the labels' file, a range of dates and rows at a time; `seen`: by split, none: all."""
    shape = tuple(data["ssm"].shape)
    if not shape[0]:
        return
    chunk_dates, chunk_rows = (data["ssm"].encoding.get("chunks") or shape)[:2]
    rows = max(chunk_rows, BLOCK_VALUES // (chunk_dates * shape[2]) // chunk_rows * chunk_rows)
    columns = np.arange(shape[2]) // labels.block_px
    for first in range(0, shape[0], chunk_dates):
        for row in range(0, shape[1], rows):
            where = (slice(first, first + chunk_dates), slice(row, row + rows))
            part = data.isel(time=where[0], y=where[1]).load()
            # Mapped for each part again: what is written counts as memory as long as it is mapped.
            out = labels.mapped("r+")
            flags = part["flags"].values
            hidden = np.zeros(flags.shape, dtype=bool)
            if seen.any():
                blocks = np.arange(row, row + flags.shape[1]) // labels.block_px
                hidden = ~seen[labels.units[where[0]]][:, blocks][:, :, columns]
            for layer, name in enumerate(LAYERS):
                values = usable_labels(part[name].values, flags)
                values[hidden] = np.nan
                out[where[0], layer, where[1]] = values
            del out


@contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """A folder beside a step's output for unpacked labels. It goes with the step; what a killed one has left goes before.

    Beside the output, since labels can be larger than the disk of temporary files.

    Args:
        out: file or Zarr that the step writes.
    """
    prefix = f".{out.name}.scratch."
    for left in [path for path in out.parent.iterdir() if path.name.startswith(prefix)]:
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=prefix) as folder:
        yield Path(folder)


def ceiling_r2(noise_variance: float, label_variance: float) -> float:
    """Highest R² that labels with this noise allow, 1 - mean(u²) / var(label) [1]; below 0 where noise is all there is.

    It holds for errors that nothing predicts. What plants and tillage do to a pixel lasts for weeks: a model that sees the
    pixel's antecedent labels follows part of these errors too, and may come out above.

    Args:
        noise_variance: mean of the squared standard errors of the labels.
        label_variance: variance of the labels, in the same unit; above 0.
    """
    return float(1 - noise_variance / label_variance)
