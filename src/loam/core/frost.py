"""When the top of the soil is frozen: daily temperatures, and the cold that the ground keeps from the days before."""

import numpy as np
import xarray as xr


def ground_temperature(weather: xr.Dataset) -> xr.DataArray:
    """Daily mean of soil temperature, or of air temperature where the source has no other `(time, y, x)` [degC]."""
    return weather[
        "soil_temperature" if "soil_temperature" in weather else "temperature"
    ].transpose("time", "y", "x")


def frost_temperature(
    temperature: np.ndarray, below_degc: float, thaw_degree_days: float
) -> np.ndarray:
    """Daily temperature less the cold that the days before have left: the ground is frozen where it lies below the limit.

    What C-band sees is the top of the soil. It freezes on a day whose mean is below the limit; to melt takes heat, and the
    ground stays frozen until the days above the limit have brought as many degree-days as those below took, at most what
    the top layer can hold as ice.

    Args:
        temperature: daily mean, of consecutive days `(day, …)` [degC]; a day without a value changes nothing.
        below_degc: at which the ground freezes [degC].
        thaw_degree_days: most that a thaw can take [K day].

    Returns:
        Of the shape of `temperature` [degC].
    """
    left = np.zeros(temperature.shape[1:], dtype=np.float32)
    out = np.empty(temperature.shape, dtype=np.float32)
    for day, mean in enumerate(temperature):
        out[day] = mean - left
        left = np.where(
            np.isfinite(mean), np.clip(below_degc - out[day], 0, thaw_degree_days), left
        )
    return out
