"""Wet snow: where it lies, and what VH is without it."""

import numpy as np


def snow_free_mean(
    vh_db: np.ndarray,
    possible: np.ndarray,
    tracks: np.ndarray,
    names: list[str],
    drop_db: float,
    least: int = 5,
) -> np.ndarray:
    """Mean VH of every track over cool dates without wet snow, `(track, y, x)` float32 [dB].

    Dates after frost are compared with their own season: in summer plants raise VH by as much as wet snow lowers it. Dates
    that lie `drop_db` below the mean are left out and the mean taken once more. Over all dates where too few are cool.

    Args:
        vh_db: `(time, y, x)` [dB], NaN missing.
        possible: whether snow may lie `(time, y, x)`.
        tracks: track of every date `(time)`.
        names: of the tracks wanted.
        drop_db: how far below its mean wet snow lies [dB].
        least: cool dates that suffice.
    """
    out = np.empty((len(names), *vh_db.shape[1:]), dtype=np.float32)
    for place, name in enumerate(names):
        values = vh_db[tracks == name]
        cool = np.where(possible[tracks == name], values, np.nan)
        first = _mean(cool)
        with np.errstate(invalid="ignore"):
            again = _mean(np.where(cool > first - drop_db, cool, np.nan))
        enough = np.isfinite(cool).sum(axis=0) >= least
        out[place] = np.where(enough, again, _mean(values))
    return out


def _mean(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, axis=0) / np.isfinite(values).sum(axis=0)


def wet_snow(
    vh_db: np.ndarray, reference_db: np.ndarray, possible: np.ndarray, drop_db: float
) -> np.ndarray:
    """Where wet snow lies: VH at least `drop_db` below its snow-free mean while snow is possible, bool `(time, y, x)`.

    Args:
        vh_db: `(time, y, x)` [dB].
        reference_db: snow-free mean of each date's track, `(time, y, x)` or broadcastable [dB].
        possible: `(time, y, x)`.
        drop_db: how far below [dB].
    """
    with np.errstate(invalid="ignore"):
        return (vh_db - reference_db <= -drop_db) & possible
