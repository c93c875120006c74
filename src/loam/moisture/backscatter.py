"""Backscatter as change detection wants it: averaged over the label's support, in dB, with its noise."""

import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter

REFERENCE_ANGLE_DEG = 40.0
# Name of the one reference that serves all tracks.
ALL_TRACKS = "all"
# Decibels per neper of relative power: the standard deviation of 10 log10 of a mean of N looks is this over sqrt(N).
DB_PER_NEPER = 10 / np.log(10)


def support_pixels(label_support_m: float, pixel_m: float) -> int:
    """Edge of the averaging window [pixel], odd, so that it is centred on its pixel; at least 1."""
    return max(1, 2 * round((label_support_m / pixel_m - 1) / 2) + 1)


def averaged_power(power: np.ndarray, size: int) -> np.ndarray:
    """Mean of the finite linear powers in a window around each pixel, `(y, x)`; NaN where the pixel itself is.

    Averaging comes before decibels: the mean of decibels is biased low. Noise-subtracted power may be negative
    and counts as it is.
    """
    finite = np.isfinite(power)
    total = uniform_filter(np.where(finite, power, 0).astype(np.float64), size, mode="constant")
    share = uniform_filter(finite.astype(np.float64), size, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(finite, total / share, np.nan)


def averaged_db(power: xr.DataArray, size: int) -> xr.DataArray:
    """Backscatter [dB] over the label's support, `(time, y, x)` from linear power; NaN where the mean is not positive."""
    out = np.empty(power.shape, dtype=np.float32)
    for index in range(power.sizes["time"]):
        mean = averaged_power(power.isel(time=index).values, size)
        with np.errstate(invalid="ignore"):
            out[index] = 10 * np.log10(np.where(mean > 0, mean, np.nan))
    return power.copy(data=out).assign_attrs(units="dB")


def speckle_db(power: np.ndarray, looks: float, size: int) -> np.ndarray:
    """Standard deviation of the averaged backscatter by speckle, 4.34 / sqrt(looks of the window), `(y, x)` [dB].

    Args:
        power: of one date `(y, x)`; only its finite pixels count, so that edges and gaps are less certain.
        looks: of one pixel [1].
        size: edge of the window [pixel].
    """
    count = uniform_filter(np.isfinite(power).astype(np.float64), size, mode="constant") * size**2
    return DB_PER_NEPER / np.sqrt(looks * np.maximum(count, 1))


def normalised(
    backscatter_db: np.ndarray, incidence_deg: np.ndarray, beta: np.ndarray, reference_deg: float = REFERENCE_ANGLE_DEG
) -> np.ndarray:
    """Backscatter brought to one incidence angle: sigma40 = sigma - beta (theta - 40) [dB]."""
    return backscatter_db - beta * (incidence_deg - reference_deg)


def frozen_dates(temperature: xr.DataArray, times: np.ndarray, below_degc: float) -> np.ndarray:
    """Whether the AOI's mean air temperature of an acquisition's day is below a limit, bool `(time)`.

    ASSUME: air temperature varies little over one AOI's weather cells. Days without weather count as not frozen.
    """
    daily = temperature.mean(("y", "x")).to_series()
    on_day = daily.reindex(times.astype("datetime64[D]").astype("datetime64[ns]"))
    return (on_day < below_degc).to_numpy()
