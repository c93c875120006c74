"""The atmosphere's demand for water: reference evapotranspiration, and how slopes turned to the sun raise it."""

import numpy as np

KELVIN = 273.15
MJ_PER_DAY = 0.0864  # W m-2 to MJ m-2 d-1


def reference_et(
    temperature_min_k: np.ndarray,
    temperature_max_k: np.ndarray,
    relative_humidity: np.ndarray,
    wind_10m: np.ndarray,
    radiation: np.ndarray,
    extraterrestrial: np.ndarray,
    elevation_m: float,
) -> np.ndarray:
    """Grass reference evapotranspiration by FAO-56 Penman-Monteith (Allen et al. 1998, eq. 6).

    Args:
        temperature_min_k: daily minimum [K].
        temperature_max_k: daily maximum [K].
        relative_humidity: daily mean [%].
        wind_10m: at 10 m [m s-1].
        radiation: solar, at the ground [W m-2].
        extraterrestrial: solar, at the top of the atmosphere [W m-2].
        elevation_m: above the sea [m].

    Returns:
        Same shape [mm d-1], 0 or more.
    """
    low, high = temperature_min_k - KELVIN, temperature_max_k - KELVIN
    mean = (low + high) / 2
    saturated = (_saturation(low) + _saturation(high)) / 2
    actual = saturated * relative_humidity / 100  # eq. 19
    delta = 4098 * _saturation(mean) / (mean + 237.3) ** 2
    gamma = 0.665e-3 * 101.3 * ((293 - 0.0065 * elevation_m) / 293) ** 5.26
    wind = wind_10m * 4.87 / np.log(67.8 * 10 - 5.42)  # eq. 47, to 2 m
    net = _net_radiation(
        temperature_min_k, temperature_max_k, actual, radiation, extraterrestrial, elevation_m
    )
    demand = 0.408 * delta * net + gamma * 900 / (mean + 273) * wind * (saturated - actual)
    return np.asarray((demand / (delta + gamma * (1 + 0.34 * wind))).clip(min=0))


def _saturation(temperature_degc: np.ndarray) -> np.ndarray:
    """Saturation vapour pressure [kPa] (eq. 11)."""
    return np.asarray(0.6108 * np.exp(17.27 * temperature_degc / (temperature_degc + 237.3)))


def _net_radiation(
    low_k: np.ndarray,
    high_k: np.ndarray,
    vapour_kpa: np.ndarray,
    radiation: np.ndarray,
    extraterrestrial: np.ndarray,
    elevation_m: float,
) -> np.ndarray:
    """Net radiation of grass, albedo 0.23 [MJ m-2 d-1] (eq. 37 to 40)."""
    clear_sky = (0.75 + 2e-5 * elevation_m) * extraterrestrial
    cloud = 1.35 * (radiation / clear_sky).clip(0.3, 1) - 0.35
    long_wave = 4.903e-9 * (low_k**4 + high_k**4) / 2 * (0.34 - 0.14 * np.sqrt(vapour_kpa)) * cloud
    return np.asarray(0.77 * radiation * MJ_PER_DAY - long_wave)


def beam_ratio(
    slope_rad: np.ndarray, aspect_rad: np.ndarray, latitude_deg: float, day_of_year: int
) -> np.ndarray:
    """Direct sunshine of a day on a slope over that on flat ground (geometry as in Duffie & Beckman, eq. 1.6.2).

    Args:
        slope_rad: `(y, x)` [rad].
        aspect_rad: direction downslope, clockwise from north `(y, x)` [rad].
        latitude_deg: latitude [degree].
        day_of_year: 1 to 366.

    Returns:
        `(y, x)` float32 [1], at most 2.5; self-shading is included, the shadow of other hills is not.
    """
    latitude = np.deg2rad(latitude_deg)
    tilt = 0.409 * np.sin(2 * np.pi * day_of_year / 365 - 1.39)
    east, north, up = (
        np.sin(slope_rad) * np.sin(aspect_rad),
        np.sin(slope_rad) * np.cos(aspect_rad),
        np.cos(slope_rad),
    )
    on_slope, on_flat = np.zeros_like(slope_rad), 0.0
    for hour in np.deg2rad(np.arange(-112.5, 113, 15)):
        height = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(hour)
        if height > 0:
            to_north = np.cos(latitude) * np.sin(tilt) - np.sin(latitude) * np.cos(tilt) * np.cos(
                hour
            )
            to_east = -np.cos(tilt) * np.sin(hour)
            on_slope += (east * to_east + north * to_north + up * height).clip(min=0)
            on_flat += float(height)
    return (on_slope / on_flat).clip(max=2.5).astype(np.float32)
