"""Averages of linear power over the label's support, in decibels, compiled."""

import numpy as np

from loam.moisture.compiled import compiled

# Decibels per neper of relative power: the standard deviation of 10 log10 of a mean of N looks is this over sqrt(N).
DB_PER_NEPER = 10 / np.log(10)
_SCALE = np.float32(DB_PER_NEPER)


@compiled
def average_rows(
    power: np.ndarray, size: int, rows: tuple[int, int], level: np.ndarray, count: np.ndarray
) -> None:
    """Average a range of rows over a square window and turn the means into decibels.

    Every window is summed by itself, in one order: results do not depend on how an area is cut into blocks.

    Args:
        power: linear power `(time, y, x)` float32, NaN missing; may be negative.
        size: edge of the window [pixel], odd. It is cut at the array's edge.
        rows: first row, and one past the last.
        level: mean `(time, y, x)` float32 [dB]; written. NaN where the pixel itself is missing or the mean not positive.
        count: finite pixels in the window `(time, y, x)` uint16; written.
    """
    half, width = size // 2, power.shape[2]
    total, known = np.zeros(width + 2 * half, np.float64), np.zeros(width + 2 * half, np.int32)
    means, counts = np.empty(width, np.float64), np.empty(width, np.int32)
    exponents, mantissas = np.empty(width, np.int32), np.empty(width, np.float32)
    for date in range(power.shape[0]):
        for y in range(rows[0], rows[1]):
            _column_sums(
                power[date], max(0, y - half), min(power.shape[1], y + half + 1), half, total, known
            )
            means[:] = 0
            counts[:] = 0
            for shift in range(size):
                for x in range(width):
                    means[x] += total[x + shift]
                    counts[x] += known[x + shift]
            here, out, number = power[date, y], level[date, y], count[date, y]
            for x in range(width):
                number[x] = counts[x]
            for x in range(width):
                mean = np.float32(means[x] / counts[x])
                out[x] = mean if (here[x] == here[x]) & (mean > 0) else np.float32(np.nan)
            _to_decibels(out, exponents, mantissas)


@compiled
def _to_decibels(values: np.ndarray, exponents: np.ndarray, mantissas: np.ndarray) -> None:
    """Take 10 log10 of a row of float32 in place, to 2e-6 dB. The C library's logarithm takes one value at a time.

    A value is 2^e m, m from sqrt(1/2) to sqrt(2): ln = e ln 2 + 2 artanh((m - 1) / (m + 1)), five terms of whose series are exact
    in float32. Missing values stay missing.
    """
    bits, parts = values.view(np.int32), mantissas.view(np.int32)
    for x in range(values.size):
        exponents[x] = (bits[x] - np.int32(0x3F3504F3)) >> 23
    for x in range(values.size):
        parts[x] = bits[x] - (exponents[x] << 23)
    for x in range(values.size):
        s = (mantissas[x] - np.float32(1)) / (mantissas[x] + np.float32(1))
        t = s * s
        series = np.float32(1) + t * (
            np.float32(1 / 3)
            + t * (np.float32(0.2) + t * (np.float32(1 / 7) + t * np.float32(1 / 9)))
        )
        decibels = _SCALE * (
            np.float32(exponents[x]) * np.float32(0.69314718056) + np.float32(2) * s * series
        )
        values[x] = decibels if values[x] == values[x] else values[x]


@compiled
def _column_sums(
    power: np.ndarray, top: int, bottom: int, half: int, total: np.ndarray, known: np.ndarray
) -> None:
    total[:] = 0
    known[:] = 0
    for row in range(top, bottom):
        values = power[row]
        for x in range(values.size):
            finite = values[x] == values[x]
            total[x + half] += values[x] if finite else np.float32(0)
            known[x + half] += finite
