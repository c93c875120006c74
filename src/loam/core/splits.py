"""Which part of the data a pixel-date belongs to: training, or one of the tests."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter

# One training part serves four tests, from lenient to honest: units drawn at random from the dates and blocks that
# train, other dates, other blocks, and both at once.
PARTS = ("unused", "train", "validate", "calibrate", "random", "time", "space", "both")
TESTS = ("random", "time", "space", "both")


def date_parts(splits: Mapping[str, Any], times: np.ndarray) -> np.ndarray:
    """Part of every acquisition's date as the splits name it: train, gap, validate, calibrate, test; text `(time)`.

    Args:
        splits: content of `splits.json`.
        times: acquisition times `(time)`; one that the splits do not know lies in a gap.
    """
    known = {np.datetime64(text): part for part, texts in splits["dates"].items() for text in texts}
    return np.array([known.get(time, "gap") for time in times.astype("datetime64[s]")])


def unit_parts(splits: Mapping[str, Any], times: np.ndarray) -> np.ndarray:
    """Part of every acquisition and block, as indices into `PARTS`, int8 `(time, block_row, block_column)`.

    Args:
        splits: content of `splits.json`.
        times: acquisition times `(time)`; one that the splits do not know is unused.
    """
    is_test_block = np.zeros(splits["blocks"]["shape"], dtype=bool)
    is_test_block[tuple(np.array(splits["blocks"]["test"], dtype=int).reshape(-1, 2).T)] = True
    parts = np.zeros((len(times), *is_test_block.shape), dtype=np.int8)
    for index, part in enumerate(date_parts(splits, times)):
        parts[index] = _of_date(str(part), is_test_block)
    position = {time: index for index, time in enumerate(times.astype("datetime64[s]"))}
    for text, row, column in splits["random"]:
        if np.datetime64(text) in position:
            parts[position[np.datetime64(text)], row, column] = PARTS.index("random")
    return parts


def _of_date(part: str, is_test_block: np.ndarray) -> np.ndarray:
    """Parts of the blocks of one date, by the date's own part."""
    inside = {
        "train": "train",
        "validate": "validate",
        "calibrate": "calibrate",
        "test": "time",
    }.get(part, "unused")
    outside = {"train": "space", "test": "both"}.get(part, "unused")
    return np.where(is_test_block, PARTS.index(outside), PARTS.index(inside)).astype(np.int8)


def pixel_parts(units: np.ndarray, block_px: int, shape: Sequence[int], rim_px: int) -> np.ndarray:
    """Part of every pixel of one date `(y, x)`, as indices into `PARTS`.

    Args:
        units: parts of its blocks `(block_row, block_column)`.
        block_px: edge of a block [pixel].
        shape: rows and columns of the grid.
        rim_px: held-out pixels at most this far from a training pixel of the date are unused, since their labels average
            the same speckle [pixel].
    """
    parts = units.repeat(block_px, axis=0).repeat(block_px, axis=1)[: shape[0], : shape[1]]
    train = parts == PARTS.index("train")
    if not rim_px or not train.any() or train.all():
        return parts
    near = maximum_filter(train, 2 * rim_px + 1, mode="constant")
    return np.where(near & ~train, 0, parts).astype(parts.dtype)


def speckle_reach_px(support_px: int, filter_px: int, speckle_cell_px: float) -> int:
    """How far apart two labels of one date can be and still be made of the same speckle [pixel].

    Args:
        support_px: edge of the window that a label averages, odd [pixel].
        filter_px: edge of the speckle filter's window, odd; 1 without a filter [pixel].
        speckle_cell_px: edge of the area in which pixels share their speckle [pixel].
    """
    return support_px - 1 + filter_px - 1 + math.ceil(speckle_cell_px) - 1
