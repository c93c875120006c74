"""How noisy labels are: their sums, the R² that their noise leaves, and the sensitivity that noise alone would show."""

import numpy as np
import xarray as xr
from scipy.special import ndtri

from loam.core.flags import usable_labels
from loam.core.labels import ceiling_r2
from loam.moisture.backscatter import independent_share, speckle_variance
from loam.moisture.observed import Source
from loam.moisture.scale import Moisture


def label_sums(result: Moisture) -> np.ndarray:
    """Count, SSM, SSM² and u² summed over usable labels `(4)`."""
    sums = np.zeros(4)
    for ssm, uncertainty, flags in zip(result.ssm, result.uncertainty, result.flags, strict=True):
        usable = usable_labels(ssm, flags)
        known = np.isfinite(usable) & np.isfinite(uncertainty)
        label, noise = (np.where(known, values, np.float32(0)) for values in (usable, uncertainty))
        sums += [
            known.sum(),
            label.sum(dtype=np.float64),
            np.vdot(label, label),
            np.vdot(noise, noise),
        ]
    return sums


def noise_ceiling(sums: np.ndarray) -> float:
    """`ceiling_r2` of the labels whose sums these are; NaN without labels.

    Args:
        sums: of usable labels: count, SSM, SSM², u² `(4)`.
    """
    count, total, square, noise = sums.tolist()
    variance = square / count - (total / count) ** 2 if count else 0.0
    return ceiling_r2(noise / count, variance) if variance > 0 else float("nan")


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


def surface_variance(references: xr.Dataset, source: Source) -> np.ndarray:
    """u² of the level by what tillage and plants do between dates: given, or as fitted, float32 `(y, x)` or a number [dB²]."""
    given = source.signal.surface_error_db
    return np.asarray(
        references["surface_error"].values ** 2 if given is None else given**2, dtype=np.float32
    )
