"""Daily weather on its own coarse grid: a stochastic generator after Richardson (1981) and Wilks (1998)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox
from scipy.stats import gamma, norm

from loam.twin.fields import correlated_series

CELL_M = 4000.0  # as PRISM and gridMET
KELVIN = 273.15


@dataclass(frozen=True)
class Climate:
    """Parameters of the generator, for Maryland. ASSUME: rounded from the NOAA 1991-2020 normals of Baltimore."""

    wet_after_dry: float = 0.25  # probability [1]
    wet_after_wet: float = 0.45  # probability [1]
    rain_shape: float = (
        0.7  # of the gamma amounts [1]; Richardson & Wright (1984) find 0.6 to 0.9 in the east
    )
    rain_mean_mm: float = 9.6  # of a wet day [mm]: with 31 % wet days 1100 mm a year
    rain_season: float = 0.15  # summer's amounts above the mean [1]
    regime: float = 0.35  # standard deviation of the slow shift between wet and dry spells [logit]
    temperature_degc: float = 13.0
    temperature_amplitude_degc: float = 12.0
    warmest_day: int = 201  # [day of year]

    @property
    def wet_share(self) -> float:
        """Share of wet days in the long run [1]."""
        return self.wet_after_dry / (1 + self.wet_after_dry - self.wet_after_wet)

    @property
    def annual_mm(self) -> float:
        """Rain of a mean year [mm]."""
        return 365.25 * self.wet_share * self.rain_mean_mm


MARYLAND = Climate()


def weather_centres(grid: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Cell centres of the weather grid; the target grid lies inside them, by a cell or more.

    Returns:
        Rows, north to south, and columns, west to east, in the grid's CRS [m].
    """
    box = grid.boundingbox
    first = np.floor(np.array([box.bottom, box.left]) / CELL_M) - 1
    last = np.ceil(np.array([box.top, box.right]) / CELL_M) + 1
    y, x = (np.arange(low, high + 1) * CELL_M for low, high in zip(first, last, strict=True))
    return y[::-1], x


