"""What a model is shown: covariates of a day and place, put together from their own grids only where asked for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.errors import LoamError
from loam.grid import pixel_positions
from loam.raster import open_dataset

WEATHER = ("precipitation", "temperature", "humidity", "wind", "evapotranspiration")
# The paper sums what falls and evaporates over the window, and averages the rest.
SUMMED = ("precipitation", "evapotranspiration")
# Past labels as inputs: what the radar said of a pixel before the day.
PAST = ("last_ssm", "last_ssm_age", "past_ssm_mean", "past_ssm_count")
# Smallest 1 sigma that weighs a label [1]: one that claims to be without error must not rule alone.
LEAST_SIGMA = 0.01
DAY = np.timedelta64(1, "D")
FEW_CELLS = 64  # up to so many, a matrix product beats gathering corners


@dataclass(frozen=True)
class Field:
    """A stack of coarse fields with the positions of the target grid's pixels in it."""

    times: np.ndarray  # (time) datetime64[D]
    values: np.ndarray  # (time, channel, row, column) float32
    rows: np.ndarray  # (y, x) fractional row of every target pixel
    columns: np.ndarray  # (y, x)
    max_age: float = np.inf  # for NDVI: age from which a look no longer counts [day]

    def at(self, values: np.ndarray, window: tuple[slice, slice], stride: int = 1) -> np.ndarray:
        """Interpolate `(…, row, column)` to the target pixels of a window `(…, y, x)`, or to cells of `stride` pixels."""
        return bilinear(values, cell_means(self.rows[window], stride), cell_means(self.columns[window], stride))


