"""Percentiles of sorted values, their exact bootstrap errors, and the network that sorts many pixels at once."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import betainc

# Weights below this say nothing: what they leave out is made good by scaling the others.
NEGLIGIBLE = 1e-4


@dataclass(frozen=True)
class RankTable:
    """What the extremes of `n` sorted values need, for every `n` from 0 to the most there can be.

    Attributes:
        position: of the dry and of the wet percentile among the sorted values, from 0, `(n, 2)` float32.
        expected: of a value at that position in an even spread from 0 to 1, `(n, 2)` float32 [1].
        weights: of the sorted values in the percentile's bootstrap distribution, `(n, 2, rank)` float32 [1].
        first: first rank with a weight, and one past the last, `(n, 2, 2)` int32.
        correlation: between the sampling errors of the two percentiles, `(n)` float32 [1].
    """

    position: np.ndarray
    expected: np.ndarray
    weights: np.ndarray
    first: np.ndarray
    correlation: np.ndarray


@cache
def rank_table(most: int, low: float, high: float) -> RankTable:
    """Make the tables for up to `most` values.

    The percentile p of n values lies at position p (n - 1) from 0, as in NumPy. For evenly spread values its expectation
    is (position + 1) / (n + 1) of the way from the lowest to the highest possible value, so that references
    extrapolated by `expected` are unbiased for few dates too, and by p itself for many.

    The bootstrap distribution of the order statistic k of n values is known in closed form: it takes the value of rank r
    with probability I(r / n; k, n - k + 1) - I((r - 1) / n; k, n - k + 1), I the regularised incomplete beta function
    (Maritz & Jarrett 1978, J. Am. Stat. Assoc. 73, 194-196). So no resampling is needed. Between two ranks k is a fraction.

    Args:
        most: largest number of values.
        low: share of the values below the dry percentile [1].
        high: share of the values below the wet percentile [1].
    """
    shares = np.array([low, high])
    count = np.arange(most + 1, dtype=np.float64)
    position = shares * np.maximum(count - 1, 0)[:, None]
    expected = (position + 1) / (count[:, None] + 1)
    weights = np.zeros((most + 1, 2, max(most, 1)), dtype=np.float32)
    first = np.zeros((most + 1, 2, 2), dtype=np.int32)
    for n in range(1, most + 1):
        for side in range(2):
            weights[n, side, :n], first[n, side] = _bootstrap_weights(n, position[n, side])
    # Of two order statistics of evenly spread values; the same for other laws in the limit (David & Nagaraja 2003, 2.3).
    odds = expected / (1 - expected).clip(1e-9)
    correlation = np.sqrt(odds[:, 0] / odds[:, 1].clip(1e-9))
    return RankTable(
        position.astype(np.float32),
        expected.astype(np.float32),
        weights,
        first,
        correlation.astype(np.float32),
    )


def _bootstrap_weights(count: int, position: float) -> tuple[np.ndarray, tuple[int, int]]:
    weights = np.diff(betainc(position + 1, count - position, np.arange(count + 1) / count))
    weights[weights < NEGLIGIBLE] = 0
    used = np.flatnonzero(weights)
    return (weights / weights.sum()).astype(np.float32), (int(used[0]), int(used[-1]) + 1)


@cache
def sorting_network(count: int) -> np.ndarray:
    """Pairs of places to compare and exchange, in order, that sort `count` values, int32 `(m, 2)`.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M): the same pairs whatever the
    values, so that a row of pixels is sorted side by side by vector instructions.
    """
    return np.array(_merge_exchange(count), dtype=np.int32).reshape(-1, 2)


@cache
def extremes_network(count: int, low: float, high: float) -> np.ndarray:
    """The part of the sorting network that puts the extremes in place, for pixels without gaps, int32 `(m, 2)`.

    Pairs that only order the middle, which no percentile and none of their errors needs, are left out.

    Args:
        count: number of values.
        low: share of the values below the dry percentile [1].
        high: share of the values below the wet percentile [1].
    """
    first = rank_table(count, low, high).first[count]
    live = np.zeros(count, dtype=bool)
    live[: first[0, 1]] = live[first[1, 0] :] = True
    needed = []
    for pair in reversed(_merge_exchange(count)):
        if live[list(pair)].any():
            live[list(pair)] = True
            needed.append(pair)
    return np.array(needed[::-1], dtype=np.int32).reshape(-1, 2)


def _merge_exchange(count: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    top = 1 << max(count - 1, 0).bit_length() >> 1
    step = top
    while step > 0:
        span, residue, distance = top, 0, step
        while True:
            pairs += [
                (place, place + distance)
                for place in range(count - distance)
                if place & step == residue
            ]
            if span == step:
                break
            distance, span, residue = span - step, span >> 1, step
        step >>= 1
    return pairs
