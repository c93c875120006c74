"""What plants add to backscatter and take from it: a regression per pixel, or the Water Cloud Model."""

import numpy as np


def soil_backscatter(
    backscatter_db: np.ndarray,
    descriptor: np.ndarray,
    incidence_deg: np.ndarray | float,
    canopy_a: float,
    canopy_b: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Backscatter of the soil below a canopy, by the Water Cloud Model (Attema & Ulaby 1978, Radio Science 13, 357-364).

    sigma = A V cos(theta) (1 - T²) + T² sigma_soil with T² = exp(-2 B V / cos(theta)), in linear power, solved for
    sigma_soil.

    Args:
        backscatter_db: of the whole, any shape [dB].
        descriptor: V, such as NDVI [1]; below 0 counts as 0.
        incidence_deg: theta [degree].
        canopy_a: A [linear power].
        canopy_b: B [1].

    Returns:
        The soil's backscatter [dB], NaN where the canopy alone gives as much; and by how much noise in dB grows [1].
    """
    power, cosine = 10 ** (backscatter_db / 10), np.cos(np.deg2rad(incidence_deg))
    plants = np.maximum(descriptor, 0)
    through = np.exp(-2 * canopy_b * plants / cosine)
    below = power - canopy_a * plants * cosine * (1 - through)
    with np.errstate(invalid="ignore", divide="ignore"):
        soil = np.where(below > 0, 10 * np.log10(below / through), np.nan)
        growth = np.where(below > 0, power / below, np.nan)
    return soil.astype(np.float32), growth.astype(np.float32)


def vegetation_slope(
    level: np.ndarray, descriptor: np.ndarray, tracks: np.ndarray, season: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Regress backscatter on a vegetation descriptor, per pixel and within tracks.

    A descriptor made of backscatter, such as VH over VV, shares its speckle and its moisture, and a plain regression would
    take both for plants. Its annual cycle shares neither: with `season` the slope is that of backscatter over descriptor
    along this cycle (two-stage least squares, the sine and cosine of the year as instruments).

    Args:
        level: `(time, y, x)` [dB], NaN missing.
        descriptor: `(time, y, x)`, NaN missing.
        tracks: `(time)`; each has its own mean, so that a difference between tracks is not taken for one of plants.
        season: time of the year of every date `(time)` [rad], for a descriptor made of backscatter.

    Returns:
        Slope [dB per unit], its standard error, and the mean of the descriptor, each `(y, x)` float32; no slope is 0.
    """
    known = np.isfinite(level) & np.isfinite(descriptor)
    y, v = (np.where(known, values, 0).astype(np.float64) for values in (level, descriptor))
    mean = v.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    for name in np.unique(tracks):
        chosen = tracks == name
        count = np.maximum(known[chosen].sum(axis=0), 1)
        for values in (y, v):
            values[chosen] = np.where(
                known[chosen], values[chosen] - values[chosen].sum(axis=0) / count, 0
            )
    cycle = v if season is None else _annual_cycle(v, known, season)
    spread, free = (cycle * v).sum(axis=0), known.sum(axis=0) - len(np.unique(tracks)) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where((spread > 0) & (free > 0), (y * cycle).sum(axis=0) / spread, 0)
        error = np.where(
            (spread > 0) & (free > 0),
            np.sqrt(((y - slope * v) ** 2).sum(axis=0) / free / spread),
            0,
        )
    return slope.astype(np.float32), error.astype(np.float32), mean.astype(np.float32)


def _annual_cycle(values: np.ndarray, known: np.ndarray, season: np.ndarray) -> np.ndarray:
    """Least-squares annual cycle of centred values, 0 where they are missing, `(time, y, x)`."""
    sine, cosine = np.sin(season)[:, None, None] * known, np.cos(season)[:, None, None] * known
    ss, cc, sc = (sine**2).sum(axis=0), (cosine**2).sum(axis=0), (sine * cosine).sum(axis=0)
    s, c = (sine * values).sum(axis=0), (cosine * values).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        inverse = np.where((det := ss * cc - sc**2) > 1e-6, 1 / det, 0)
    return sine * ((cc * s - sc * c) * inverse) + cosine * ((ss * c - sc * s) * inverse)


def without_vegetation(
    level: np.ndarray, descriptor: np.ndarray, slope: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """Backscatter as under the mean vegetation, `(time, y, x)` [dB]; unchanged where the descriptor is missing.

    Args:
        level: `(time, y, x)` [dB].
        descriptor: `(time, y, x)`.
        slope: as by `vegetation_slope` `(y, x)`.
        mean: of the descriptor `(y, x)`.
    """
    change = slope * (descriptor - mean)
    return np.where(np.isfinite(change), level - change, level).astype(np.float32)
