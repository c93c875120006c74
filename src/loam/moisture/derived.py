"""Steps `volumetric-moisture` and `soil-water-index`: what hydrologists make of relative surface moisture, on request."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from loam.config.moisture import Compute, Derived
from loam.core.errors import LoamError
from loam.core.flags import usable_labels
from loam.core.grid import require_same_grid
from loam.core.pedotransfer import AIR_DRY, ORGANIC_PERCENT, saxton_rawls
from loam.core.raster import open_dataset, write_blocks, zarr_in_blocks
from loam.moisture.blocks import SSM_CHUNK_PX, Block, cut
from loam.moisture.change import TIME_CHUNK
from loam.moisture.cluster import for_each

CHUNKS = {"time": TIME_CHUNK, "y": SSM_CHUNK_PX, "x": SSM_CHUNK_PX}


def volumetric_moisture(ssm: Path, static: Path, out: Path, compute: Compute, threads: int) -> None:
    """Scale relative moisture between residual and saturated water content; write `volumetric.zarr`.

    Args:
        ssm: labels.
        static: static covariates, with soil.
        out: Zarr to write.
        compute: section `moisture.compute`.
        threads: threads to use.
    """
    labels, ground = open_dataset(ssm), open_dataset(static)
    require_same_grid(static, ground.odc.geobox, ssm, labels.odc.geobox)
    channels = dict(
        zip(ground["channel"].values.astype(str).tolist(), ground["static"].values, strict=True)
    )
    dry, wet = water_contents(channels, static)
    texts = {
        "volumetric": "volumetric surface soil moisture",
        "volumetric_uncertainty": "1 sigma by that of the relative moisture",
    }
    with zarr_in_blocks(_template(labels, texts, "m3 m-3"), out, CHUNKS) as partial_out:
        work = partial(_scale_block, ssm.resolve(), partial_out.resolve(), dry, wet)
        for_each(work, cut(dry.shape, SSM_CHUNK_PX, 0), compute, threads, "volumetric-moisture")


def soil_water_index(ssm: Path, out: Path, cfg: Derived, compute: Compute, threads: int) -> None:
    """Filter the usable labels of every pixel over time; write `soil_water_index.zarr`, one variable per characteristic time.

    Args:
        ssm: labels.
        out: Zarr to write.
        cfg: section `moisture.derived`.
        compute: section `moisture.compute`.
        threads: threads to use.
    """
    labels = open_dataset(ssm)
    texts = {
        f"swi_{days:g}": f"soil water index, characteristic time {days:g} days"
        for days in cfg.soil_water_index_days
    }
    with zarr_in_blocks(_template(labels, texts, "1"), out, CHUNKS) as partial_out:
        work = partial(
            _filter_block, ssm.resolve(), partial_out.resolve(), cfg.soil_water_index_days
        )
        for_each(
            work,
            cut((labels.sizes["y"], labels.sizes["x"]), SSM_CHUNK_PX, 0),
            compute,
            threads,
            "soil-water-index",
        )


def water_contents(channels: dict[str, np.ndarray], path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Residual and saturated water content of the soil source, or by its texture, each `(y, x)` [m3 m-3].

    Args:
        channels: layers of `static.zarr` by name.
        path: the file, for messages.

    Raises:
        LoamError: neither the contents nor sand and clay are there.
    """
    if {"theta_r", "theta_s"} <= channels.keys():
        return channels["theta_r"], channels["theta_s"]
    if {"sand", "clay"} <= channels.keys():
        return contents_of_texture(channels["sand"], channels["clay"])
    msg = f"{path}: neither theta_r and theta_s nor sand and clay are among its channels; name them in sources.soil.variables"
    raise LoamError(msg)


def contents_of_texture(
    sand: np.ndarray, clay: np.ndarray, organic: float = ORGANIC_PERCENT
) -> tuple[np.ndarray, np.ndarray]:
    """Air-dry and saturated water content by texture (Saxton & Rawls 2006, Soil Sci. Soc. Am. J. 70, 1569-1578, table 1).

    Args:
        sand: any shape [% by mass].
        clay: [% by mass].
        organic: organic matter [% by mass].

    Returns:
        Half the content at 1500 kPa, and the saturated content [m3 m-3].
    """
    soil = saxton_rawls(sand, clay, organic)
    return AIR_DRY * soil["wilting_point"], soil["theta_s"]


