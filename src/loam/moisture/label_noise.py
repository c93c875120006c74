"""How noisy labels are: their sums, the R² that their noise leaves, and the sensitivity that noise alone would show."""

import numpy as np
from scipy.special import ndtri

from loam.core.flags import UNUSABLE
from loam.moisture.backscatter import independent_share, speckle_variance
from loam.moisture.observed import Source
from loam.moisture.scale import Moisture


def label_sums(result: Moisture) -> np.ndarray:
    """Count, SSM, SSM² and u² summed over usable labels `(4)`."""
    sums = np.zeros(4)
    for ssm, uncertainty, flags in zip(result.ssm, result.uncertainty, result.flags, strict=True):
        known = ((flags & np.int32(UNUSABLE)) == 0) & np.isfinite(uncertainty)
        label, noise = (np.where(known, values, np.float32(0)) for values in (ssm, uncertainty))
        sums += [
            known.sum(),
            label.sum(dtype=np.float64),
            np.vdot(label, label),
            np.vdot(noise, noise),
        ]
    return sums


def noise_ceiling(sums: np.ndarray) -> float:
    """R² that a perfect model could reach against labels with this noise: 1 - mean(u²) / var(SSM); NaN without labels.

    Args:
        sums: of usable labels: count, SSM, SSM², u² `(4)`.
    """
    count, total, square, noise = sums.tolist()
    variance = square / count - (total / count) ** 2 if count else 0.0
    return 1 - noise / count / variance if variance > 0 else float("nan")


def noise_spread(source: Source, percentiles: list[float]) -> float:
    """Sensitivity that references fitted to nothing but noise would show [dB].

    Args:
        source: the stack, with its noise.
        percentiles: that mark dry and wet [%].
    """
    share = independent_share(source.pixel_m, source.signal.speckle_cell_m)
    noise_db = np.sqrt(
        speckle_variance(np.array(source.size**2), source.signal.looks, share)
        + source.signal.calibration_error_db**2
    )
    low, high = (value / 100 for value in percentiles)
    return float(noise_db * (ndtri(high) - ndtri(low)) / (high - low))
