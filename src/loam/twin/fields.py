"""Random fields, random series and the interpolation that every part of the twin shares."""

from collections.abc import Callable

import numpy as np
from odc.geo.geobox import GeoBox
from scipy import fft, signal

from loam.core.grid import empty_like_grid


def spectral_field(
    shape: tuple[int, int],
    gain: Callable[[np.ndarray], np.ndarray],
    pad_px: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Gaussian random field with a given spectrum, zero expected mean and unit expected variance.

    Args:
        shape: rows and columns of the result.
        gain: amplitude as a function of the wave number [cycles per pixel].
        pad_px: pixels added against the field repeating from edge to edge.
        rng: source of randomness.

    Returns:
        `(y, x)`, dimensionless.
    """
    size = [int(fft.next_fast_len(n + pad_px, real=True)) for n in shape]
    wave = np.hypot(fft.fftfreq(size[0])[:, None], fft.rfftfreq(size[1])[None, :])
    transfer = gain(wave)
    kernel = fft.irfft2(transfer, s=size)
    field = fft.irfft2(fft.rfft2(rng.standard_normal(size)) * transfer, s=size)
    # The kernel's energy is the variance to be expected: a field short of its correlation length keeps its own mean.
    return np.asarray(field[: shape[0], : shape[1]] / np.sqrt((kernel**2).sum()))


def random_field(shape: tuple[int, int], length_px: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth Gaussian random field: mean 0, variance 1, covariance `exp(-(d / length)^2)`.

    Args:
        shape: rows and columns.
        length_px: distance at which the correlation has fallen to 1/e [pixel].
        rng: source of randomness.

    Returns:
        `(y, x)`, dimensionless.
    """
    # White noise under a Gaussian kernel of standard deviation s has covariance exp(-d²/4s²).
    spread = 2 * (np.pi * length_px / 2) ** 2
    return spectral_field(shape, lambda wave: np.exp(-spread * wave**2), int(3 * length_px), rng)


def correlated_series(
    days: int, root: np.ndarray, persistence: float, rng: np.random.Generator
) -> np.ndarray:
    """First-order autoregressive series, correlated between cells: mean 0, variance 1.

    Args:
        days: length of the series.
        root: lower Cholesky factor of the cells' correlation `(cell, cell)`.
        persistence: correlation from one day to the next [0..1).
        rng: source of randomness.

    Returns:
        `(time, cell)`, dimensionless.
    """
    shocks = rng.standard_normal((days, len(root))) @ root.T
    shocks[1:] *= np.sqrt(1 - persistence**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -persistence], shocks, axis=0))


def standardised(values: np.ndarray) -> np.ndarray:
    """Values less their mean, over their standard deviation (0 where they do not vary)."""
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))


class Interpolator:
    """Bilinear interpolation from a coarse grid in the same CRS: two small matrices, so that a day costs next to nothing."""

    def __init__(self, grid: GeoBox, y: np.ndarray, x: np.ndarray) -> None:
        """Prepare the weights.

        Args:
            grid: the fine grid.
            y: row centres of the coarse grid, evenly spaced [m].
            x: column centres of the coarse grid, evenly spaced [m].
        """
        coords = empty_like_grid(grid)
        self._rows = _weights(coords["y"].values, y)
        self._columns = _weights(coords["x"].values, x).T

    def __call__(self, coarse: np.ndarray) -> np.ndarray:
        """Coarse `(y, x)` to fine `(y, x)`, same unit."""
        return np.asarray(self._rows @ coarse @ self._columns)


def _weights(fine: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Linear interpolation weights `(fine, coarse)`; beyond the outermost centres the value is held."""
    place = np.clip((fine - centres[0]) / (centres[1] - centres[0]), 0, centres.size - 1)
    return np.clip(1 - np.abs(place[:, None] - np.arange(centres.size)[None, :]), 0, 1)
