"""Inverse-distance weighting of stations, as the source paper does, and what it errs by."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

NEAREST_M = 1.0  # closer is as close: a place on top of a station has its value


def distance_weights(
    places: np.ndarray, stations: np.ndarray, power: float, radius_m: float
) -> csr_array:
    """Weights 1 / distance^power of the stations within a radius, by a KD-tree.

    Args:
        places: `(place, 2)` [m].
        stations: `(station, 2)` [m].
        power: of the distance [1].
        radius_m: stations further away do not count [m].

    Returns:
        Sparse `(place, station)`; not normalised.
    """
    pairs = cKDTree(places).sparse_distance_matrix(
        cKDTree(stations), radius_m, output_type="ndarray"
    )
    weight = np.maximum(pairs["v"], NEAREST_M) ** -power
    return csr_array((weight, (pairs["i"], pairs["j"])), shape=(len(places), len(stations)))


def weighted_means(weights: csr_array, values: np.ndarray, min_stations: int) -> np.ndarray:
    """Weighted means of the stations that have a value.

    Args:
        weights: `(place, station)`.
        values: `(time, station)`, missing as NaN.
        min_stations: fewer with a value leave NaN.

    Returns:
        `(time, place)` float64.
    """
    present = np.isfinite(values).astype(float)
    total, weight = weights @ np.where(present > 0, values, 0.0).T, weights @ present.T
    count = _pattern(weights) @ present.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= min_stations, total / weight, np.nan).T


def _pattern(weights: csr_array) -> csr_array:
    return csr_array(
        (np.ones_like(weights.data), weights.indices, weights.indptr), shape=weights.shape
    )


def left_out(
    stations: np.ndarray, values: np.ndarray, power: float, radius_m: float, min_stations: int
) -> np.ndarray:
    """What the other stations say at each station, `(time, station)`; compare it to `values`.

    Args:
        stations: `(station, 2)` [m].
        values: `(time, station)`.
        power: of the distance [1].
        radius_m: stations further away do not count [m].
        min_stations: fewer others leave NaN.
    """
    weights: Any = distance_weights(stations, stations, power, radius_m).tolil()
    weights.setdiag(0)
    others = csr_array(weights)
    others.eliminate_zeros()
    return weighted_means(others, values, min_stations)


def root_mean_square(error: np.ndarray) -> float:
    """Root mean square of what is known of an error, NaN where nothing is."""
    known = error[np.isfinite(error)]
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")
