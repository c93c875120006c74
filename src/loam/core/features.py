"""What a model is shown: covariates of a day and place, put together from their own grids only where asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.errors import LoamError
from loam.core.grid import pixel_positions
from loam.core.raster import open_dataset

COVARIATES = ("static", "weather", "ndvi")  # files of covariates
WEATHER = ("precipitation", "temperature", "humidity", "wind", "evapotranspiration")
# The paper sums what falls and evaporates over the window, and averages the rest.
SUMMED = ("precipitation", "evapotranspiration")
DAY = np.timedelta64(1, "D")
FEW_CELLS = 64  # up to so many, a matrix product beats gathering corners
# Weights of windows are kept up to this size [byte]. Later windows do not push out earlier ones: patches come in random
# order, and then nothing is gained by it.
KEPT_BYTES = 128_000_000


@dataclass(frozen=True)
class Field:
    """A stack of coarse fields with the positions of the target grid's pixels in it."""

    times: np.ndarray  # (time) datetime64[D]
    values: np.ndarray  # (time, channel, row, column) float32
    rows: np.ndarray  # (y, x) fractional row of every target pixel
    columns: np.ndarray  # (y, x)
    max_age: float = np.inf  # for NDVI: age from which a look no longer counts [day]
    kept: dict[tuple[int, ...], "Corners"] = field(default_factory=dict, repr=False, compare=False)

    def at(self, values: np.ndarray, window: tuple[slice, slice], stride: int = 1) -> np.ndarray:
        """Interpolate `(…, row, column)` to the target pixels of a window `(…, y, x)`, or to cells of `stride` pixels."""
        return self._corners(window, stride).interpolated(values)

    def _corners(self, window: tuple[slice, slice], stride: int) -> "Corners":
        if not isinstance(
            window[0], slice
        ):  # single pixels by their indices, which do not come again
            return self._found(window, stride)
        key = (
            window[0].start or 0,
            window[0].stop or -1,
            window[1].start or 0,
            window[1].stop or -1,
            stride,
        )
        found = self.kept.get(key)
        if found is None:
            found = self._found(window, stride)
            if found.nbytes * (len(self.kept) + 1) <= KEPT_BYTES:
                self.kept[key] = found
        return found

    def _found(self, window: tuple[slice, slice], stride: int) -> "Corners":
        rows, columns = (cell_means(values[window], stride) for values in (self.rows, self.columns))
        return corners_of(rows, columns, (self.values.shape[-2], self.values.shape[-1]))


