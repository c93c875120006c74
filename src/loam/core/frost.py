"""When the top of the soil is frozen: daily temperatures, and the cold that the ground keeps from the days before.

Temperatures stay on the weather's coarse grid and are brought to pixels only where they decide.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.features import bilinear
from loam.core.grid import pixel_positions


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


@dataclass(frozen=True)
class Frost:
    """Temperatures on the weather's own grid at every acquisition, and the limits that decide.

    Attributes:
        mean: of the day, less the cold left by the days before `(time, row, column)` [degC], NaN unknown.
        lowest: daily mean within the snow's memory `(time, row, column)` [degC], NaN unknown.
        below_degc: what counts as frozen [degC].
        crs: of the weather's grid.
        y: its rows.
        x: its columns.
    """

    mean: np.ndarray
    lowest: np.ndarray
    below_degc: float
    crs: str
    y: np.ndarray
    x: np.ndarray

    def frozen(self, box: GeoBox, dates: np.ndarray) -> np.ndarray:
        """Whether the ground of a window's pixels is frozen at some acquisitions, bool `(time, y, x)`."""
        return below(self.mean[dates], self.below_degc, *self._positions(box))

    def snow_possible(self, box: GeoBox, dates: np.ndarray) -> np.ndarray:
        """Whether it froze in a window's pixels within the snow's memory, bool `(time, y, x)`."""
        return below(self.lowest[dates], self.below_degc, *self._positions(box))

    def _positions(self, box: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        return pixel_positions(box, self.crs, self.x, self.y)


def frost_of(
    weather: xr.Dataset,
    times: np.ndarray,
    below_degc: float,
    thaw_degree_days: float,
    memory_days: int = 0,
) -> Frost:
    """Gather the temperatures of some acquisitions or days.

    Args:
        weather: daily `temperature`, or `soil_temperature` where the source has it `(time, y, x)` [degC], with its CRS.
        times: of the acquisitions `(time)`.
        below_degc: what counts as frozen [degC].
        thaw_degree_days: warmth that melts frozen ground, at most [K day].
        memory_days: days after frost in which snow may lie [day]; 0: never.
    """
    temperature = ground_temperature(weather)
    days = temperature["time"].values.astype("datetime64[D]")
    values = temperature.values.astype(np.float32)
    after_frost = frost_temperature(values, below_degc, thaw_degree_days)
    shape = (len(times), *values.shape[1:])
    mean, lowest = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
    for index, day in enumerate(times.astype("datetime64[D]")):
        last = int(np.searchsorted(days, day, side="right"))
        if last == 0 or days[last - 1] != day:
            continue  # a day without weather counts as not frozen
        mean[index] = after_frost[last - 1]
        if memory_days:
            lowest[index] = values[max(0, last - memory_days) : last].min(axis=0)
    y, x = (temperature[axis].values for axis in ("y", "x"))
    return Frost(mean, lowest, below_degc, str(weather.odc.crs), y, x)


def never_frozen(box: GeoBox, dates: int, below_degc: float) -> Frost:
    """Frost of an area without weather: temperatures are NaN, which counts as not frozen.

    Args:
        box: grid of the area.
        dates: number of acquisitions.
        below_degc: what would count as frozen [degC].
    """
    corners = box.extent.boundingbox
    y, x = np.array([corners.top, corners.bottom]), np.array([corners.left, corners.right])
    unknown = np.full((dates, 2, 2), np.nan, dtype=np.float32)
    return Frost(unknown, unknown, below_degc, str(box.crs), y, x)


def below(fields: np.ndarray, limit: float, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether interpolated fields lie below a limit.

    Args:
        fields: `(time, row, column)`, NaN unknown: not below.
        limit: in the fields' units.
        rows: fractional row of every pixel `(y, x)`.
        columns: fractional column `(y, x)`.

    Returns:
        Bool `(time, y, x)`.
    """
    out = np.zeros((len(fields), *rows.shape), dtype=bool)
    for index, field in enumerate(fields):
        # Only where a limit runs through the area is there something to interpolate.
        cold = field < limit
        out[index] = (
            bilinear(field, rows, columns) < limit if cold.any() and not cold.all() else cold.all()
        )
    return out
