"""Labels as a flat file of floats: any patch of any date is read from it without the rest, by every process alike."""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError

LAYERS = ("ssm", "ssm_uncertainty")
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


def ceiling_r2(noise_variance: float, label_variance: float) -> float:
    """Highest R² that labels with this noise allow, 1 - mean(u²) / var(label) [1]; below 0 where noise is all there is.

    It holds for errors that nothing predicts. What plants and tillage do to a pixel lasts for weeks: a model that sees the
    pixel's antecedent labels follows part of these errors too, and may come out above.

    Args:
        noise_variance: mean of the squared standard errors of the labels.
        label_variance: variance of the labels, in the same unit; above 0.
    """
    return float(1 - noise_variance / label_variance)
