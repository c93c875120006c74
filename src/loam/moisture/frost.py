"""Where the ground is frozen, and where snow may lie: coarse temperatures, brought to pixels only where they decide."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.features import bilinear
from loam.core.frost import frost_temperature
from loam.core.grid import pixel_positions

DAY = np.timedelta64(1, "D")


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
    temperature: xr.DataArray,
    crs: str,
    times: np.ndarray,
    below_degc: float,
    thaw_degree_days: float,
    memory_days: int,
) -> Frost:
    """Gather the temperatures of some acquisitions.

    Args:
        temperature: daily mean `(time, y, x)` [degC].
        crs: of its grid.
        times: of the acquisitions `(time)`.
        below_degc: what counts as frozen [degC].
        thaw_degree_days: warmth that melts frozen ground, at most [K day].
        memory_days: days after frost in which snow may lie [day]; 0: never.
    """
    days = temperature["time"].values.astype("datetime64[D]")
    values = temperature.transpose("time", "y", "x").values.astype(np.float32)
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
    return Frost(mean, lowest, below_degc, crs, temperature["y"].values, temperature["x"].values)


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


def snow_free_mean(
    vh_db: np.ndarray,
    possible: np.ndarray,
    tracks: np.ndarray,
    names: list[str],
    drop_db: float,
    least: int = 5,
) -> np.ndarray:
    """Mean VH of every track over cool dates without wet snow, `(track, y, x)` float32 [dB].

    Dates after frost are compared with their own season: in summer plants raise VH by as much as wet snow lowers it. Dates
    that lie `drop_db` below the mean are left out and the mean taken once more. Over all dates where too few are cool.

    Args:
        vh_db: `(time, y, x)` [dB], NaN missing.
        possible: whether snow may lie `(time, y, x)`.
        tracks: track of every date `(time)`.
        names: of the tracks wanted.
        drop_db: how far below its mean wet snow lies [dB].
        least: cool dates that suffice.
    """
    out = np.empty((len(names), *vh_db.shape[1:]), dtype=np.float32)
    for place, name in enumerate(names):
        values = vh_db[tracks == name]
        cool = np.where(possible[tracks == name], values, np.nan)
        first = _mean(cool)
        with np.errstate(invalid="ignore"):
            again = _mean(np.where(cool > first - drop_db, cool, np.nan))
        enough = np.isfinite(cool).sum(axis=0) >= least
        out[place] = np.where(enough, again, _mean(values))
    return out


def _mean(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, axis=0) / np.isfinite(values).sum(axis=0)


def wet_snow(
    vh_db: np.ndarray, reference_db: np.ndarray, possible: np.ndarray, drop_db: float
) -> np.ndarray:
    """Where wet snow lies: VH at least `drop_db` below its snow-free mean while snow is possible, bool `(time, y, x)`.

    Args:
        vh_db: `(time, y, x)` [dB].
        reference_db: snow-free mean of each date's track, `(time, y, x)` or broadcastable [dB].
        possible: `(time, y, x)`.
        drop_db: how far below [dB].
    """
    with np.errstate(invalid="ignore"):
        return (vh_db - reference_db <= -drop_db) & possible
