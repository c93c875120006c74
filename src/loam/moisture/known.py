"""What is known of a block before any acquisition of it is read, and the flags that follow from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from loam.config.moisture import Change
from loam.config.sources import LandCover
from loam.core.flags import Flag
from loam.core.grid import land_cover_codes
from loam.core.raster import open_dataset
from loam.moisture.backscatter import ALL_TRACKS
from loam.moisture.blocks import Block
from loam.moisture.label_noise import noise_spread
from loam.moisture.masks import incidence_flags, land_cover_flags, sensitivity_flags, where
from loam.moisture.observed import Observed, Source
from loam.moisture.scale import Pixels, pixels_of, with_unknown
from loam.moisture.snow import wet_snow


@dataclass(frozen=True)
class Plan:
    """What the scaling of every block needs to know."""

    source: Source
    references: Path
    landcover: Path | None
    classes: LandCover | None
    cfg: Change
    dates: np.ndarray  # places of the acquisitions in the stack (date)
    slab: int  # acquisitions held at once


@dataclass(frozen=True)
class Known:
    """What is known of a block before any acquisition is read."""

    references: xr.Dataset  # loaded
    tracks: list[str]  # with references of their own
    pixels: Pixels
    surface: np.ndarray  # flags of the land cover `(y, x)`
    weak: np.ndarray  # flags of references by track, one more for unknown tracks `(track, y, x)`


def known_of(plan: Plan, block: Block) -> Known:
    """Read a block's references, and flag those that cannot serve."""
    references = (
        open_dataset(plan.references, check=False).isel(y=block.rows, x=block.columns).load()
    )
    groups = references["track"].values.astype(str).tolist()
    own = [name for name in groups if name != ALL_TRACKS]
    pixels = pixels_of(references, own, plan.source.signal.normalisation == "beta")
    return Known(
        references,
        own,
        pixels,
        surface_flags(plan, block),
        reference_flags(references, pixels, plan),
    )


def surface_flags(plan: Plan, block: Block) -> np.ndarray:
    """Flags of a block's land cover `(y, x)`."""
    if plan.landcover is None or plan.classes is None:
        return np.zeros((1, 1), dtype=np.int32)
    return land_cover_flags(
        land_cover_codes(plan.landcover, plan.source.box[block.window]), plan.classes
    )


def reference_flags(references: xr.Dataset, pixels: Pixels, plan: Plan) -> np.ndarray:
    """Flags of references that cannot serve, by track and one more for unknown tracks, int32 `(track, y, x)`."""
    groups = references["track"].values.astype(str).tolist()
    own = [place for place, name in enumerate(groups) if name != ALL_TRACKS]
    few = with_unknown(references["flags"].values[own], np.int32(Flag.TOO_FEW_DATES))
    noise = noise_spread(plan.source, references.attrs["percentiles"])
    weak = np.stack(
        [
            sensitivity_flags(track[2], track[5], noise, plan.cfg.min_sensitivity_db)
            for track in pixels.own
        ]
    )
    if pixels.merged is not None:
        slope = np.isfinite(pixels.slope[0]).all(axis=0)
        weak = np.where(
            slope,
            sensitivity_flags(
                pixels.merged[2], pixels.merged[5], noise, plan.cfg.min_sensitivity_db
            ),
            weak,
        )
        few = np.where(slope, references["flags"].values[groups.index(ALL_TRACKS)], few)
    return weak | few


def seen_flags(seen: Observed, known: Known, tracks: np.ndarray, plan: Plan) -> np.ndarray:
    """Flags of what was seen, but for the moisture: frost, snow, plants and geometry, int32 `(time, y, x)`.

    Args:
        seen: acquisitions of a block.
        known: references and flags of the block.
        tracks: place of each acquisition's track among the known ones `(time)`.
        plan: the step.
    """
    flags = where(seen.frozen, Flag.FROZEN)
    if seen.layover is not None:
        flags |= where(seen.layover, Flag.LAYOVER_SHADOW)
    if seen.angle.size:
        flags |= incidence_flags(seen.angle, plan.cfg.incidence_range_deg)
    if seen.dense is not None:
        flags |= where(seen.dense, Flag.DENSE_VEGETATION)
    if seen.vh is not None and "vh_reference" in known.references:
        snow_free = with_unknown(
            known.references["vh_reference"].sel(track=known.tracks).values, np.float32(np.nan)
        )
        flags |= where(
            wet_snow(
                seen.vh, snow_free[tracks], seen.snow_possible, plan.source.signal.snow_drop_db
            ),
            Flag.WET_SNOW,
        )
    return flags
