"""Step `fit-references`: dry and wet references of every pixel and track, with their standard errors, from training dates alone."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

from loam.config.moisture import Compute, References, Signal, Vegetation
from loam.core.errors import LoamError
from loam.core.flags import Flag, flag_attributes
from loam.core.grid import empty_like_grid, land_cover_codes
from loam.core.raster import write_blocks, zarr_in_blocks
from loam.core.splits import Splits
from loam.moisture.backscatter import ALL_TRACKS
from loam.moisture.blocks import REFERENCE_CHUNK_PX, Block, block_edge, cut
from loam.moisture.cluster import for_each, workers_of
from loam.moisture.fitting import LAYERS, ORIGINS, Fitted, fit_tracks
from loam.moisture.observed import Observed, Source, observe, open_source, read_images
from loam.moisture.platforms import YEAR_DAYS, fitted_offsets, offset_of
from loam.moisture.snow import snow_free_mean, wet_snow
from loam.moisture.surface import shared_series, surface_error
from loam.moisture.vegetation import vegetation_slope, without_vegetation

# Windows from which offsets between satellites are estimated: enough for a median, few enough to read at once.
SAMPLE_WINDOWS, SAMPLE_PX = 4, 48
REGRESSED = {"cross_ratio", "ndvi"}


@dataclass(frozen=True)
class Plan:
    """What every block's fit needs to know."""

    source: Source
    cfg: References
    dates: np.ndarray  # places of the training dates in the stack (date)
    offsets_db: np.ndarray  # of each date's satellite (date)
    names: tuple[str, ...]  # groups to fit
    shared: np.ndarray  # what the area's backscatter has in common (date) [1]
    landcover: Path | None  # where slopes are given by its class

    @property
    def tracks(self) -> np.ndarray:
        """Track of each date `(date)`."""
        return self.source.tracks[self.dates]

    @property
    def year(self) -> np.ndarray:
        """Time of the year of each date `(date)` [rad]."""
        times = self.source.times[self.dates]
        return (
            2
            * np.pi
            * ((times - times.astype("datetime64[Y]")) / np.timedelta64(1, "D"))
            / YEAR_DAYS
        )

    @property
    def seasons(self) -> tuple[np.ndarray, int]:
        """Season of each date `(date)`, and how many there are."""
        return seasons_of(self.source.times[self.dates], self.cfg.beta_season)