def volumetric(ssm: np.ndarray, residual: np.ndarray, saturated: np.ndarray) -> np.ndarray:
    """Volumetric moisture theta_r + SSM (theta_s - theta_r) [m3 m-3], of any broadcastable shapes."""
    return residual + ssm * (saturated - residual)


def exponential_filter(
    ssm: np.ndarray,
    days: np.ndarray,
    characteristic_days: float,
    state: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Soil water index in its recursive form (Wagner 1999; Albergel et al. 2008, Hydrol. Earth Syst. Sci. 12, 1323-1337).

    SWI_n = SWI_(n-1) + K_n (SSM_n - SWI_(n-1)) with K_n = K_(n-1) / (K_(n-1) + exp(-dt / T)), from K = 1 at the first value.

    Args:
        ssm: `(time, y, x)` [1], NaN missing: the index stays as it is.
        days: time of every value, in order `(time)` [day].
        characteristic_days: T [day].
        state: index, gain and last day of every pixel, each `(y, x)`, to go on from; None: to begin.

    Returns:
        The index `(time, y, x)` float32 [1], NaN before the first value; and the state to go on from.
    """
    nothing = np.full(ssm.shape[1:], np.nan)
    index, gain, last = state or (nothing, np.ones(ssm.shape[1:]), nothing)
    out = np.empty(ssm.shape, dtype=np.float32)
    for place, (value, day) in enumerate(zip(ssm, days, strict=True)):
        known, begun = np.isfinite(value), np.isfinite(index)
        forgotten = np.exp(-(day - last) / characteristic_days)
        gain = np.where(known & begun, gain / (gain + forgotten), gain)
        index = np.where(known, np.where(begun, index + gain * (value - index), value), index)
        last = np.where(known, day, last)
        out[place] = index
    return out, (index, gain, last)


def _slabs(ssm: Path, block: Block) -> Iterator[tuple[slice, xr.Dataset, np.ndarray]]:
    """Usable labels of a block, a few dates at a time."""
    data = open_dataset(ssm)
    for start in range(0, data.sizes["time"], TIME_CHUNK):
        dates = slice(start, min(start + TIME_CHUNK, data.sizes["time"]))
        part = data.isel(time=dates, y=block.rows, x=block.columns).load()
        yield dates, part, usable_labels(part["ssm"].values, part["flags"].values)


def _scale_block(ssm: Path, out: Path, dry: np.ndarray, wet: np.ndarray, block: Block) -> None:
    residual, saturated = dry[block.window], wet[block.window]
    for dates, part, label in _slabs(ssm, block):
        noise = np.where(
            np.isfinite(label), part["ssm_uncertainty"].values * (saturated - residual), np.nan
        )
        write_blocks(
            out,
            {"volumetric": volumetric(label, residual, saturated), "volumetric_uncertainty": noise},
            (dates, *block.window),
        )


def _filter_block(ssm: Path, out: Path, characteristic_days: Sequence[float], block: Block) -> None:
    states: dict[float, Any] = dict.fromkeys(characteristic_days)
    for dates, part, label in _slabs(ssm, block):
        days = part["time"].values.astype("datetime64[s]").astype(np.float64) / 86400
        for length in characteristic_days:
            index, states[length] = exponential_filter(label, days, length, states[length])
            write_blocks(out, {f"swi_{length:g}": index}, (dates, *block.window))


def _template(labels: xr.Dataset, texts: dict[str, str], units: str) -> xr.Dataset:
    like = labels["ssm"]
    resolution = (
        {"effective_resolution": like.attrs["effective_resolution"]}
        if "effective_resolution" in like.attrs
        else {}
    )
    layers = {
        name: like.copy(
            data=da.zeros(like.shape, dtype="f4", chunks=(TIME_CHUNK, 1024, 1024))
        ).assign_attrs(units=units, long_name=text, valid_range=[0.0, 1.0], **resolution)
        for name, text in texts.items()
    }
    return xr.Dataset(layers).odc.assign_crs(labels.odc.crs)