def cell_means(values: np.ndarray, stride: int) -> np.ndarray:
    """Means over cells of `stride` x `stride` pixels, `(y, x)` to `(ceil(y / stride), ceil(x / stride))`."""
    if stride == 1:
        return values
    whole = np.pad(values, [(0, -size % stride) for size in values.shape], mode="edge")
    rows, columns = (size // stride for size in whole.shape)
    return whole.reshape(rows, stride, columns, stride).mean(axis=(1, 3))


def bilinear(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bilinear interpolation of `(…, row, column)` at fractional positions `(y, x)`.

    The edge value holds outside. Missing corners do not count; only where all that count are missing is it NaN.
    """
    (low, high, down) = _neighbours(rows, values.shape[-2])
    (left, right, across) = _neighbours(columns, values.shape[-1])
    top, first = low.min(), left.min()
    near = values[..., top : high.max() + 1, first : right.max() + 1]
    width = near.shape[-1]
    flat = near.reshape(*values.shape[:-2], -1)
    weights = ((1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across)
    places = [(row - top) * width + column - first for row in (low, high) for column in (left, right)]
    if flat.shape[-1] <= FEW_CELLS and np.isfinite(flat).all():
        return _by_product(flat, places, weights)
    # One flat index per corner: twice as fast as indexing by row and column.
    corners = [np.take(flat, place, axis=-1) for place in places]
    total = sum(corner * weight for corner, weight in zip(corners, weights, strict=True))
    if np.isfinite(total).all():
        return total
    present = sum(np.isfinite(corner) * weight for corner, weight in zip(corners, weights, strict=True))
    known = sum(np.where(np.isfinite(corner), corner, 0) * weight for corner, weight in zip(corners, weights, strict=True))
    return np.where(present > 0, known / np.maximum(present, 1e-9), np.nan)


def _by_product(flat: np.ndarray, places: list[np.ndarray], weights: tuple[np.ndarray, ...]) -> np.ndarray:
    """Weights of every cell for every pixel times the cells: under a patch of weather lie few cells, and this is one product.

    Args:
        flat: `(…, cell)`.
        places: of the four corners `(y, x)`, as cells.
        weights: of the four corners `(y, x)`.
    """
    pixel = np.arange(places[0].size)
    table = np.zeros((flat.shape[-1], pixel.size), dtype=flat.dtype)
    for place, weight in zip(places, weights, strict=True):
        table[place.ravel(), pixel] += weight.ravel()  # a pixel comes once in each corner
    return (flat.reshape(-1, flat.shape[-1]) @ table).reshape(*flat.shape[:-1], *places[0].shape)


def _neighbours(position: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    inside = np.clip(position, 0, size - 1)
    low = np.floor(inside).astype(np.intp)
    return low, np.minimum(low + 1, size - 1), (inside - low).astype(np.float32)


def weather_window(values: np.ndarray, last: int, days: int, form: str) -> np.ndarray:
    """Weather of the days up to and including one, on the coarse grid.

    Args:
        values: daily fields `(time, channel, row, column)`, channels in the order of `WEATHER`.
        last: index of the window's last day.
        days: length of the window [day].
        form: 'sequence' keeps a step per day, `(days, channel, row, column)`; 'aggregate' makes one step,
            precipitation and ET summed, the others averaged, `(1, channel, row, column)`.
    """
    window = values[last - days + 1 : last + 1]
    if form == "sequence":
        return window
    total = [name in SUMMED for name in WEATHER]
    return np.where(np.array(total)[:, None, None], window.sum(axis=0), window.mean(axis=0))[None]


@dataclass(frozen=True)
class Covariates:
    """All covariates of a run, opened once. Channels: `static_names` (with NDVI and its age last) and `WEATHER`."""

    grid: GeoBox
    static: np.ndarray  # (channel, y, x) float32
    static_names: tuple[str, ...]
    weather: Field
    ndvi: Field | None

    def dynamic(self, day: np.datetime64, days: int, form: str, window: tuple[slice, slice], stride: int = 1) -> np.ndarray:
        """Weather steps of a window of pixels, `(step, channel, y, x)` float32.

        Args:
            day: last day of the window.
            days: length of the window [day].
            form: 'aggregate' or 'sequence'.
            window: rows and columns of the target grid.
            stride: edge of the cells that get a value; 1 is every pixel.

        Raises:
            LoamError: the weather does not reach back or forward far enough.
        """
        last = int((day.astype("datetime64[D]") - self.weather.times[0]) / DAY)
        if last - days + 1 < 0 or last >= len(self.weather.times):
            first, final = self.weather.times[0], self.weather.times[-1]
            msg = f"sources.weather: covers {first} to {final}, but {days} days up to {day} are needed; extend it or cut the period"
            raise LoamError(msg)
        return self.weather.at(weather_window(self.weather.values, last, days, form), window, stride).astype(np.float32)

    def stationary(self, day: np.datetime64, window: tuple[slice, slice]) -> np.ndarray:
        """Terrain, soil, and NDVI with its age on that day, `(channel, y, x)` float32. NDVI never seen is NaN."""
        static = self.static[(slice(None), *window)]
        if self.ndvi is None:
            return static
        return np.concatenate([static, self._vegetation(day.astype("datetime64[D]"), window)])

    def _vegetation(self, day: np.datetime64, window: tuple[slice, slice]) -> np.ndarray:
        """NDVI and age [day] of the last composite on or before a day, `(2, y, x)`."""
        assert self.ndvi is not None
        index = int(np.searchsorted(self.ndvi.times, day, side="right")) - 1
        shape = self.ndvi.rows[window].shape
        if index < 0:
            return np.full((2, *shape), np.nan, dtype=np.float32)
        fields = self.ndvi.at(self.ndvi.values[index], window).astype(np.float32)
        fields[1] += float((day - self.ndvi.times[index]) / DAY)
        fields[0, fields[1] > self.ndvi.max_age] = np.nan
        fields[1] = np.minimum(fields[1], self.ndvi.max_age)
        return fields


def open_covariates(static: Path, weather: Path, ndvi: Path | None) -> Covariates:
    """Read the covariate files into memory: megabytes, since coarse fields stay coarse."""
    terrain = open_dataset(static)
    names = tuple(terrain["channel"].values.tolist())
    box = terrain.odc.geobox
    vegetation = None if ndvi is None else _field(open_dataset(ndvi), ("ndvi", "age"), box)
    channels = names if vegetation is None else (*names, "ndvi", "ndvi_age")
    return Covariates(box, terrain["static"].values.astype(np.float32), channels, _field(open_dataset(weather), WEATHER, box), vegetation)


def _field(data: xr.Dataset, names: tuple[str, ...], box: GeoBox) -> Field:
    values = np.stack([data[name].transpose("time", "y", "x").values for name in names], axis=1)
    rows, columns = pixel_positions(box, data.odc.crs, data["x"].values, data["y"].values)
    max_age = float(data[names[-1]].attrs.get("max_age_days", np.inf))
    return Field(data["time"].values.astype("datetime64[D]"), values.astype(np.float32), rows, columns, max_age)


def past_channels(ssm: np.ndarray, uncertainty: np.ndarray, ages: np.ndarray, days: int) -> np.ndarray:
    """Last label and its age [day], mean weighted by 1 / u², and count, `(4, …)` float32.

    Where there is no label, last and mean are NaN, the age is `days` and the count 0.

    Args:
        ssm: labels [1] `(time, …)`, in order of time, NaN missing.
        uncertainty: their 1 sigma [1] `(time, …)`.
        ages: days from each to the day [day] `(time)`.
        days: how far back was looked [day].
    """
    known = np.isfinite(ssm) & np.isfinite(uncertainty)
    out = np.stack([np.full(ssm.shape[1:], fill, dtype=np.float32) for fill in (np.nan, days, np.nan, 0)])
    for index, age in enumerate(ages):
        out[0][known[index]] = ssm[index][known[index]]
        out[1][known[index]] = age
    weight = np.where(known, 1 / np.maximum(np.nan_to_num(uncertainty), LEAST_SIGMA) ** 2, 0)
    total = weight.sum(axis=0)
    mean = (weight * np.nan_to_num(ssm)).sum(axis=0) / np.where(total > 0, total, np.nan)
    out[2], out[3] = mean, known.sum(axis=0)
    return out
