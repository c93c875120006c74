"""Change detection's inner loops, compiled: each works on a range of rows, a tile of pixels at a time, and holds no lock.

Arrays are `(time, y, x)` float32, missing values NaN. The pixels of a row lie side by side in memory, so every loop runs
over pixels innermost and becomes vector instructions: nothing is transposed, and sorting is a network of exchanges.
"""

import numpy as np

from loam.moisture.compiled import compiled

# Pixels treated side by side: 100 dates of them fill 50 kB, which stays in the second-level cache.
WIDTH = 128
REFERENCE_ANGLE_DEG = np.float32(40.0)


@compiled
def sort_tile(tile: np.ndarray, network: np.ndarray) -> None:
    """Sort every column of `(date, pixel)` in place by the network's exchanges; gaps are +inf and come last."""
    for pair in range(network.shape[0]):
        upper, lower = tile[network[pair, 0]], tile[network[pair, 1]]
        for p in range(tile.shape[1]):
            first, second = upper[p], lower[p]
            upper[p] = first if first < second else second
            lower[p] = second if first < second else first


@compiled
def gather(
    level: np.ndarray, dates: np.ndarray, y: int, left: int, tile: np.ndarray, count: np.ndarray
) -> None:
    """Copy some dates of a row into a tile `(date, pixel)`, gaps as +inf; `count (pixel)` becomes the number of values.

    Args:
        level: `(time, y, x)` [dB].
        dates: places of the dates in time `(date)`.
        y: the row.
        left: first column of the tile.
        tile: filled `(date, pixel)` [dB].
        count: filled `(pixel)`.
    """
    width = min(tile.shape[1], level.shape[2] - left)
    tile[:, width:] = np.inf
    count[:] = 0
    for i in range(dates.size):
        row, out = level[dates[i], y, left : left + width], tile[i]
        for p in range(width):
            known = row[p] == row[p]
            out[p] = row[p] if known else np.float32(np.inf)
            count[p] += known


@compiled
def normalise_tile(
    tile: np.ndarray,
    angle: np.ndarray,
    slope: np.ndarray,
    seasons: np.ndarray,
    dates: np.ndarray,
    y: int,
    left: int,
    count: np.ndarray,
) -> None:
    """Bring a gathered tile to 40 degrees: sigma - beta (theta - 40); a value without angle or slope becomes a gap.

    Args:
        tile: changed in place `(date, pixel)` [dB].
        angle: theta `(time, y, x)` [degree].
        slope: beta `(season, y, x)` [dB/degree].
        seasons: season of every date in time `(time)`.
        dates: places of the dates in time `(date)`.
        y: the row.
        left: first column of the tile.
        count: values of each column; filled `(pixel)`.
    """
    width = min(tile.shape[1], angle.shape[2] - left)
    count[:] = 0
    for i in range(dates.size):
        theta, beta, out = (
            angle[dates[i], y, left : left + width],
            slope[seasons[dates[i]], y, left : left + width],
            tile[i],
        )
        for p in range(width):
            value = out[p] - beta[p] * (theta[p] - REFERENCE_ANGLE_DEG)
            known = (value == value) and value < np.float32(np.inf)
            out[p] = value if known else np.float32(np.inf)
            count[p] += known


@compiled
def percentiles(tile: np.ndarray, count: np.ndarray, position: np.ndarray, out: np.ndarray) -> None:
    """Values of sorted columns at fractional places, `(2, pixel)`: the dry and the wet percentile.

    Args:
        tile: sorted `(date, pixel)` [dB].
        count: values of each column `(pixel)`.
        position: fractional place of both percentiles by number of values `(count, 2)`.
        out: filled `(2, pixel)` [dB].
    """
    for side in range(2):
        for p in range(count.size):
            place, n = position[count[p], side], count[p]
            below = int(place)
            low = tile[below, p]
            # Equal ranks of a short column may both be gaps, whose difference is no number.
            out[side, p] = (
                low + (tile[min(below + 1, n - 1), p] - low) * (place - below) if n > 0 else np.nan
            )


@compiled
def rank_errors(
    tile: np.ndarray, count: np.ndarray, weights: np.ndarray, first: np.ndarray, out: np.ndarray
) -> None:
    """Exact bootstrap standard errors of two order statistics of sorted columns, `(2, pixel)`, from their ranks' weights.

    Args:
        tile: sorted `(date, pixel)` [dB].
        count: values of each column `(pixel)`.
        weights: of the ranks by number of values and side `(count, 2, rank)`.
        first: first and last rank that weigh `(count, 2, 2)`.
        out: filled `(2, pixel)` [dB].
    """
    mean = np.zeros(count.size, dtype=np.float32)
    same = count.min() == count.max()
    for side in range(2):
        if not same:
            for p in range(count.size):
                out[side, p] = _rank_error(tile, p, weights[count[p], side], first[count[p], side])
            continue
        mean[:] = 0
        out[side] = 0
        start, end = first[count[0], side]
        for rank in range(start, end):
            weight, values, origin = weights[count[0], side, rank], tile[rank], tile[start]
            for p in range(count.size):
                # From the first value on: the square of small differences keeps its digits.
                value = values[p] - origin[p]
                mean[p] += weight * value
                out[side, p] += weight * value * value
        for p in range(count.size):
            out[side, p] = np.sqrt(max(out[side, p] - mean[p] * mean[p], np.float32(0)))


