"""What tillage and plants do to backscatter between dates, seen by its memory: moisture is shared, speckle forgets."""

import numpy as np

from loam.moisture.compiled import compiled, over_rows

# Dates so far apart share no speckle, and hardly any surface has changed between them [day].
NEAR_DAYS = (3, 15)


def shared_series(level: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """What a sample of pixels has in common, the area's wetting and drying, `(time)` [1]; NaN where nothing was seen.

    The median over pixels of the departure from the mean of the track, in the pixel's own standard deviations.

    Args:
        level: backscatter of the sample `(time, pixel)` [dB], NaN missing.
        tracks: `(time)`.
    """
    departure = level[:, np.isfinite(level).mean(axis=0) > 0.5].astype(np.float64)
    out = np.full(len(level), np.nan)
    seen = np.isfinite(departure).any(axis=1)
    if departure.shape[1] == 0:
        return out
    for name in np.unique(tracks[seen]):
        chosen = seen & (tracks == name)
        known = np.isfinite(departure[chosen])
        departure[chosen] -= np.nansum(departure[chosen], axis=0) / np.maximum(known.sum(axis=0), 1)
    out[seen] = np.nanmedian(departure[seen] / np.nanstd(departure[seen], axis=0), axis=1)
    return out


def near_pairs(times: np.ndarray) -> np.ndarray:
    """Places of dates that lie `NEAR_DAYS` apart, `(pair, 2)`."""
    apart = (times[None, :] - times[:, None]) / np.timedelta64(1, "D")
    return np.argwhere((apart >= NEAR_DAYS[0]) & (apart <= NEAR_DAYS[1]))


def surface_error(
    level: np.ndarray, series: np.ndarray, tracks: np.ndarray, times: np.ndarray, threads: int = 1
) -> np.ndarray:
    """Standard deviation of what changes a pixel's backscatter slowly, and is not the area's moisture `(y, x)` float32 [dB].

    Departures from the track's mean, less what follows the series that the area shares, are speckle, which is another on
    every date, and what the surface does, which lasts. So their covariance between dates that lie near each other is the
    variance of the surface. Moisture that follows a course of its own, and lasts, counts as surface too.

    Args:
        level: `(time, y, x)` [dB], NaN missing.
        series: as by `shared_series` `(time)`, NaN for dates to leave out.
        tracks: `(time)`.
        times: `(time)`.
        threads: rows are shared out to as many.

    Returns:
        0 where the covariance is not positive, or no two dates lie that near.
    """
    level = np.ascontiguousarray(level, dtype=np.float32)
    names, places = np.unique(tracks, return_inverse=True)
    out = np.zeros(level.shape[1:], dtype=np.float32)
    arguments = (level, series.astype(np.float32), places, len(names), near_pairs(times))
    over_rows(lambda rows: _surface_rows(*arguments, rows, out), level.shape[1], threads)
    return out


@compiled
def _surface_rows(
    level: np.ndarray,
    series: np.ndarray,
    tracks: np.ndarray,
    number: int,
    pairs: np.ndarray,
    rows: tuple[int, int],
    out: np.ndarray,
) -> None:
    dates, width = level.shape[0], level.shape[2]
    rest, known = np.empty((dates, width), np.float32), np.empty((dates, width), np.float32)
    product, count = np.empty(width, np.float64), np.empty(width, np.float64)
    for y in range(rows[0], rows[1]):
        for date in range(dates):
            for x in range(width):
                there = (level[date, y, x] == level[date, y, x]) & (series[date] == series[date])
                known[date, x] = np.float32(1) if there else np.float32(0)
                rest[date, x] = level[date, y, x] if there else np.float32(0)
        _without_series(rest, known, series, tracks, number)
        product[:] = 0
        count[:] = 0
        for pair in range(pairs.shape[0]):
            one, other = pairs[pair, 0], pairs[pair, 1]
            for x in range(width):
                product[x] += rest[one, x] * rest[other, x]
                count[x] += known[one, x] * known[other, x]
        for x in range(width):
            out[y, x] = np.sqrt(max(product[x], 0.0) / max(count[x], 1.0))


@compiled
def _without_series(
    rest: np.ndarray, known: np.ndarray, series: np.ndarray, tracks: np.ndarray, number: int
) -> None:
    """Take the means of the tracks from a row's levels `(time, x)`, and what follows the series; 0 where nothing is known."""
    dates, width = rest.shape
    series = np.where(series == series, series, np.float32(0))
    count, level_mean, series_mean = (
        np.zeros((number, width)),
        np.zeros((number, width)),
        np.zeros((number, width)),
    )
    for date in range(dates):
        for x in range(width):
            count[tracks[date], x] += known[date, x]
            level_mean[tracks[date], x] += rest[date, x]
            series_mean[tracks[date], x] += known[date, x] * series[date]
    level_mean /= np.maximum(count, 1.0)
    series_mean /= np.maximum(count, 1.0)
    both, square = np.zeros(width), np.zeros(width)
    for date in range(dates):
        for x in range(width):
            away = known[date, x] * (series[date] - series_mean[tracks[date], x])
            rest[date, x] = known[date, x] * (rest[date, x] - level_mean[tracks[date], x])
            both[x] += away * rest[date, x]
            square[x] += away * away
    for date in range(dates):
        for x in range(width):
            slope = both[x] / square[x] if square[x] > 0 else 0.0
            rest[date, x] -= slope * known[date, x] * (series[date] - series_mean[tracks[date], x])
