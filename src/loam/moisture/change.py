"""Steps `detect-change` and `detect-acquisition`: soil moisture between the dry and wet references of its pixel and track."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from loam.config.moisture import Change, Compute, Signal, Vegetation
from loam.config.sources import LandCover
from loam.core.errors import LoamError
from loam.core.flags import Flag, flag_attributes
from loam.core.grid import empty_like_grid, require_same_grid
from loam.core.integrity import require_chunks
from loam.core.raster import open_dataset, write_blocks, zarr_in_blocks
from loam.moisture.blocks import SSM_CHUNK_PX, Block, block_edge, cut, slab_length
from loam.moisture.cluster import for_each, workers_of
from loam.moisture.known import Known, Plan, known_of, seen_flags
from loam.moisture.label_noise import label_sums, noise_ceiling, surface_variance
from loam.moisture.masks import where
from loam.moisture.observed import (
    Images,
    Observed,
    Source,
    noise_variance,
    observe,
    open_source,
    read_images,
)
from loam.moisture.scale import Moisture, relative_moisture
from loam.moisture.vegetation import without_vegetation

# Memory that a pixel of one date takes beside what is read [byte]: variance, SSM, its uncertainty, flags old and new.
RESULT_BYTES = 28
TIME_CHUNK = 16
# Acquisitions of a block that are worked on together: what is made on the way stays small enough for memory to be used again.
DATES_AT_ONCE = 4


def detect_change(
    stack: Path,
    references: Path,
    weather: Path | None,
    ndvi: Path | None,
    landcover: Path | None,
    out: Path,
    signal: Signal,
    cfg: Change,
    vegetation: Vegetation,
    compute: Compute,
    classes: LandCover | None,
    threads: int,
) -> None:
    """Scale backscatter between its dry and wet references; write SSM, its uncertainty and flags as `ssm.zarr`.

    Args:
        stack: backscatter, of `stack_scenes`, `filter_speckle` or `import_cube`.
        references: of `fit_references`.
        weather: daily weather on its own grid; None: nothing counts as frozen.
        ndvi: NDVI composites; None where no treatment of vegetation reads them.
        landcover: land cover; None: no flag of water, built-up land or forest.
        out: Zarr to write.
        signal: section `moisture.signal`.
        cfg: section `moisture.change`.
        vegetation: section `moisture.vegetation`.
        compute: section `moisture.compute`.
        classes: section `sources.landcover`; None without land cover.
        threads: threads to use.
    """
    source = open_source(stack, weather, ndvi, signal, vegetation)
    require_same_grid(references, open_dataset(references).odc.geobox, stack, source.box)
    number, files = len(source.times), (references.resolve(), landcover and landcover.resolve())
    plan = Plan(source, *files, classes, cfg, np.arange(number), slab_of(stack, number))
    write_moisture(plan, out, compute, threads)


def detect_acquisition(
    stack: Path,
    references: Path,
    weather: Path | None,
    ndvi: Path | None,
    landcover: Path | None,
    out: Path,
    signal: Signal,
    cfg: Change,
    vegetation: Vegetation,
    compute: Compute,
    classes: LandCover | None,
    threads: int,
) -> None:
    """Scale one new acquisition, named by `out` (20240131T054500.zarr), with references that are there; read no other.

    Args:
        stack: backscatter, of `stack_scenes`, `filter_speckle` or `import_cube`.
        references: of `fit_references`.
        weather: daily weather on its own grid; None: nothing counts as frozen.
        ndvi: NDVI composites; None where no treatment of vegetation reads them.
        landcover: land cover; None: no flag of water, built-up land or forest.
        out: Zarr to write.
        signal: section `moisture.signal`.
        cfg: section `moisture.change`.
        vegetation: section `moisture.vegetation`.
        compute: section `moisture.compute`.
        classes: section `sources.landcover`; None without land cover.
        threads: threads to use.
    """
    source = open_source(stack, weather, ndvi, signal, vegetation, check=False)
    place = acquisition_of(out.stem, source)
    require_chunks(stack, place)
    require_same_grid(references, open_dataset(references).odc.geobox, stack, source.box)
    plan = Plan(
        source,
        references.resolve(),
        landcover and landcover.resolve(),
        classes,
        cfg,
        np.array([place]),
        1,
    )
    write_moisture(plan, out, compute, threads)


def acquisition_of(name: str, source: Source) -> int:
    """Place of an acquisition in the stack by its time.

    Raises:
        LoamError: there is none.
    """
    names = [str(time)[:19].replace("-", "").replace(":", "") for time in source.times]
    if name not in names:
        msg = f"{source.stack}: has no acquisition at {name}; its last one is {names[-1]}"
        raise LoamError(msg)
    return names.index(name)


def slab_of(stack: Path, dates: int) -> int:
    """Acquisitions to read at once: whole chunks of what is read and of what is written."""
    layers = open_dataset(stack, chunks={}, check=False).data_vars.values()
    length = max(max(values.variable.chunksizes.get("time", (1,))) for values in layers)
    return min(-(-length // TIME_CHUNK) * TIME_CHUNK, -(-dates // TIME_CHUNK) * TIME_CHUNK)


def write_moisture(plan: Plan, out: Path, compute: Compute, threads: int) -> None:
    """Scale an area block by block, and say in the file how much of its variance is noise.

    Args:
        plan: the step.
        out: Zarr to write.
        compute: section `moisture.compute`.
        threads: threads to use.
    """
    source, workers = plan.source, workers_of(compute, threads)
    area, date_bytes = (source.shape, SSM_CHUNK_PX), source.pixel_date_bytes + RESULT_BYTES
    plan = replace(
        plan, slab=slab_length(compute.memory_mb, workers, date_bytes, *area, plan.slab, TIME_CHUNK)
    )
    edge = block_edge(compute.memory_mb, workers, date_bytes * plan.slab, *area)
    chunks = {"time": TIME_CHUNK, "y": SSM_CHUNK_PX, "x": SSM_CHUNK_PX}
    with zarr_in_blocks(_template(plan), out, chunks) as partial_out:
        blocks = cut(source.shape, edge, source.size // 2)
        inner = max(1, workers // len(blocks))
        sums = for_each(
            partial(scale_block, plan, partial_out.resolve(), inner),
            blocks,
            compute,
            threads,
            "detect-change",
        )
        write_attributes(
            partial_out, {"label_noise_ceiling_r2": noise_ceiling(np.sum(sums, axis=0))}
        )


def write_attributes(path: Path, attributes: dict[str, float]) -> None:
    """Add attributes to a Zarr's root."""
    import zarr

    zarr.open_group(path, mode="r+").attrs.update(attributes)