def fit_references(
    stack: Path,
    splits: Path,
    weather: Path | None,
    ndvi: Path | None,
    landcover: Path | None,
    out: Path,
    signal: Signal,
    cfg: References,
    vegetation: Vegetation,
    compute: Compute,
    threads: int,
) -> None:
    """Fit dry and wet references, sensitivity, and the angular slope; write `references.zarr`.

    Args:
        stack: backscatter, of `stack_scenes`, `filter_speckle` or `import_cube`.
        splits: splits of the run; only training dates are fitted.
        weather: daily weather on its own grid; None: nothing counts as frozen.
        ndvi: NDVI composites; None where no treatment of vegetation reads them.
        landcover: land cover, for slopes by class; None: without.
        out: Zarr to write.
        signal: section `moisture.signal`.
        cfg: section `moisture.references`.
        vegetation: section `moisture.vegetation`.
        compute: section `moisture.compute`.
        threads: threads to use.
    """
    source = open_source(stack, weather, ndvi, signal, vegetation)
    dates = training_dates(source, Splits.read(splits))
    sample = sampled(source, dates)
    offsets = fitted_offsets(sample, source, dates, weather, cfg)
    offsets_db = offset_of(offsets, source.platforms[dates])
    shared = shared_series(sample - offsets_db[:, None], source.tracks[dates])
    names = list(dict.fromkeys(np.unique(source.tracks[dates]).tolist()))
    names += [ALL_TRACKS] if signal.normalisation == "beta" else []
    given = (
        landcover.resolve() if landcover is not None and cfg.beta_fallback == "landcover" else None
    )
    plan = Plan(source, cfg, dates, offsets_db, tuple(names), shared, given)
    workers = workers_of(compute, threads)
    edge = block_edge(
        compute.memory_mb,
        workers,
        source.pixel_date_bytes * len(dates),
        source.shape,
        REFERENCE_CHUNK_PX,
    )
    chunks = {"track": 1, "season": 1, "y": REFERENCE_CHUNK_PX, "x": REFERENCE_CHUNK_PX}
    with zarr_in_blocks(_template(plan, offsets), out, chunks) as partial_out:
        blocks = cut(source.shape, edge, source.size // 2)
        inner = max(1, workers // len(blocks))
        counts = for_each(
            partial(fit_block, plan, partial_out.resolve(), inner),
            blocks,
            compute,
            threads,
            "fit-references",
        )
    warn_of_few(np.mean(counts, axis=0), plan)


def training_dates(source: Source, splits: Splits) -> np.ndarray:
    """Places of the acquisitions that may shape the references: dates that train, not all frozen. No other is read.

    Raises:
        LoamError: all of them are frozen.
    """
    train = splits.times("train")
    dates = np.flatnonzero(np.isin(source.times.astype("datetime64[s]"), train))
    temperature = source.frost.mean[dates].reshape(len(dates), -1)
    cold = (temperature < source.frost.below_degc).all(axis=1)
    if cold.all():
        msg = f"moisture.signal.frozen_below_degc = {source.frost.below_degc:g}: all {cold.size} training dates are colder; lower it"
        raise LoamError(msg)
    return dates[~cold]


def seasons_of(times: np.ndarray, season: str) -> tuple[np.ndarray, int]:
    """Season of every date, from 0 `(time)`, and how many there are: 12 months, or one year."""
    months = times.astype("datetime64[M]").astype(np.int64) % 12
    return (months, 12) if season == "monthly" else (np.zeros_like(months), 1)


def given_slopes(codes: np.ndarray, cfg: References) -> np.ndarray:
    """Slope and error by land-cover class, `(2, y, x)` float32 [dB/degree]."""
    slope = np.full(codes.shape, cfg.beta_elsewhere, dtype=np.float32)
    for code, value in cfg.beta_by_landcover.items():
        slope[codes == code] = value
    return np.stack([slope, np.full_like(slope, cfg.beta_given_error)])


def sampled(source: Source, dates: np.ndarray) -> np.ndarray:
    """Backscatter of a sample of the area `(date, pixel)` [dB], NaN under frost and possible snow."""
    return np.concatenate(
        [_sampled(source, block, dates) for block in sample_blocks(source.shape, source.size // 2)],
        axis=1,
    )


def _sampled(source: Source, block: Block, dates: np.ndarray) -> np.ndarray:
    seen = observe(source, block, read_images(source, block, dates), np.zeros(len(dates)))
    return np.where(seen.frozen | seen.snow_possible, np.nan, seen.level).reshape(len(dates), -1)


def sample_blocks(shape: tuple[int, int], halo: int) -> list[Block]:
    """Small windows spread evenly over an area; all of it where it is small."""
    if max(shape) <= SAMPLE_WINDOWS * SAMPLE_PX:
        return cut(shape, max(shape), halo)
    blocks = cut(shape, SAMPLE_PX, halo)
    across = -(-shape[1] // SAMPLE_PX)
    rows, columns = (
        np.linspace(0, -(-size // SAMPLE_PX) - 1, SAMPLE_WINDOWS).astype(int) for size in shape
    )
    return [
        blocks[row * across + column] for row in np.unique(rows) for column in np.unique(columns)
    ]


def fit_block(plan: Plan, out: Path, threads: int, block: Block) -> np.ndarray:
    """Fit one block and write it; return the mean count of dates of every group `(group)`.

    Args:
        plan: the step.
        out: Zarr that is being written.
        threads: rows are shared out to as many.
        block: rows and columns.
    """
    seen = observe(
        plan.source, block, read_images(plan.source, block, plan.dates), plan.offsets_db, threads
    )
    layers = leave_out_unfit(seen, plan)
    mode = plan.source.vegetation.mode
    if mode in REGRESSED and seen.descriptor is not None:
        slope, error, mean = vegetation_slope(
            seen.level, seen.descriptor, plan.tracks, plan.year if mode == "cross_ratio" else None
        )
        seen.level = without_vegetation(seen.level, seen.descriptor, slope, mean)
        layers |= {
            "vegetation_slope": slope,
            "vegetation_slope_error": error,
            "vegetation_mean": mean,
        }
    if plan.source.signal.surface_error_db is None:
        times = plan.source.times[plan.dates]
        layers["surface_error"] = surface_error(
            seen.level, plan.shared, plan.tracks, times, threads
        )
    angle = seen.angle if seen.angle.size else None
    given = None
    if plan.landcover is not None:
        given = given_slopes(
            land_cover_codes(plan.landcover, plan.source.box[block.window]), plan.cfg
        )
    percentiles, names = (plan.cfg.dry_percentile, plan.cfg.wet_percentile), list(plan.names)
    arguments = (
        angle,
        plan.tracks,
        names,
        plan.seasons,
        percentiles,
        plan.cfg.beta_max_relative_error,
        given,
        threads,
    )
    fitted = fit_tracks(seen.level, *arguments)
    if leave_out_flooded(
        seen.level, fitted, plan.tracks, names, plan.source.signal.standing_water_db
    ):
        fitted = fit_tracks(seen.level, *arguments)
    write_blocks(out, layers | as_layers(fitted, plan.cfg.min_dates), (..., *block.window))
    return fitted.dates.mean(axis=(1, 2))


def leave_out_unfit(seen: Observed, plan: Plan) -> dict[str, np.ndarray]:
    """Make the level missing where it must not shape references: layover, frost, wet snow. Return the snow-free VH by track."""
    unfit = seen.frozen if seen.layover is None else seen.frozen | seen.layover
    seen.level[unfit] = np.nan
    if seen.vh is None or plan.source.signal.snow_memory_days == 0:
        return {}
    tracks = [name for name in plan.names if name != ALL_TRACKS]
    seen.vh[unfit] = np.nan
    mean = snow_free_mean(
        seen.vh, seen.snow_possible, plan.tracks, tracks, plan.source.signal.snow_drop_db
    )
    for name, reference in zip(tracks, mean, strict=True):
        for date in np.flatnonzero(plan.tracks == name):
            seen.level[date][
                wet_snow(
                    seen.vh[date],
                    reference,
                    seen.snow_possible[date],
                    plan.source.signal.snow_drop_db,
                )
            ] = np.nan
    # The group of all tracks needs no reference: snow is judged by the acquisition's own track.
    return {
        "vh_reference": np.concatenate(
            [mean, np.full((len(plan.names) - len(tracks), *mean.shape[1:]), np.nan, np.float32)]
        )
    }


def leave_out_flooded(
    level: np.ndarray,
    fitted: Fitted,
    tracks: np.ndarray,
    names: list[str],
    standing_water_db: float,
) -> bool:
    """Make the level missing where water stood, so far below a first dry reference; tell whether there was any.

    Args:
        level: changed in place `(date, y, x)` [dB].
        fitted: first references.
        tracks: track of every date `(date)`.
        names: of the tracks, as `fitted` has them.
        standing_water_db: how far below the dry reference water lies [dB].
    """
    flooded = False
    for date, track in enumerate(tracks):
        under = level[date] < fitted.layers[names.index(track), 0] - standing_water_db
        if under.any():
            level[date][under] = np.nan
            flooded = True
    return flooded


def as_layers(fitted: Fitted, min_dates: int) -> dict[str, np.ndarray]:
    """Name the arrays as the file has them."""
    few = np.where(fitted.dates < min_dates, np.int32(Flag.TOO_FEW_DATES), np.int32(0))
    named = {name: fitted.layers[:, index] for index, name in enumerate(LAYERS)}
    return named | {
        "dates": fitted.dates,
        "flags": few,
        "beta": fitted.slope[0],
        "beta_error": fitted.slope[1],
        "beta_origin": fitted.origin,
    }


def warn_of_few(counts: np.ndarray, plan: Plan) -> None:
    """Tell which tracks have fewer dates than wanted."""
    for name, count in zip(plan.names, counts, strict=True):
        if count < plan.cfg.min_dates:
            text = "track %s: %d training dates, fewer than moisture.references.min_dates = %d; its pixels are flagged too_few_dates"
            logging.getLogger(__name__).warning(text, name, round(count), plan.cfg.min_dates)


_DB, _SLOPE = "dB", "dB/degree"
_TEXTS = {
    "dry": (_DB, "dry reference"),
    "wet": (_DB, "wet reference"),
    "sensitivity": (_DB, "wet minus dry"),
    "dry_error": (_DB, "standard error of the dry reference"),
    "wet_error": (_DB, "standard error of the wet reference"),
    "sensitivity_error": (_DB, "standard error of the sensitivity"),
    "dates": ("1", "training dates used"),
    "beta": (_SLOPE, "angular slope of backscatter"),
    "beta_error": (_SLOPE, "standard error of the slope"),
    "surface_error": (_DB, "1 sigma of what tillage and plants do between dates"),
    "beta_origin": ("1", "where the slope comes from"),
    "vh_reference": (_DB, "mean VH without snow"),
    "vegetation_slope": ("dB per unit", "change of backscatter with the vegetation descriptor"),
    "vegetation_slope_error": ("dB per unit", "its standard error"),
    "vegetation_mean": ("1", "mean of the vegetation descriptor"),
    "platform_offset": (_DB, "offset of the satellite that is removed"),
    "platform_offset_error": (_DB, "standard error of the offset"),
}


def _template(plan: Plan, offsets: dict[str, tuple[float, float]]) -> xr.Dataset:
    """The file's variables, lazy and empty, with what is known before any block is read."""
    layers: dict[str, xr.DataArray] = {}
    for name, leading in _dimensions(plan).items():
        dtype = {"dates": "i4", "flags": "i4", "beta_origin": "u1"}.get(name, "f4")
        values = da.zeros(
            (*leading.values(), *plan.source.shape),
            dtype=dtype,
            chunks=(*(1 for _ in leading), 1024, 1024),
        )
        layers[name] = xr.DataArray(values, dims=(*leading, "y", "x"), attrs=_attributes(name))
    for index, name in enumerate(("platform_offset", "platform_offset_error")):
        values = np.array([value[index] for value in offsets.values()], dtype=np.float32)
        layers[name] = xr.DataArray(values, dims=("platform",), attrs=_attributes(name))
    coords = empty_like_grid(plan.source.box) | {
        "track": list(plan.names),
        "platform": list(offsets),
    }
    percentiles = [plan.cfg.dry_percentile, plan.cfg.wet_percentile]
    attributes = {
        "effective_resolution": f"{plan.source.size * plan.source.pixel_m:g} m",
        "percentiles": percentiles,
        # What the leak check compares with the splits.
        "fitted_dates": [
            str(time) for time in plan.source.times[plan.dates].astype("datetime64[s]")
        ],
    }
    return xr.Dataset(layers, coords=coords, attrs=attributes).odc.assign_crs(plan.source.box.crs)


def _dimensions(plan: Plan) -> dict[str, dict[str, int]]:
    """Leading dimensions of every variable that blocks fill."""
    tracks, seasons = {"track": len(plan.names)}, {"season": plan.seasons[1]}
    dims = dict.fromkeys((*LAYERS, "dates", "flags"), tracks) | dict.fromkeys(
        ("beta", "beta_error", "beta_origin"), seasons
    )
    if plan.source.needs_vh and plan.source.signal.snow_memory_days:
        dims["vh_reference"] = tracks
    if plan.source.vegetation.mode in REGRESSED:
        dims |= {f"vegetation_{name}": {} for name in ("slope", "slope_error", "mean")}
    if plan.source.signal.surface_error_db is None:
        dims["surface_error"] = {}
    return dims


def _attributes(name: str) -> dict:
    if name == "flags":
        return flag_attributes()
    units, text = _TEXTS[name]
    extra = (
        {"flag_values": list(ORIGINS.values()), "flag_meanings": " ".join(ORIGINS)}
        if name == "beta_origin"
        else {}
    )
    return {"units": units, "long_name": text} | extra
