"""Hydraulic properties of soils from their texture."""

import numpy as np

# NRCS (2009), National Engineering Handbook 630, table 7-1: conductivity above which a soil deeper than 1 m without
# a water table in it belongs to group A, B, C; below the last, to D.
GROUP_KSAT_UM_S = (10.0, 4.0, 0.4)
UM_S_PER_MM_DAY = 1000 / 86400
# ASSUME: organic matter of topsoil where nothing says it [%], that of arable mineral soils.
ORGANIC_PERCENT = 2.5
# ASSUME: the driest the surface gets is half the wilting point (FAO-56, equation 73, air-dry topsoil).
AIR_DRY = 0.5


def saxton_rawls(
    sand: np.ndarray, clay: np.ndarray, organic: np.ndarray | float
) -> dict[str, np.ndarray]:
    """Retention and conductivity by Saxton & Rawls (2006, Soil Sci. Soc. Am. J. 70, 1569, table 1, equations 1 to 18).

    Args:
        sand: by mass [%], any shape.
        clay: by mass [%].
        organic: organic matter by mass [%].

    Returns:
        `wilting_point`, `field_capacity`, `theta_s` [m³/m³], `ksat` [mm/day], `bulk_density` [g/cm³],
        `retention_slope`, 1 / B of the curve from 33 to 1500 kPa [1].
    """
    s, c, om = sand / 100, clay / 100, organic
    wilting = (
        -0.024 * s
        + 0.487 * c
        + 0.006 * om
        + 0.005 * s * om
        - 0.013 * c * om
        + 0.068 * s * c
        + 0.031
    )
    wilting = wilting + 0.14 * wilting - 0.02
    capacity = (
        -0.251 * s
        + 0.195 * c
        + 0.011 * om
        + 0.006 * s * om
        - 0.027 * c * om
        + 0.452 * s * c
        + 0.299
    )
    capacity = capacity + 1.283 * capacity**2 - 0.374 * capacity - 0.015
    gap = (
        0.278 * s + 0.034 * c + 0.022 * om - 0.018 * s * om - 0.027 * c * om - 0.584 * s * c + 0.078
    )
    gap = gap + 0.636 * gap - 0.107
    saturated = capacity + gap - 0.097 * s + 0.043
    # Nearly pure sand leaves the equations' range: its wilting point must stay above zero for the logarithm.
    slope = np.log(capacity / np.maximum(wilting, 0.005)) / np.log(1500 / 33)
    ksat = 1930 * np.maximum(saturated - capacity, 0) ** (3 - slope) * 24
    return {
        "wilting_point": wilting,
        "field_capacity": capacity,
        "theta_s": saturated,
        "ksat": ksat,
        "bulk_density": 2.65 * (1 - saturated),
        "retention_slope": slope,
    }


def residual_water(sand: np.ndarray, clay: np.ndarray, porosity: np.ndarray) -> np.ndarray:
    """Residual water content [m³/m³] by Rawls & Brakensiek (1985), between 0.01 and 0.2.

    Args:
        sand: by mass [%], fitted for 5 to 70; outside the nearest of these counts.
        clay: by mass [%], fitted for 5 to 60.
        porosity: [m³/m³].
    """
    s, c, p = np.clip(sand, 5, 70), np.clip(clay, 5, 60), porosity
    theta = (
        -0.0182482
        + 0.00087269 * s
        + 0.00513488 * c
        + 0.02939286 * p
        - 0.00015395 * c**2
        - 0.0010827 * s * p
        - 0.00018233 * c**2 * p**2
        + 0.00030703 * c**2 * p
        - 0.0023584 * p**2 * c
    )
    return np.clip(theta, 0.01, 0.2)


def hydrologic_group(ksat_mm_day: np.ndarray) -> np.ndarray:
    """Hydrologic soil group from conductivity: 1 for A, which takes up most rain, to 4 for D; NaN where that is unknown.

    NRCS (2009), table 7-1, for soils deeper than 1 m.
    """
    # ASSUME: no impermeable layer or water table within 1 m, and the topsoil is the least conductive layer.
    speed = ksat_mm_day * UM_S_PER_MM_DAY
    group = 1.0 + sum((speed <= limit).astype(float) for limit in GROUP_KSAT_UM_S)
    return np.where(np.isfinite(ksat_mm_day), group, np.nan)
