"""What a step reads of one block of the stack: averaged backscatter, angle, frost, snow, plants."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.moisture import Signal, Vegetation
from loam.core.errors import LoamError
from loam.core.features import Field, bilinear
from loam.core.flags import HIDDEN
from loam.core.frost import Frost, frost_of, never_frozen
from loam.core.grid import pixel_positions, support_pixels
from loam.core.integrity import require_chunks
from loam.core.raster import open_dataset, require
from loam.moisture.backscatter import averaged_db, independent_share, speckle_variance
from loam.moisture.blocks import Block
from loam.moisture.vegetation import soil_backscatter

DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Source:
    """A stack and what goes with it: everything small, read once; the stack itself is read block by block."""

    stack: Path
    signal: Signal
    vegetation: Vegetation
    box: GeoBox
    times: np.ndarray  # (time)
    tracks: np.ndarray  # (time)
    platforms: np.ndarray  # (time)
    variables: tuple[str, ...]
    frost: Frost
    ndvi: Path | None  # where the treatment of vegetation reads it

    @property
    def size(self) -> int:
        """Edge of the averaging window [pixel]."""
        return support_pixels(self.signal.label_support_m, self.pixel_m)

    @property
    def pixel_m(self) -> float:
        """Edge of a pixel [m]."""
        return float(abs(self.box.resolution.x))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.box.shape.y), int(self.box.shape.x)

    @property
    def pixel_date_bytes(self) -> int:
        """Memory that a pixel of one date takes while it is read: power, level, count and their cut-out, masks; then what else is there."""
        return (
            20
            + 4 * ("incidence" in self.variables)
            + 8 * self.needs_vh
            + 12 * (self.vegetation.mode != "none")
        )

    @property
    def needs_vh(self) -> bool:
        """Whether VH is read beside VV: for snow, or for the cross ratio."""
        asked = self.signal.snow_memory_days > 0 or self.vegetation.mode == "cross_ratio"
        return asked and "vh" in self.variables


@dataclass(frozen=True)
class Images:
    """Bands of some acquisitions as they were read, `(time, y, x)`: of a block with its halo, angle and mask without."""

    dates: np.ndarray  # places of the acquisitions in the stack (date)
    bands: dict[str, np.ndarray]

    def part(self, start: int, stop: int) -> "Images":
        """Some of the acquisitions."""
        return Images(
            self.dates[start:stop],
            {name: values[start:stop] for name, values in self.bands.items()},
        )


@dataclass
class Observed:
    """A block of acquisitions, `(time, y, x)`; `angle` has no length and the others are None where they are not known."""

    level: np.ndarray  # averaged backscatter [dB]
    count: np.ndarray  # pixels it is the mean of
    angle: np.ndarray  # local incidence [degree]
    layover: np.ndarray | None  # layover or shadow
    frozen: np.ndarray
    snow_possible: np.ndarray
    vh: np.ndarray | None  # averaged VH [dB]
    descriptor: np.ndarray | None  # NDVI, or VH over VV [dB]
    dense: np.ndarray | None  # the canopy hides the soil, or nobody knows it
    growth: np.ndarray | None  # of noise by the Water Cloud Model [1]


def open_source(
    stack: Path,
    weather: Path | None,
    ndvi: Path | None,
    signal: Signal,
    vegetation: Vegetation,
    check: bool = True,
) -> Source:
    """Read what is small of the stack and of its companions.

    Args:
        stack: backscatter.
        weather: daily; None: nothing counts as frozen.
        ndvi: None where it is not used.
        signal: section of the configuration.
        vegetation: section of the configuration.
        check: whether all chunks of the stack must be there.

    Raises:
        LoamError: a variable is missing.
    """
    data = open_dataset(stack, check=check)
    require(data, (signal.polarisation, "track"), stack)
    if vegetation.mode == "cross_ratio":
        require(data, ("vv", "vh"), stack)
    if signal.normalisation == "beta" and "incidence" not in data:
        msg = f"{stack}: no incidence angle, which moisture.signal.normalisation = 'beta' needs; set it to 'track'"
        raise LoamError(msg)
    times = data["time"].values
    platforms = (
        data["platform"].values.astype(str)
        if "platform" in data.coords
        else np.full(len(times), "unknown")
    )
    box = data.odc.geobox
    frost = _frost(weather, box, times, signal)
    if ndvi is not None:
        require_chunks(ndvi)
    plants = ndvi if vegetation.mode in {"flag", "ndvi", "water_cloud"} else None
    # Whole paths: a worker of a cluster may have started in another folder.
    paths, names = (stack.resolve(), plants and plants.resolve()), tuple(map(str, data.data_vars))
    return Source(
        paths[0],
        signal,
        vegetation,
        box,
        times,
        data["track"].values.astype(str),
        platforms,
        names,
        frost,
        paths[1],
    )


def _frost(weather: Path | None, box: GeoBox, times: np.ndarray, signal: Signal) -> Frost:
    """Temperatures at the acquisitions; unknown ones, which count as not frozen, where there is no weather."""
    if weather is None:
        return never_frozen(box, len(times), signal.frozen_below_degc)
    daily = open_dataset(weather)
    if "soil_temperature" not in daily:
        require(daily, ("temperature",), weather)
    limits = (signal.frozen_below_degc, signal.thaw_degree_days, signal.snow_memory_days)
    return frost_of(daily, times, *limits)


def ndvi_field(path: Path, box: GeoBox) -> Field:
    """NDVI and its age around a window, on their own grid."""
    data = open_dataset(path, check=False)
    require(data, ("ndvi", "age"), path)
    rows, columns = pixel_positions(box, data.odc.crs, data["x"].values, data["y"].values)
    window = {
        axis: _around(places, data.sizes[axis]) for axis, places in (("y", rows), ("x", columns))
    }
    part = data.isel(window)
    values = np.stack(
        [part[name].transpose("time", "y", "x").values for name in ("ndvi", "age")], axis=1
    ).astype(np.float32)
    max_age = float(data["age"].attrs.get("max_age_days", np.inf))
    days = data["time"].values.astype("datetime64[D]")
    return Field(days, values, rows - window["y"].start, columns - window["x"].start, max_age)


def _around(places: np.ndarray, size: int) -> slice:
    """Cells that interpolation at these places touches."""
    first = int(np.clip(np.floor(places.min()), 0, size - 1))
    return slice(first, int(np.clip(np.floor(places.max()) + 2, first + 1, size)))


def read_images(source: Source, block: Block, dates: np.ndarray) -> Images:
    """Read what change detection needs of some acquisitions `(date)` of a block."""
    data, signal = open_dataset(source.stack, check=False), source.signal
    power = (
        {signal.polarisation}
        | ({"vh"} if source.needs_vh else set())
        | ({"vv"} if source.vegetation.mode == "cross_ratio" else set())
    )
    bands = {
        name: _window(data[name], dates, (block.outer_rows, block.outer_columns))
        for name in sorted(power)
    }
    bands |= {
        name: _window(data[name], dates, block.window)
        for name in ("incidence", "mask")
        if name in source.variables
    }
    return Images(dates, bands)


def observe(
    source: Source, block: Block, images: Images, offsets_db: np.ndarray, threads: int = 1
) -> Observed:
    """Make backscatter of some acquisitions of a block.

    Args:
        source: the stack and its companions.
        block: rows and columns.
        images: what was read of it.
        offsets_db: to take from each acquisition, of its satellite `(date)` [dB].
        threads: rows are shared out to as many.
    """
    box, bands, dates = source.box[block.window], images.bands, images.dates
    level, count = _averaged(bands[source.signal.polarisation], source, block, threads)
    level -= offsets_db[:, None, None].astype(np.float32)
    angle = np.ascontiguousarray(bands.get("incidence", np.empty((0, 0, 0))), dtype=np.float32)
    layover = (bands["mask"] & int(HIDDEN)) != 0 if "mask" in bands else None
    vh = _averaged(bands["vh"], source, block, threads)[0] if source.needs_vh else None
    frozen, snow = source.frost.frozen(box, dates), source.frost.snow_possible(box, dates)
    seen = Observed(level, count, angle, layover, frozen, snow, vh, None, None, None)
    _see_plants(seen, source, block, images)
    return seen


def noise_variance(seen: Observed, source: Source) -> np.ndarray:
    """u² of the level: speckle and calibration, grown by the vegetation model, `(time, y, x)` float32 [dB²]."""
    signal = source.signal
    constant = np.float32(signal.calibration_error_db**2)
    # There are few counts and many pixels: each count's variance is worked out once.
    by_count = speckle_variance(
        np.arange(source.size**2 + 1),
        signal.looks,
        independent_share(source.pixel_m, signal.speckle_cell_m),
    )
    variance = np.take(by_count + constant, seen.count)
    return variance if seen.growth is None else (variance * seen.growth**2).astype(np.float32)


def _averaged(
    power: np.ndarray, source: Source, block: Block, threads: int
) -> tuple[np.ndarray, np.ndarray]:
    level, count = averaged_db(power, source.size, threads)
    inner = (slice(None), *block.inner)
    return np.ascontiguousarray(level[inner]), np.ascontiguousarray(count[inner])


def _window(values: xr.DataArray, dates: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
    """Some dates of a window, `(time, y, x)`; dates in a row are one slice, which reads faster than a list."""
    run = len(dates) > 0 and dates[-1] - dates[0] + 1 == len(dates)
    return values.isel(
        time=slice(int(dates[0]), int(dates[-1]) + 1) if run else dates, y=window[0], x=window[1]
    ).values


def _see_plants(seen: Observed, source: Source, block: Block, images: Images) -> None:
    """Add what the chosen treatment of vegetation needs; the Water Cloud Model replaces the level by the soil's."""
    mode, cfg = source.vegetation.mode, source.vegetation
    if mode == "cross_ratio" and seen.vh is not None:
        vv = (
            seen.level
            if source.signal.polarisation == "vv"
            else _averaged(images.bands["vv"], source, block, 1)[0]
        )
        seen.descriptor = seen.vh - vv
    elif source.ndvi is not None:
        field = ndvi_field(source.ndvi, source.box[block.window])
        seen.descriptor = np.stack([ndvi_on(field, source.times[date]) for date in images.dates])
    if mode == "flag" and seen.descriptor is not None:
        seen.dense = seen.descriptor > cfg.dense_ndvi
    if mode == "water_cloud" and seen.descriptor is not None:
        theta = seen.angle if seen.angle.size else 40.0
        soil, growth = soil_backscatter(
            seen.level, seen.descriptor, theta, cfg.canopy_a, cfg.canopy_b
        )
        seen.dense = np.isnan(soil) & np.isfinite(seen.level)
        seen.level, seen.growth = soil, growth


def ndvi_on(field: Field, time: np.datetime64) -> np.ndarray:
    """NDVI on a day, the last composite's on or before it, `(y, x)` float32; NaN when too old or never seen."""
    day = time.astype("datetime64[D]")
    index = int(np.searchsorted(field.times, day, side="right")) - 1
    if index < 0:
        return np.full(field.rows.shape, np.nan, dtype=np.float32)
    ndvi, age = bilinear(field.values[index], field.rows, field.columns).astype(np.float32)
    return np.where(age + float((day - field.times[index]) / DAY) <= field.max_age, ndvi, np.nan)