def cell_means(values: np.ndarray, stride: int) -> np.ndarray:
    """Means over cells of `stride` x `stride` pixels, `(y, x)` to `(ceil(y / stride), ceil(x / stride))`."""
    if stride == 1:
        return values
    short = [(0, -size % stride) for size in values.shape]
    whole = np.pad(values, short, mode="edge") if np.any(short) else values
    rows, columns = (size // stride for size in whole.shape)
    return whole.reshape(rows, stride, columns, stride).mean(axis=(1, 3))


@dataclass(frozen=True)
class Corners:
    """Which cells of a coarse grid surround the pixels of a window, and what each weighs."""

    near: tuple[slice, slice]  # rows and columns of the grid that are needed
    places: list[np.ndarray]  # the four corners of every pixel, as cells of that part `(y, x)`
    weights: list[np.ndarray]  # of the four corners `(y, x)` float32
    table: np.ndarray | None  # the same as a matrix `(cell, pixel)`, where there are few cells

    @property
    def nbytes(self) -> int:
        """Memory [byte]."""
        return sum(part.nbytes for part in (*self.places, *self.weights)) + (
            0 if self.table is None else self.table.nbytes
        )

    def interpolated(self, values: np.ndarray) -> np.ndarray:
        """Values `(…, row, column)` at the pixels `(…, y, x)`; missing corners do not count, NaN where all that count are missing."""
        part = values[(..., *self.near)]
        flat = part.reshape(*part.shape[:-2], -1)
        if self.table is not None and np.isfinite(flat).all():
            return (flat.reshape(-1, flat.shape[-1]) @ self.table).reshape(
                *flat.shape[:-1], *self.places[0].shape
            )
        # One flat index per corner: twice as fast as indexing by row and column.
        corners = [np.take(flat, place, axis=-1) for place in self.places]
        total = sum(corner * weight for corner, weight in zip(corners, self.weights, strict=True))
        if np.isfinite(total).all():
            return total
        present = sum(
            np.isfinite(corner) * weight
            for corner, weight in zip(corners, self.weights, strict=True)
        )
        known = sum(
            np.where(np.isfinite(corner), corner, 0) * weight
            for corner, weight in zip(corners, self.weights, strict=True)
        )
        return np.where(present > 0, known / np.maximum(present, 1e-9), np.nan)


def bilinear(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bilinear interpolation of `(…, row, column)` at fractional positions `(y, x)`.

    The edge value holds outside. Missing corners do not count; only where all that count are missing is it NaN.
    """
    return corners_of(rows, columns, (values.shape[-2], values.shape[-1])).interpolated(values)


def corners_of(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> Corners:
    """Corners and weights of fractional positions `(y, x)` in a grid of some shape."""
    (low, high, down) = _neighbours(rows, shape[0])
    (left, right, across) = _neighbours(columns, shape[1])
    top, first = int(low.min()), int(left.min())
    near = (slice(top, int(high.max()) + 1), slice(first, int(right.max()) + 1))
    height, width = (part.stop - part.start for part in near)
    places = [
        (row - top) * width + column - first for row in (low, high) for column in (left, right)
    ]
    weights = [(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across]
    few = height * width <= FEW_CELLS
    return Corners(
        near, places, weights, _as_table(places, weights, height * width) if few else None
    )


def _as_table(places: list[np.ndarray], weights: list[np.ndarray], cells: int) -> np.ndarray:
    """Weights of every cell for every pixel: under a patch of weather lie few cells, and interpolation is one product."""
    pixel = np.arange(places[0].size)
    table = np.zeros((cells, pixel.size), dtype=np.float32)
    for place, weight in zip(places, weights, strict=True):
        table[place.ravel(), pixel] += weight.ravel()  # a pixel comes once in each corner
    return table


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
    file: Path = Path("static.zarr")  # of the grid, for messages

    def dynamic(
        self, day: np.datetime64, days: int, form: str, window: tuple[slice, slice], stride: int = 1
    ) -> np.ndarray:
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
        return self.weather.at(
            weather_window(self.weather.values, last, days, form), window, stride
        ).astype(np.float32)

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


def open_covariates(paths: Sequence[Path]) -> Covariates:
    """Read the covariate files into memory: megabytes, since coarse fields stay coarse.

    Args:
        paths: `static.zarr`, `weather.zarr` and, where NDVI is used, `ndvi.zarr`, known by their names.

    Raises:
        LoamError: static covariates or weather are missing, or a file has another name.
    """
    files = covariate_files(paths)
    terrain = open_dataset(files["static"])
    names = tuple(terrain["channel"].values.tolist())
    box = terrain.odc.geobox
    vegetation = (
        _field(open_dataset(files["ndvi"]), ("ndvi", "age"), box) if "ndvi" in files else None
    )
    channels = names if vegetation is None else (*names, "ndvi", "ndvi_age")
    return Covariates(
        box,
        terrain["static"].values.astype(np.float32),
        channels,
        _field(open_dataset(files["weather"]), WEATHER, box),
        vegetation,
        files["static"],
    )


def covariate_files(paths: Sequence[Path]) -> dict[str, Path]:
    """The covariate files by what they hold: 'static', 'weather', and 'ndvi' where it is used.

    Args:
        paths: of the files, in any order.

    Raises:
        LoamError: static covariates or weather are missing, or a file has another name.
    """
    files = {path.stem: path for path in paths}
    told = ", ".join(map(str, paths)) or "no file"
    if len(files) < len(paths) or not {"static", "weather"} <= set(files) <= set(COVARIATES):
        msg = f"--covariates: {told}; give static.zarr, weather.zarr and, where NDVI is used, ndvi.zarr"
        raise LoamError(msg)
    return files


def _field(data: xr.Dataset, names: tuple[str, ...], box: GeoBox) -> Field:
    values = np.stack([data[name].transpose("time", "y", "x").values for name in names], axis=1)
    rows, columns = pixel_positions(box, data.odc.crs, data["x"].values, data["y"].values)
    max_age = float(data[names[-1]].attrs.get("max_age_days", np.inf))
    return Field(
        data["time"].values.astype("datetime64[D]"),
        values.astype(np.float32),
        rows,
        columns,
        max_age,
    )