def simulate_weather(
    days: pd.DatetimeIndex,
    y: np.ndarray,
    x: np.ndarray,
    latitude_deg: float,
    climate: Climate,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Draw the weather of every day and cell.

    Args:
        days: the days, without a gap.
        y: row centres [m].
        x: column centres [m].
        latitude_deg: of the area [degree].
        climate: parameters.
        rng: source of randomness.

    Returns:
        `(time, y, x)`: precipitation [mm d-1], temperature with its minimum and maximum [K], relative humidity [%],
        wind at 10 m [m s-1], solar radiation [W m-2].
    """
    season = _season(days, climate)[:, None]
    rain = _rain(season, _root(y, x, 60e3), climate, rng)
    root = _root(y, x, 200e3)  # ASSUME: air masses are wider than showers
    clear = _clearness(rain > 0, root, rng)
    parts = {"precipitation": rain, **_air(season, rain > 0, clear, root, climate, rng)}
    parts["solar_radiation"] = clear * extraterrestrial_radiation(days, latitude_deg)[:, None]
    shape = (len(days), y.size, x.size)
    cube = {name: (("time", "y", "x"), values.reshape(shape)) for name, values in parts.items()}
    return xr.Dataset(cube, coords={"time": days, "y": y, "x": x})


def _season(days: pd.DatetimeIndex, climate: Climate) -> np.ndarray:
    """+1 on the warmest day of the year, -1 half a year later."""
    return np.cos(2 * np.pi * (days.day_of_year.to_numpy() - climate.warmest_day) / 365.25)


def _root(y: np.ndarray, x: np.ndarray, length_m: float) -> np.ndarray:
    """Cholesky factor of an exponential correlation between the cells."""
    north, east = (part.ravel() for part in np.meshgrid(y, x, indexing="ij"))
    distance = np.hypot(north[:, None] - north, east[:, None] - east)
    return np.linalg.cholesky(np.exp(-distance / length_m) + 1e-9 * np.eye(north.size))


def _rain(
    season: np.ndarray, root: np.ndarray, climate: Climate, rng: np.random.Generator
) -> np.ndarray:
    """Rain `(time, cell)` [mm]: occurrence by a Markov chain in each cell, amounts by a gamma law (Wilks 1998)."""
    days = len(season)
    wet = _occurrence(norm.cdf(correlated_series(days, root, 0.0, rng)), climate, rng)
    rank = norm.cdf(correlated_series(days, root, 0.0, rng)).clip(1e-9, 1 - 1e-9)
    mean = climate.rain_mean_mm * (1 + climate.rain_season * season)
    amount = gamma.ppf(rank, climate.rain_shape, scale=mean / climate.rain_shape)
    return np.where(wet, np.maximum(amount, 0.1), 0.0)  # gauges count a day as wet from 0.1 mm on


def _occurrence(rank: np.ndarray, climate: Climate, rng: np.random.Generator) -> np.ndarray:
    """Wet or dry `(time, cell)`; a slow common shift makes the spells of months that a plain chain lacks."""
    days, cells = rank.shape
    shift = climate.regime * correlated_series(days, np.eye(1), 0.97, rng)[:, 0]
    after = np.array([climate.wet_after_dry, climate.wet_after_wet])
    chance = 1 / (1 + (1 / after - 1) * np.exp(-shift)[:, None])  # (time, yesterday dry or wet)
    wet = np.zeros((days, cells), dtype=bool)
    before = np.zeros(cells, dtype=int)
    for day in range(days):
        wet[day] = rank[day] < chance[day][before]
        before = wet[day].astype(int)
    return wet


def _clearness(wet: np.ndarray, root: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of the extraterrestrial radiation that arrives [1]. ASSUME: 0.58 on dry days, 0.31 on wet ones."""
    noise = correlated_series(len(wet), root, 0.3, rng)
    return (0.58 - 0.27 * wet + 0.10 * noise).clip(0.08, 0.76)


def _air(
    season: np.ndarray,
    wet: np.ndarray,
    clear: np.ndarray,
    root: np.ndarray,
    climate: Climate,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Temperature [K], humidity [%] and wind [m s-1], each `(time, cell)`."""
    days = len(wet)
    # ASSUME: wet days are 2 K cooler in summer and 1 K warmer in winter; weather swings 4 K in winter, 2.3 K in summer.
    wet_effect = (wet - climate.wet_share) * (-0.5 - 1.5 * season)
    swing = (3.1 - 0.8 * season) * correlated_series(days, root, 0.7, rng)
    mean = (
        KELVIN
        + climate.temperature_degc
        + climate.temperature_amplitude_degc * season
        + wet_effect
        + swing
    )
    # Hargreaves & Samani (1982): clearness = 0.16 sqrt(daily range), read backwards.
    span = ((clear / 0.16) ** 2 + rng.normal(0, 1, (days, 1))).clip(2, 20)
    # ASSUME: humidity falls with clear sky; 79 % on wet and 64 % on dry days.
    humid = 79 - 55 * (clear - 0.31) + 6 * correlated_series(days, root, 0.4, rng)
    wind = (3.0 - 0.6 * season) * np.exp(0.4 * correlated_series(days, root, 0.4, rng) - 0.08)
    return {
        "temperature": mean,
        "temperature_min": mean - span / 2,
        "temperature_max": mean + span / 2,
        "relative_humidity": humid.clip(25, 100),
        "wind_speed": wind,
    }


def extraterrestrial_radiation(days: pd.DatetimeIndex, latitude_deg: float) -> np.ndarray:
    """Radiation at the top of the atmosphere, daily mean (FAO-56, eq. 21 to 25).

    Args:
        days: the days.
        latitude_deg: latitude [degree].

    Returns:
        `(time,)` [W m-2].
    """
    angle = 2 * np.pi * days.day_of_year.to_numpy() / 365
    near, tilt = 1 + 0.033 * np.cos(angle), 0.409 * np.sin(angle - 1.39)
    latitude = np.deg2rad(latitude_deg)
    sunset = np.arccos((-np.tan(latitude) * np.tan(tilt)).clip(-1, 1))
    daily = sunset * np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.sin(
        sunset
    )
    return np.asarray(1367 / np.pi * near * daily).clip(min=0)