def scale_block(plan: Plan, out: Path, threads: int, block: Block) -> np.ndarray:
    """Scale one block and write it; return count, SSM, SSM² and u² summed over its usable labels `(4)`.

    Args:
        plan: the step.
        out: Zarr that is being written.
        threads: rows are shared out to as many.
        block: rows and columns.
    """
    known, sums = known_of(plan, block), np.zeros(4)
    for start in range(0, len(plan.dates), plan.slab):
        images = read_images(plan.source, block, plan.dates[start : start + plan.slab])
        result = scale_images(plan, known, block, images, threads)
        named = {"ssm": result.ssm, "ssm_uncertainty": result.uncertainty, "flags": result.flags}
        write_blocks(out, named, (slice(start, start + len(images.dates)), *block.window))
        sums += label_sums(result)
    return sums


def scale_images(plan: Plan, known: Known, block: Block, images: Images, threads: int) -> Moisture:
    """Scale what was read of a block, a few acquisitions at a time: whole slabs of every step between would be new memory each time.

    Args:
        plan: the step.
        known: references and flags of the block.
        block: rows and columns.
        images: what was read of it.
        threads: rows are shared out to as many.
    """
    shape = (len(images.dates), *plan.source.box[block.window].shape)
    out = Moisture(
        np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.int32)
    )
    for start in range(0, len(images.dates), DATES_AT_ONCE):
        part = images.part(start, start + DATES_AT_ONCE)
        few = slice(start, start + len(part.dates))
        scale_dates(
            plan,
            known,
            block,
            part,
            threads,
            Moisture(out.ssm[few], out.uncertainty[few], out.flags[few]),
        )
    return out