@compiled
def _rank_error(tile: np.ndarray, p: int, weights: np.ndarray, first: np.ndarray) -> float:
    mean, square = np.float32(0), np.float32(0)
    for rank in range(first[0], first[1]):
        value = tile[rank, p] - tile[first[0], p]
        mean += weights[rank] * value
        square += weights[rank] * value * value
    return np.sqrt(max(square - mean * mean, np.float32(0)))


@compiled
def extrapolate(
    values: np.ndarray,
    errors: np.ndarray,
    count: np.ndarray,
    expected: np.ndarray,
    correlation: np.ndarray,
    fitted: np.ndarray,
) -> None:
    """References and their errors `(6, pixel)` from two percentiles that lie at `expected` of the way from dry to wet.

    S = (high - low) / (above - below), dry = low - below S, wet = high + (1 - above) S; the errors follow exactly, since
    all three are linear in the percentiles. NaN with fewer than two values.

    Args:
        values: the two percentiles `(2, pixel)` [dB].
        errors: their standard errors `(2, pixel)` [dB].
        count: values of each column `(pixel)`.
        expected: where the percentiles lie between dry and wet, by number of values [1] `(count, 2)`.
        correlation: of their errors, by number of values [1] `(count)`.
        fitted: filled `(6, pixel)`.
    """
    for p in range(fitted.shape[1]):
        n = count[p] if count[p] > 1 else -1
        below, above = expected[n, 0], expected[n, 1]
        span = above - below if n > 1 else np.float32(np.nan)
        low, high, dry_share, wet_share = (
            values[0, p],
            values[1, p],
            below / span,
            (1 - above) / span,
        )
        sensitivity = (high - low) / span
        u_low, u_high, both = (
            errors[0, p] ** 2,
            errors[1, p] ** 2,
            2 * correlation[n] * errors[0, p] * errors[1, p],
        )
        fitted[0, p] = low - below * sensitivity
        fitted[1, p] = high + (1 - above) * sensitivity
        fitted[2, p] = sensitivity
        fitted[3, p] = np.sqrt(
            (1 + dry_share) ** 2 * u_low
            + dry_share**2 * u_high
            - (1 + dry_share) * dry_share * both
        )
        fitted[4, p] = np.sqrt(
            (1 + wet_share) ** 2 * u_high
            + wet_share**2 * u_low
            - (1 + wet_share) * wet_share * both
        )
        fitted[5, p] = np.sqrt(u_low + u_high - both) / span


@compiled
def fit_rows(
    level: np.ndarray,
    angle: np.ndarray,
    slope: np.ndarray,
    seasons: np.ndarray,
    dates: np.ndarray,
    rows: tuple,
    networks: tuple,
    table: tuple,
    fitted: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Fit the references of a range of rows to some dates.

    Args:
        level: backscatter `(time, y, x)` [dB].
        angle: incidence `(time, y, x)` [degree], or of no length: then levels stay at their own angle.
        slope: beta `(season, y, x)` [dB/degree].
        seasons: season of every date `(time)`.
        dates: places of the dates to use `(date)`.
        rows: first row, and one past the last.
        networks: `sorting_network`, and `extremes_network` for tiles without gaps.
        table: the fields of a `RankTable`.
        fitted: dry, wet, sensitivity and their errors, `(6, y, x)` [dB]; written.
        counts: dates used `(y, x)`; written.
    """
    position, expected, weights, first, correlation = table
    tile, count = np.empty((dates.size, WIDTH), np.float32), np.zeros(WIDTH, np.int32)
    values, errors = np.empty((2, WIDTH), np.float32), np.empty((2, WIDTH), np.float32)
    for y in range(rows[0], rows[1]):
        for left in range(0, level.shape[2], WIDTH):
            gather(level, dates, y, left, tile, count)
            if angle.size:
                normalise_tile(tile, angle, slope, seasons, dates, y, left, count)
            width = min(WIDTH, level.shape[2] - left)
            count[width:] = count[0]
            sort_tile(tile, networks[1] if (count == dates.size).all() else networks[0])
            percentiles(tile, count, position, values)
            rank_errors(tile, count, weights, first, errors)
            extrapolate(
                values, errors, count, expected, correlation, fitted[:, y, left : left + width]
            )
            counts[y, left : left + width] = count[:width]
