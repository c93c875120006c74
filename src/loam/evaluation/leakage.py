"""Leak probes: models that must not do well. Where one does, the test is easier than it looks."""

import numpy as np

# Sine and cosine once and twice a year: a season, and its lopsidedness.
HARMONICS = (1, 2)
YEAR_DAYS = 365.25


def date_features(day: np.ndarray) -> np.ndarray:
    """All that a date alone tells: days since 1970 and day of the year, `(n, 2)` float32.

    Args:
        day: `(n)` datetime64.
    """
    days = day.astype("datetime64[D]")
    of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
    return np.stack([days.astype(int), of_year], axis=1).astype(np.float32)


def pixel_and_season(
    climatology: np.ndarray,
    day: np.ndarray,
    label: np.ndarray,
    wanted_climatology: np.ndarray,
    wanted_day: np.ndarray,
) -> np.ndarray:
    """Mean of the pixel plus one seasonal cycle for all of them `(m)` float32; NaN where there is nothing to fit.

    Args:
        climatology: mean training label of the pixel of each training sample `(n)`.
        day: its day `(n)`.
        label: its label `(n)`.
        wanted_climatology: of the samples to predict `(m)`.
        wanted_day: their days `(m)`.
    """
    if label.size < 2 * len(HARMONICS) + 1:
        return np.full(wanted_day.size, np.nan, dtype=np.float32)
    found, *_ = np.linalg.lstsq(_cycle(day), label.astype(np.float64) - climatology, rcond=None)
    return (wanted_climatology + _cycle(wanted_day) @ found).astype(np.float32)


def _cycle(day: np.ndarray) -> np.ndarray:
    """Constant and harmonics of the year `(n, 5)`."""
    phase = 2 * np.pi * date_features(day)[:, 1].astype(np.float64) / YEAR_DAYS
    return np.stack(
        [
            np.ones_like(phase),
            *(wave(turns * phase) for turns in HARMONICS for wave in (np.sin, np.cos)),
        ],
        axis=1,
    )


def shuffled_days(day: np.ndarray, seed: int) -> np.ndarray:
    """Another day for every day: the same days, each standing for one other, in no order `(n)`.

    Args:
        day: day of each sample `(n)`.
        seed: of the draw.
    """
    days, index = np.unique(day, return_inverse=True)
    return days[_derangement(days.size, np.random.default_rng(seed))][index.ravel()]


def shuffled_pixels(
    row: np.ndarray, column: np.ndarray, shape: tuple[int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Another pixel of the grid for every pixel, rows and columns `(n)`; each pixel stands for one other.

    Args:
        row: row of each sample `(n)`.
        column: its column `(n)`.
        shape: rows and columns of the grid.
        seed: of the draw.
    """
    other = _derangement(shape[0] * shape[1], np.random.default_rng(seed))[
        row.astype(np.int64) * shape[1] + column
    ]
    return other // shape[1], other % shape[1]


def _derangement(size: int, generator: np.random.Generator) -> np.ndarray:
    """A permutation that leaves nothing in its place (for two or more): along one cycle through all, drawn at random."""
    order = generator.permutation(size)
    out = np.empty(size, dtype=np.int64)
    out[order] = np.roll(order, 1)
    return out
