"""Which split a pixel-date belongs to: training, validation, calibration, or one of the tests."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy.ndimage import maximum_filter

from loam.core.errors import LoamError

# One training split serves four tests, from lenient to honest: units drawn at random from the dates and blocks that
# train, other dates, other blocks, and both at once.
SPLITS = (
    "unused",
    "train",
    "validate",
    "calibrate",
    "random",
    "temporal",
    "spatial",
    "spatiotemporal",
)
TESTS = ("random", "temporal", "spatial", "spatiotemporal")


@dataclass(frozen=True)
class Splits:
    """What may be seen by whom: the content of `splits.json`."""

    # Of train, validate, calibrate, test and gap: UTC to the second.
    dates: Mapping[str, tuple[str, ...]]
    block_px: int  # edge of a block [pixel]
    block_shape: tuple[int, int]  # rows and columns of blocks
    test_blocks: tuple[tuple[int, int], ...]  # row and column of blocks that never train
    buffer_px: (
        int  # held-out pixels this near to training ones of their date are in no split [pixel]
    )
    # Training date, row and column of a block held out.
    random_units: tuple[tuple[str, int, int], ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `splits.json`.

        Raises:
            LoamError: the file is not one that `make-splits` writes.
        """
        try:
            content = json.loads(path.read_text())
            blocks = content["blocks"]
            rows, columns = blocks["shape"]
            return cls(
                {split: tuple(map(str, dates)) for split, dates in content["dates"].items()},
                int(blocks["px"]),
                (int(rows), int(columns)),
                tuple((int(row), int(column)) for row, column in blocks["test"]),
                int(blocks["buffer_px"]),
                tuple(
                    (str(date), int(row), int(column)) for date, row, column in content["random"]
                ),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            msg = f"{path}: is no file of splits ({type(error).__name__}: {error}); remove it and run again"
            raise LoamError(msg) from None

    def as_json(self, **more: object) -> str:
        """Text of `splits.json`.

        Args:
            more: entries for people who read the file; Loam reads none of them.
        """
        blocks = {
            "px": self.block_px,
            "shape": self.block_shape,
            "test": self.test_blocks,
            "buffer_px": self.buffer_px,
        }
        content = {"dates": dict(self.dates), "blocks": blocks, "random": self.random_units}
        return json.dumps(content | more, indent=1)

    def times(self, *splits: str) -> np.ndarray:
        """Dates of some splits, datetime64[s] `(time)`; empty where a split has none."""
        texts = [text for split in splits for text in self.dates.get(split, ())]
        return np.array(texts, dtype="datetime64[s]")

    def of_dates(self, times: np.ndarray) -> np.ndarray:
        """Split of every acquisition's date: train, gap, validate, calibrate, test; text `(time)`.

        Args:
            times: acquisition times `(time)`; one that the splits do not know lies in a gap.
        """
        known = {
            np.datetime64(text): split for split, texts in self.dates.items() for text in texts
        }
        return np.array([known.get(time, "gap") for time in times.astype("datetime64[s]")])

    def of_units(self, times: np.ndarray) -> np.ndarray:
        """Split of every acquisition and block, as indices into `SPLITS`, int8 `(time, block_row, block_column)`.

        Args:
            times: acquisition times `(time)`; one that the splits do not know is unused.
        """
        is_test_block = np.zeros(self.block_shape, dtype=bool)
        is_test_block[tuple(np.array(self.test_blocks, dtype=int).reshape(-1, 2).T)] = True
        units = np.zeros((len(times), *is_test_block.shape), dtype=np.int8)
        for index, split in enumerate(self.of_dates(times)):
            units[index] = _of_date(str(split), is_test_block)
        position = {time: index for index, time in enumerate(times.astype("datetime64[s]"))}
        for text, row, column in self.random_units:
            if np.datetime64(text) in position:
                units[position[np.datetime64(text)], row, column] = SPLITS.index("random")
        return units

    def of_pixels(self, units: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Split of every pixel of one date `(y, x)`, as indices into `SPLITS`, without those in the buffer.

        Args:
            units: splits of its blocks `(block_row, block_column)`.
            shape: rows and columns of the grid.
        """
        return splits_of_pixels(units, self.block_px, shape, self.buffer_px)


def _of_date(split: str, is_test_block: np.ndarray) -> np.ndarray:
    """Splits of the blocks of one date, by the date's own split."""
    inside = {
        "train": "train",
        "validate": "validate",
        "calibrate": "calibrate",
        "test": "temporal",
    }.get(split, "unused")
    outside = {"train": "spatial", "test": "spatiotemporal"}.get(split, "unused")
    return np.where(is_test_block, SPLITS.index(outside), SPLITS.index(inside)).astype(np.int8)


def splits_of_pixels(
    units: np.ndarray, block_px: int, shape: Sequence[int], buffer_px: int
) -> np.ndarray:
    """Split of every pixel of one date `(y, x)`, as indices into `SPLITS`.

    Args:
        units: splits of its blocks `(block_row, block_column)`.
        block_px: edge of a block [pixel].
        shape: rows and columns of the grid.
        buffer_px: held-out pixels at most this far from a training pixel of the date are unused, since their labels average
            the same speckle [pixel].
    """
    of_pixels = units.repeat(block_px, axis=0).repeat(block_px, axis=1)[: shape[0], : shape[1]]
    train = of_pixels == SPLITS.index("train")
    if not buffer_px or not train.any() or train.all():
        return of_pixels
    near = maximum_filter(train, 2 * buffer_px + 1, mode="constant")
    return np.where(near & ~train, 0, of_pixels).astype(of_pixels.dtype)


def speckle_reach_px(support_px: int, filter_px: int, speckle_cell_px: float) -> int:
    """How far apart two labels of one date can be and still be made of the same speckle [pixel].

    Args:
        support_px: edge of the window that a label averages, odd [pixel].
        filter_px: edge of the speckle filter's window, odd; 1 without a filter [pixel].
        speckle_cell_px: edge of the area in which pixels share their speckle [pixel].
    """
    return support_px - 1 + filter_px - 1 + math.ceil(speckle_cell_px) - 1
