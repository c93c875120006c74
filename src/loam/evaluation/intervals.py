"""Scores of a predicted mean and spread: how often intervals hold, how wide they are, CRPS."""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy import stats

from loam.core.ensemble import LEVELS


def gaussian_factor(level: int) -> float:
    """Half-width of a Gaussian's central interval of `level` %, in standard deviations."""
    return float(stats.norm.ppf(0.5 + level / 200))


def coverage(target: np.ndarray, estimate: np.ndarray, half_width: np.ndarray) -> float:
    """Share of targets within `half_width` of the estimate [1]; NaN for fewer than two.

    Args:
        target: labels or truth `(n)`.
        estimate: middle of the interval `(n)`.
        half_width: half of its width `(n)`, in the same unit.
    """
    known = np.isfinite(target) & np.isfinite(estimate) & np.isfinite(half_width)
    return (
        float(np.mean(np.abs(target - estimate)[known] <= half_width[known]))
        if known.sum() > 1
        else np.nan
    )


def crps(target: np.ndarray, estimate: np.ndarray, sigma: np.ndarray) -> float:
    """Mean continuous ranked probability score of Gaussians [unit of the target]; 0 is best.

    Closed form of Gneiting et al. 2005, doi 10.1175/MWR2904.1, equation 5.

    Args:
        target: labels or truth `(n)`.
        estimate: means `(n)`.
        sigma: standard deviations `(n)`, above 0.
    """
    known = np.isfinite(target) & np.isfinite(estimate) & np.isfinite(sigma)
    if known.sum() < 2:
        return np.nan
    sigma = sigma[known].astype(np.float64)
    z = (target[known] - estimate[known]) / sigma
    return float(
        np.mean(
            sigma * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
        )
    )


def interval_scores(
    target: np.ndarray,
    estimate: np.ndarray,
    sigma: np.ndarray,
    calibrated: Mapping[int, float] | None,
) -> Iterator[tuple[str, float]]:
    """Name and value of coverage and mean width of every level, as a Gaussian and calibrated, and of CRPS.

    Args:
        target: labels or truth `(n)`.
        estimate: means `(n)`.
        sigma: standard deviations `(n)`.
        calibrated: half-width by level, in standard deviations; None where the model has no calibration.
    """
    yield "crps", crps(target, estimate, sigma)
    known = np.isfinite(target) & np.isfinite(sigma)
    width = 2 * float(np.mean(sigma[known])) if known.sum() > 1 else np.nan
    sets = {
        "": {level: gaussian_factor(level) for level in LEVELS},
        "_calibrated": calibrated or {},
    }
    for suffix, factors in sets.items():
        for level, factor in factors.items():
            yield f"coverage{level}{suffix}", coverage(target, estimate, factor * sigma)
            yield f"width{level}{suffix}", factor * width