def scale_dates(
    plan: Plan, known: Known, block: Block, images: Images, threads: int, out: Moisture
) -> None:
    """Scale some acquisitions of a block.

    Args:
        plan: the step.
        known: references and flags of the block.
        block: rows and columns.
        images: what was read of the acquisitions.
        threads: rows are shared out to as many.
        out: arrays for the results.
    """
    source, dates, references = plan.source, images.dates, known.references
    platforms = references["platform"].values.astype(str).tolist()
    offsets = dict(zip(platforms, references["platform_offset"].values.tolist(), strict=True))
    shift = np.array([offsets.get(name, 0.0) for name in source.platforms[dates]])
    seen = observe(source, block, images, shift, threads)
    # A track that was never seen in training has no references: the place after the last is all NaN.
    tracks = np.array(
        [
            known.tracks.index(name) if name in known.tracks else len(known.tracks)
            for name in source.tracks[dates]
        ]
    )
    variance = remove_vegetation(seen, noise_variance(seen, source), references) + surface_variance(
        references, source
    )
    flags = known.surface | known.weak[tracks] | seen_flags(seen, known, tracks, plan)
    flags |= where(~np.isin(source.platforms[dates], platforms), Flag.UNKNOWN_PLATFORM)[
        :, None, None
    ]
    months = source.times[dates].astype("datetime64[M]").astype(np.int64) % 12
    seasons = months if references.sizes["season"] == 12 else np.zeros_like(months)
    angle = seen.angle if seen.angle.size else None
    relative_moisture(
        seen.level,
        variance,
        angle,
        known.pixels,
        tracks,
        seasons,
        flags,
        source.signal.standing_water_db,
        threads,
        out,
    )


def remove_vegetation(seen: Observed, variance: np.ndarray, references: xr.Dataset) -> np.ndarray:
    """Bring levels to the mean vegetation where references were; return the variance with that of the slope."""
    if "vegetation_slope" not in references or seen.descriptor is None:
        return variance
    slope, error, mean = (
        references[f"vegetation_{name}"].values for name in ("slope", "slope_error", "mean")
    )
    seen.level = without_vegetation(seen.level, seen.descriptor, slope, mean)
    seen.dense = ~np.isfinite(seen.descriptor)
    return variance + np.nan_to_num((error * (seen.descriptor - mean)) ** 2)


def _template(plan: Plan) -> xr.Dataset:
    """The file's variables, lazy and empty."""
    source = plan.source
    support = {"effective_resolution": f"{source.size * source.pixel_m:g} m"}
    attributes: dict[str, dict[str, Any]] = {
        "ssm": {
            "units": "1",
            "long_name": "surface soil moisture, 0 dry to 1 wet",
            "valid_range": [0.0, 1.0],
        }
        | support,
        "ssm_uncertainty": {"units": "1", "long_name": "1 sigma of ssm"} | support,
        "flags": flag_attributes(),
    }
    layers = {}
    for name, attrs in attributes.items():
        values = da.zeros(
            (len(plan.dates), *source.shape),
            dtype="i4" if name == "flags" else "f4",
            chunks=(TIME_CHUNK, 1024, 1024),
        )
        layers[name] = xr.DataArray(values, dims=("time", "y", "x"), attrs=attrs)
    along = {"track": source.tracks, "platform": source.platforms}
    coords = {"time": source.times[plan.dates]} | {
        name: ("time", values[plan.dates]) for name, values in along.items()
    }
    return xr.Dataset(layers, coords=empty_like_grid(source.box) | coords).odc.assign_crs(
        source.box.crs
    )
