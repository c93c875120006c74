"""Dry and wet references, their errors and the angular slope of every pixel, from arrays."""

from dataclasses import dataclass

import numpy as np

from loam.moisture.backscatter import ALL_TRACKS, NO_ANGLE
from loam.moisture.compiled import over_rows
from loam.moisture.kernels import fit_rows
from loam.moisture.ranks import extremes_network, rank_table, sorting_network
from loam.moisture.slopes import memory_lags, slope_rows

LAYERS = ("dry", "wet", "sensitivity", "dry_error", "wet_error", "sensitivity_error")
# Where a pixel's slope comes from.
ORIGINS = {"none": 0, "season": 1, "year": 2, "landcover": 3}


@dataclass(frozen=True)
class Fitted:
    """References of some groups of dates, and the slope.

    Attributes:
        layers: dry, wet, sensitivity and their errors `(group, 6, y, x)` float32 [dB].
        dates: used `(group, y, x)` int32.
        slope: beta and its error `(2, season, y, x)` float32 [dB/degree], NaN where none is accepted.
        origin: of the slope, by `ORIGINS`, `(season, y, x)` uint8.
    """

    layers: np.ndarray
    dates: np.ndarray
    slope: np.ndarray
    origin: np.ndarray


def dry_wet_references(
    level: np.ndarray,
    dry_percentile: float,
    wet_percentile: float,
    angle: np.ndarray | None = None,
    slope: np.ndarray | None = None,
    seasons: np.ndarray | None = None,
    dates: np.ndarray | None = None,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Robust extremes of backscatter over time, extrapolated from percentiles, with exact bootstrap standard errors.

    With moisture spread evenly between its extremes, S = (P_wet - P_dry) / (wet - dry share), dry = P_dry - dry share
    x S and wet = P_wet + (1 - wet share) x S; for 10 and 90 % of many dates that is S = (P90 - P10) / 0.8. For few dates
    the shares are those that the percentiles' ranks have on average (see `rank_table`).

    Args:
        level: `(time, y, x)` [dB], NaN missing.
        dry_percentile: percentile that marks dry [%].
        wet_percentile: percentile that marks wet [%].
        angle: local incidence `(time, y, x)` [degree], to bring levels to 40 degrees first.
        slope: beta `(season, y, x)` [dB/degree].
        seasons: season of every date, from 0 `(time)`.
        dates: places of the dates to use; None: all.
        threads: rows are shared out to as many.

    Returns:
        Dry, wet, sensitivity and their standard errors `(6, y, x)` float32 [dB], NaN with fewer than two dates; and the
        count of dates `(y, x)` int32.
    """
    level, theta, beta = (
        NO_ANGLE if v is None else np.ascontiguousarray(v, dtype=np.float32)
        for v in (level, angle, slope)
    )
    dates = np.arange(len(level)) if dates is None else dates
    number, low, high = len(dates), dry_percentile / 100, wet_percentile / 100
    fitted, counts = (
        np.full((6, *level.shape[1:]), np.nan, dtype=np.float32),
        np.zeros(level.shape[1:], dtype=np.int32),
    )
    if number == 0:
        return fitted, counts
    table, networks = (
        rank_table(number, low, high),
        (sorting_network(number), extremes_network(number, low, high)),
    )
    fields = (table.position, table.expected, table.weights, table.first, table.correlation)
    season = np.zeros(len(level), dtype=np.int64) if seasons is None else seasons
    over_rows(
        lambda rows: fit_rows(
            level, theta, beta, season, dates, rows, networks, fields, fitted, counts
        ),
        level.shape[1],
        threads,
    )
    return fitted, counts


def angular_slope(
    level: np.ndarray, angle: np.ndarray, dates: np.ndarray | None = None, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Slope of backscatter over incidence, by least squares over dates and tracks, and its standard error [dB/degree].

    Under one track the angle of a pixel hardly varies, and the error says so. Soil remembers from date to date: the error
    allows for it (Newey & West 1987).

    Args:
        level: `(time, y, x)` [dB], in order of time, NaN missing.
        angle: local incidence `(time, y, x)` [degree].
        dates: places of the dates to use; None: all.
        threads: rows are shared out to as many.

    Returns:
        Slope and error, each `(y, x)` float32; NaN with fewer than three values.
    """
    level, angle = (np.ascontiguousarray(values, dtype=np.float32) for values in (level, angle))
    slope, error = (np.full(level.shape[1:], np.nan, dtype=np.float32) for _ in range(2))
    dates = np.arange(len(level)) if dates is None else dates
    lags = memory_lags(len(dates))
    over_rows(
        lambda rows: slope_rows(level, angle, dates, lags, rows, slope, error),
        level.shape[1],
        threads,
    )
    return slope, error


def accepted_slopes(
    level: np.ndarray,
    angle: np.ndarray,
    seasons: np.ndarray,
    number: int,
    max_relative_error: float,
    given: np.ndarray | None,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Slope of every season where it is certain enough; else that of the year; else the one given for the land cover.

    Args:
        level: `(time, y, x)` [dB].
        angle: `(time, y, x)` [degree].
        seasons: season of every date, from 0 `(time)`.
        number: of seasons.
        max_relative_error: largest accepted standard error over slope [1] (Remote Sensing 2025, 17(3), 361).
        given: slope and error by land cover `(2, y, x)`, or None for none.
        threads: rows are shared out to as many.

    Returns:
        Slope and error `(2, season, y, x)` float32 [dB/degree], NaN where none is accepted; and the origin of each,
        by `ORIGINS`, `(season, y, x)` uint8.
    """
    slopes = np.full((2, number, *level.shape[1:]), np.nan, dtype=np.float32)
    origin = np.zeros(slopes.shape[1:], dtype=np.uint8)
    choices = [] if given is None else [("landcover", given)]
    choices.append(
        (
            "year",
            _certain(np.stack(angular_slope(level, angle, threads=threads)), max_relative_error),
        )
    )
    for season in range(number):
        own = []
        if number > 1:
            estimate = np.stack(
                angular_slope(level, angle, np.flatnonzero(seasons == season), threads)
            )
            own = [("season", _certain(estimate, max_relative_error))]
        for name, values in choices + own:
            known = np.isfinite(values).all(axis=0)
            slopes[:, season][:, known] = values[:, known]
            origin[season][known] = ORIGINS[name]
    return slopes, origin


def _certain(estimate: np.ndarray, max_relative_error: float) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(estimate[1] <= max_relative_error * np.abs(estimate[0]), estimate, np.nan)


def fit_tracks(
    level: np.ndarray,
    angle: np.ndarray | None,
    tracks: np.ndarray,
    names: list[str],
    seasons: tuple[np.ndarray, int],
    percentiles: tuple[float, float],
    max_relative_error: float,
    given: np.ndarray | None = None,
    threads: int = 1,
) -> Fitted:
    """References of every track at its own angle, and of all tracks at 40 degrees where the slope is known.

    Args:
        level: backscatter of the dates to fit `(time, y, x)` [dB], NaN missing or excluded.
        angle: local incidence `(time, y, x)` [degree], or None.
        tracks: of every date `(time)`.
        names: of the groups to fit: tracks, and 'all' for all of them together.
        seasons: season of every date, from 0 `(time)`, and how many seasons there are.
        percentiles: that mark dry and wet [%].
        max_relative_error: largest accepted standard error over slope [1].
        given: slope and error by land cover `(2, y, x)` [dB/degree], or None.
        threads: rows are shared out to as many.
    """
    slopes = np.full((2, seasons[1], *level.shape[1:]), np.nan, dtype=np.float32)
    origin = np.zeros(slopes.shape[1:], dtype=np.uint8)
    # Under one track the angle of a pixel hardly varies: a slope from it would be chance.
    if angle is not None and (len(np.unique(tracks)) > 1 or given is not None):
        limit = max_relative_error if len(np.unique(tracks)) > 1 else 0.0
        slopes, origin = accepted_slopes(level, angle, *seasons, limit, given, threads)
    fits = []
    for name in names:
        if name == ALL_TRACKS:
            fits.append(
                dry_wet_references(
                    level, *percentiles, angle, slopes[0], seasons[0], threads=threads
                )
            )
        else:
            fits.append(
                dry_wet_references(
                    level, *percentiles, dates=np.flatnonzero(tracks == name), threads=threads
                )
            )
    return Fitted(
        np.stack([fit[0] for fit in fits]), np.stack([fit[1] for fit in fits]), slopes, origin
    )
