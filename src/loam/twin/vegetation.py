"""The vegetation's year: NDVI of every pixel on any day, and the cloudy composites a satellite makes of it."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.stats import norm

from loam.twin.fields import random_field
from loam.twin.landscape import BUILT, CROP, GRASS, TREE, WATER

COMPOSITE_DAYS = 16  # as MOD13 composites
WHEAT_SHARE = 0.35  # ASSUME: of the cropland; the rest is maize and soybean
# Lowest NDVI, rise, day of green-up and of senescence [day of year], their duration [day].
# ASSUME: typical of the mid-Atlantic states in MODIS and Sentinel-2 series.
SEASONS = {
    TREE: (0.48, 0.38, 112, 298, 9),
    GRASS: (0.38, 0.32, 95, 310, 14),
    CROP: (0.22, 0.60, 166, 258, 9),
    BUILT: (0.20, 0.08, 105, 300, 14),
    WATER: (-0.05, 0.02, 150, 270, 20),
}
WHEAT = (0.24, 0.52, 84, 166, 8)


@dataclass(frozen=True)
class Phenology:
    """A double logistic year per pixel, all `(y, x)` float32 (Beck et al. 2006)."""

    lowest: np.ndarray  # NDVI in winter [1]
    rise: np.ndarray  # summer minus winter [1]
    green_up: np.ndarray  # [day of year]
    senescence: np.ndarray  # [day of year]
    duration: np.ndarray  # time constant of both turns [day]


def make_phenology(
    landcover: np.ndarray, parcels: np.ndarray, resolution_m: float, rng: np.random.Generator
) -> Phenology:
    """Draw the year of every pixel: its cover's, shifted by its field, varied within the field.

    Args:
        landcover: ESA WorldCover codes `(y, x)`.
        parcels: number of the field `(y, x)`.
        resolution_m: pixel [m].
        rng: source of randomness.
    """
    table = np.zeros((256, 5), np.float32)
    for code, season in SEASONS.items():
        table[code] = season
    year = table[landcover]
    wheat = (rng.random(parcels.max() + 1) < WHEAT_SHARE)[parcels]
    year[wheat & (landcover == CROP)] = WHEAT
    # ASSUME: fields of one crop differ by about a week in date and a tenth in NDVI.
    spread = rng.standard_normal((parcels.max() + 1, 5)) * (0.04, 0.05, 7, 7, 0)
    year += np.where((landcover == WATER)[..., None], 0, spread[parcels]).astype(np.float32)
    year[..., 1] += 0.03 * random_field(landcover.shape, 80 / resolution_m, rng)
    year[..., 1] = year[..., 1].clip(0.0, None)
    return Phenology(*(np.ascontiguousarray(year[..., part]) for part in range(5)))


def ndvi_on(day: date, phenology: Phenology, year_shift_days: float) -> np.ndarray:
    """NDVI of one day.

    Args:
        day: the day.
        phenology: the year of every pixel.
        year_shift_days: how late this year is [day].

    Returns:
        `(y, x)` float32 [1].
    """
    days = np.float32(day.timetuple().tm_yday - year_shift_days)
    risen = _logistic((days - phenology.green_up) / phenology.duration)
    fallen = _logistic((days - phenology.senescence) / phenology.duration)
    return np.asarray(phenology.lowest + phenology.rise * (risen - fallen)).clip(-0.2, 0.95)


def _logistic(value: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 + 0.5 * np.tanh(value / 2))


def year_shifts(first: date, last: date, rng: np.random.Generator) -> dict[int, float]:
    """How late each year's vegetation is [day]. ASSUME: a standard deviation of 5 days, as of spring in the eastern US."""
    return {year: float(rng.normal(0, 5)) for year in range(first.year, last.year + 1)}


def leaf_area(ndvi: np.ndarray) -> np.ndarray:
    """Leaf area index from NDVI through the covered share, Beer's law with extinction 0.5 (Baret & Guyot 1991).

    Args:
        ndvi: `(y, x)` [1].

    Returns:
        `(y, x)` [m2 m-2].
    """
    return np.asarray(-2 * np.log(1 - 0.97 * covered_share(ndvi)))


def covered_share(ndvi: np.ndarray) -> np.ndarray:
    """Share of the ground below leaves [0..1], linear in NDVI (Gutman & Ignatov 1998: 0.04 bare, 0.92 full cover here)."""
    return np.asarray(((ndvi - 0.1) / 0.82).clip(0, 1))


def composite(
    ndvi: np.ndarray, day: date, resolution_m: float, rng: np.random.Generator
) -> np.ndarray:
    """Show what a composite makes of a day's NDVI: 2 x 2 pixels averaged, noise, gaps where it stayed cloudy.

    Args:
        ndvi: `(y, x)` [1].
        day: the composite's day.
        resolution_m: pixel of `ndvi` [m].
        rng: source of randomness.

    Returns:
        `(ceil(y / 2), ceil(x / 2))` float32 [1], NaN in gaps, steps of 0.0001.
    """
    even = np.pad(ndvi, [(0, size % 2) for size in ndvi.shape], mode="edge")
    coarse = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3))
    # ASSUME: what atmospheric correction leaves over.
    coarse = coarse + rng.normal(0, 0.02, coarse.shape)
    coarse[_clouds(coarse.shape, day, 2 * resolution_m, rng)] = np.nan
    return np.round(coarse.clip(-0.2, 1.0), 4).astype(np.float32)


def _clouds(
    shape: tuple[int, int], day: date, resolution_m: float, rng: np.random.Generator
) -> np.ndarray:
    """Where no clear look fell into the composite. ASSUME: 35 % in winter, 12 % in summer, uneven between composites."""
    winter = 0.5 + 0.5 * np.cos(2 * np.pi * (day.timetuple().tm_yday - 15) / 365.25)
    expected = 0.12 + 0.23 * winter
    share = rng.beta(2 * expected, 2 * (1 - expected))
    return np.asarray(random_field(shape, 1500 / resolution_m, rng) < norm.ppf(share))
