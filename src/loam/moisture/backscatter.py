"""Backscatter as change detection wants it: averaged over the label's support, in dB, with its noise."""

import numpy as np

from loam.moisture.averaging import DB_PER_NEPER, average_rows
from loam.moisture.compiled import over_rows

REFERENCE_ANGLE_DEG = 40.0
# Name of the one reference that serves all tracks.
ALL_TRACKS = "all"
# `angle` of kernels, where there is none or none is wanted.
NO_ANGLE = np.empty((0, 0, 0), dtype=np.float32)


def averaged_db(power: np.ndarray, size: int, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Backscatter over the label's support.

    Averaging comes before decibels: the mean of decibels is biased low. Noise-subtracted power may be negative and counts
    as it is.

    Args:
        power: linear power `(time, y, x)`, NaN missing.
        size: edge of the window [pixel].
        threads: rows are shared out to as many.

    Returns:
        The mean of the window's finite powers `(time, y, x)` float32 [dB], NaN where the pixel itself is missing or the
        mean not positive; and how many pixels it is the mean of, uint16.
    """
    power = np.ascontiguousarray(power, dtype=np.float32)
    level, count = np.empty(power.shape, dtype=np.float32), np.empty(power.shape, dtype=np.uint16)
    over_rows(lambda rows: average_rows(power, size, rows, level, count), power.shape[1], threads)
    return level, count


def independent_share(pixel_m: float, speckle_cell_m: float) -> float:
    """Share of the looks of neighbouring pixels that are independent [1]: pixels finer than the radar resolves share speckle."""
    return min(1.0, (pixel_m / speckle_cell_m) ** 2)


def speckle_variance(count: np.ndarray, looks: float, share: float = 1.0) -> np.ndarray:
    """Variance of the averaged backscatter by speckle [dB²], that of 10 log10 of a mean of N looks.

    It is (10 / ln 10)² psi'(N), the trigamma function, whose series 1/N + 1/(2 N²) is within 2 % for more than two looks.

    Args:
        count: pixels in the window, any shape.
        looks: of one pixel [1].
        share: of the looks of further pixels that are independent [1].
    """
    number = (looks * np.maximum(count * share, 1)).astype(np.float32)
    return (DB_PER_NEPER**2 * (1 / number + 0.5 / number**2)).astype(np.float32)


def normalised(
    backscatter_db: np.ndarray,
    incidence_deg: np.ndarray,
    beta: np.ndarray,
    reference_deg: float = REFERENCE_ANGLE_DEG,
) -> np.ndarray:
    """Backscatter brought to one incidence angle: sigma40 = sigma - beta (theta - 40) [dB].

    Args:
        backscatter_db: sigma, any shape [dB].
        incidence_deg: theta, of the same shape [degree].
        beta: slope [dB/degree], or broadcastable.
        reference_deg: angle to bring it to [degree].
    """
    return backscatter_db - beta * (incidence_deg - reference_deg)
