"""Whether weather can be true: yearly sums, ranges, and variables beside each other. A wrong unit shows here."""

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from loam.core.errors import LoamError

YEAR_DAYS = 365.25
LONG_DAYS, SOME_DAYS = 300, 30  # fewer say nothing of a year, or of anything
# A year: less is no soil to map; the wettest place known has 11 900.
LEAST_RAIN_MM, MOST_RAIN_MM = (
    5.0,
    13_000.0,
)
UNUSUAL_RAIN_MM = (50.0, 5_000.0)  # a year: beyond these it is told
# No day above this, though it rains on so many: metres or a rate, called mm.
DRIZZLE_MM, DRIZZLE_SHARE = (
    0.3,
    0.15,
)
# Yearly means that some place on Earth has: (lowest, highest)
MEANS = {
    "temperature": (-60.0, 36.0),
    "temperature_min": (-65.0, 32.0),
    "temperature_max": (-55.0, 43.0),
    "dewpoint": (-65.0, 29.0),
    "solar_radiation": (3.0, 30.0),
    "relative_humidity": (5.0, 100.5),
    "wind_speed": (0.1, 18.0),
    "vapour_pressure": (0.005, 4.0),
}
# Beyond these it is told.
UNUSUAL = {
    "wind_speed": (0.5, 9.0),
    "relative_humidity": (20.0, 98.0),
    "solar_radiation": (6.0, 27.0),
}
# Vapour over what air of its temperature holds, median [1].
MOIST, UNUSUAL_MOIST = (
    (0.05, 1.5),
    (0.15, 1.1),
)
ORDERED = (
    ("temperature_min", "temperature_max"),
    ("temperature_min", "temperature"),
    ("temperature", "temperature_max"),
    ("relative_humidity_min", "relative_humidity_max"),
    ("dewpoint", "temperature_max"),
)
SLACK = 1.0  # [K or %] between two products
DISORDERED_SHARE = 0.1


def require_plausible(weather: xr.Dataset, path: Path) -> None:
    """Stop where weather cannot be in the units that it is said to be in.

    Args:
        weather: variables in Loam's units, daily `(time, y, x)`.
        path: the source, for messages.

    Raises:
        LoamError: with what gives it away.
    """
    days = weather.sizes["time"]
    for name, values in weather.items():
        if str(name).startswith("relative_humidity"):
            _require_percent(values, path)
        if days >= LONG_DAYS and name in MEANS:
            low, high = MEANS[str(name)]
            mean, units = float(values.mean()), values.attrs["units"]
            told = f"{name} is {mean:.3g} {units} in the mean of {days} days"
            if not low <= mean <= high:
                _refuse(path, f"{told}, where {low:g} to {high:g} occur", "its units")
            _tell_unusual(path, mean, UNUSUAL.get(str(name), (low, high)), told)
    if "precipitation" in weather:
        _require_rain(weather["precipitation"], path)
    if "evapotranspiration" in weather and days >= LONG_DAYS:
        _require_loss(weather["evapotranspiration"], path)
    for lower, upper in ORDERED:
        if lower in weather and upper in weather:
            share = float((weather[lower] > weather[upper] + SLACK).mean())
            if share > DISORDERED_SHARE:
                _refuse(
                    path,
                    f"{lower} is higher than {upper} in {share:.0%} of the values",
                    "which is which, and their units",
                )
    _require_moist(weather, path)


def _refuse(path: Path, what: str, check: str) -> None:
    msg = f"{path}: {what}; check {check} (the file's attribute, or sources.weather.variables)"
    raise LoamError(msg)


def _tell_unusual(path: Path, value: float, usual: tuple[float, float], told: str) -> None:
    if not usual[0] <= value <= usual[1]:
        logging.getLogger(__name__).warning("%s: %s, which is rare: check its units", path, told)


def _require_percent(values: xr.DataArray, path: Path) -> None:
    high = float(values.max())
    if high <= 1.5:
        _refuse(
            path,
            f"{values.name} never exceeds {high:g} %: it is a share of 1, called %",
            "its units",
        )


def _require_rain(rain: xr.DataArray, path: Path) -> None:
    days, year = rain.sizes["time"], float(rain.mean()) * YEAR_DAYS
    high, wet = float(rain.max()), float((rain > 0).mean())
    told = f"precipitation is {year:.3g} mm a year, and {high:.3g} mm on its wettest day"
    small = days >= SOME_DAYS and wet >= DRIZZLE_SHARE and high < DRIZZLE_MM
    if small or (days >= LONG_DAYS and (0 < year < LEAST_RAIN_MM or year > MOST_RAIN_MM)):
        _refuse(path, f"{told} of {days}", "its units: metres, inches, or a rate that is called mm")
    if days >= LONG_DAYS:
        _tell_unusual(path, year, UNUSUAL_RAIN_MM, told)
    elif high > 0:
        _tell_unusual(path, high, (DRIZZLE_MM / 3, np.inf), told)


def _require_loss(loss: xr.DataArray, path: Path) -> None:
    year = float(loss.mean()) * YEAR_DAYS
    if year < 0:
        _refuse(
            path,
            f"evapotranspiration is {year:.3g} mm a year, where what leaves the ground is positive (not so in ERA5)",
            "its sign",
        )
    if year < 50 or year > 4500:
        _refuse(
            path, f"evapotranspiration is {year:.3g} mm a year, where 50 to 4500 occur", "its units"
        )


def _require_moist(weather: xr.Dataset, path: Path) -> None:
    """Vapour against what the air can hold (Magnus, over water)."""
    warm = next(
        (weather[name] for name in ("temperature", "temperature_max") if name in weather), None
    )
    if warm is None or "vapour_pressure" not in weather or weather.sizes["time"] < SOME_DAYS:
        return
    share = float(
        np.nanmedian(
            weather["vapour_pressure"].values
            / (0.6108 * np.exp(17.27 * warm.values / (warm.values + 237.3)))
        )
    )
    told = f"vapour_pressure is {share:.1%} of what air of its temperature holds, in the median"
    if not MOIST[0] <= share <= MOIST[1]:
        _refuse(path, told, "its units")
    _tell_unusual(path, share, UNUSUAL_MOIST, told)
