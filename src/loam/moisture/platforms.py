"""Offsets between satellites, found on ground that changes least, and removed where they are significant."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from loam.config.moisture import References
from loam.core.raster import open_dataset
from loam.moisture.observed import Source
from loam.moisture.slopes import memory_lags

YEAR_DAYS = 365.25
# ASSUME: rain of a day is forgotten by 15 % a day, as in antecedent precipitation indices (Kohler & Linsley 1951).
RECESSION = 0.85
# Quarter of the pixels that vary least over time: forest, towns and stony ground, which moisture hardly moves.
STABLE_SHARE = 0.25


def stable_series(level: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Median over the most stable pixels of the departure from each track's mean, `(time)` [dB].

    Args:
        level: backscatter of a sample of pixels `(time, pixel)` [dB], NaN missing.
        tracks: `(time)`.
    """
    # Dates that are missing everywhere, by frost for example, stay missing.
    there = np.isfinite(level).any(axis=1)
    seen = level[there].astype(np.float64)
    departure = seen[:, np.isfinite(seen).mean(axis=0) > 0.5]
    out = np.full(len(level), np.nan)
    if departure.shape[1] == 0:
        return out
    for name in np.unique(tracks[there]):
        chosen = tracks[there] == name
        departure[chosen] -= np.nanmean(departure[chosen], axis=0)
    spread = np.nanstd(departure, axis=0)
    stable = spread <= np.nanquantile(spread, STABLE_SHARE)
    out[there] = np.nanmedian(departure[:, stable], axis=1)
    return out


def antecedent_rain(precipitation_mm: np.ndarray) -> np.ndarray:
    """Antecedent precipitation index of every day `(day)` [mm]: API = 0.85 API of the day before + the day's rain."""
    index = np.zeros(len(precipitation_mm))
    for day, rain in enumerate(np.nan_to_num(precipitation_mm)):
        index[day] = RECESSION * index[max(day - 1, 0)] + rain
    return index


def platform_offsets(
    series_db: np.ndarray,
    platforms: np.ndarray,
    tracks: np.ndarray,
    times: np.ndarray,
    rain: np.ndarray,
) -> dict[str, tuple[float, float]]:
    """Offset of every satellite against the one that was there most often, with its standard error [dB].

    A regression of the series on the satellite, next to what else could move it: the track, the season and the rain
    before. The error allows for memory from date to date (Newey & West 1987).

    Args:
        series_db: backscatter of stable ground `(time)` [dB], NaN missing.
        platforms: name of the satellite `(time)`.
        tracks: `(time)`.
        times: in order `(time)`.
        rain: antecedent precipitation index `(time)` [mm].

    Returns:
        Offset and error by satellite. Where tracks and satellites cannot be told apart: 0 and NaN.
    """
    names, counts = np.unique(platforms, return_counts=True)
    others = [str(name) for name in names if name != names[counts.argmax()]]
    found = {str(names[counts.argmax()]): (0.0, 0.0)}
    known = np.isfinite(series_db) & np.isfinite(rain)
    year = 2 * np.pi * (times - times[0]) / np.timedelta64(1, "D") / YEAR_DAYS
    columns = [platforms == name for name in others] + [
        tracks == name for name in np.unique(tracks)
    ]
    columns += [np.sin(year), np.cos(year)] + ([rain] if np.ptp(rain[known]) > 0 else [])
    design = np.stack(columns, axis=1).astype(np.float64)[known]
    if (
        not others
        or np.linalg.matrix_rank(design) < design.shape[1]
        or len(design) <= design.shape[1]
    ):
        return found | {name: (0.0, np.nan) for name in others}
    inverse = np.linalg.inv(design.T @ design)
    solution = inverse @ design.T @ series_db[known]
    scores = design * (series_db[known] - design @ solution)[:, None]
    error = np.sqrt(
        np.diag(inverse @ _long_run(scores) @ inverse)
        * len(design)
        / (len(design) - design.shape[1])
    )
    return found | {name: (float(solution[k]), float(error[k])) for k, name in enumerate(others)}


def _long_run(scores: np.ndarray) -> np.ndarray:
    total, lags = scores.T @ scores, memory_lags(len(scores))
    for lag in range(1, lags + 1):
        product = scores[lag:].T @ scores[:-lag]
        total += (1 - lag / (lags + 1)) * (product + product.T)
    return total


def significant(
    offsets: dict[str, tuple[float, float]], sigmas: float
) -> dict[str, tuple[float, float]]:
    """Keep the offsets that are at least so many of their standard errors; the others become 0. Each is told in the log."""
    kept = {}
    for name, (offset, error) in offsets.items():
        large = bool(error > 0 and abs(offset) >= sigmas * error)
        kept[name] = (offset if large else 0.0, error)
        if error != 0:
            text = "platform %s: %+.2f dB against the others, standard error %.2f; %s"
            logging.getLogger(__name__).info(
                text, name, offset, error, "removed" if large else "not significant, kept as it is"
            )
    return kept


def fitted_offsets(
    sample: np.ndarray, source: Source, dates: np.ndarray, weather: Path | None, cfg: References
) -> dict[str, tuple[float, float]]:
    """Offset and error of every satellite of the training dates [dB]; those that are not significant are 0.

    Args:
        sample: levels of sampled pixels `(date, pixel)` [dB].
        source: the stack.
        dates: places of the training dates.
        weather: daily weather, for rain before an acquisition; None: rain explains nothing.
        cfg: section `moisture.references`.
    """
    platforms = source.platforms[dates]
    if len(np.unique(platforms)) < 2:
        return {str(name): (0.0, 0.0) for name in np.unique(platforms)}
    series = stable_series(sample, source.tracks[dates])
    rain = np.zeros(len(dates))  # without weather, rain explains no difference
    if weather is not None:
        rain = rain_before(open_dataset(weather)["precipitation"], source.times[dates])
    found = platform_offsets(series, platforms, source.tracks[dates], source.times[dates], rain)
    return significant(found, cfg.platform_sigmas)


def rain_before(precipitation: xr.DataArray, times: np.ndarray) -> np.ndarray:
    """Antecedent precipitation index of the area on the days of some acquisitions `(time)` [mm], NaN without weather."""
    daily = precipitation.mean(("y", "x")).astype(float)
    index = daily.copy(data=antecedent_rain(daily.values)).to_series()
    return index.reindex(times.astype("datetime64[D]").astype("datetime64[ns]")).to_numpy()


def offset_of(offsets: dict[str, tuple[float, float]], platforms: np.ndarray) -> np.ndarray:
    """Offset of each date's satellite `(date)` [dB]; of one that was never seen in training 0."""
    return np.array([offsets.get(str(name), (0.0, 0.0))[0] for name in platforms])
