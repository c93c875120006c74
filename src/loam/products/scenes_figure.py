"""Pictures of the backscatter that labels are made from: what each track sees, under which angle, how often."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.core.flags import HIDDEN
from loam.core.raster import open_dataset, require
from loam.products.drawing import colour_bar, map_figure, missing_grey, save, show_map

COLUMNS = 3
COUNT = "acquisitions, not in layover or shadow"


@dataclass(frozen=True)
class Seen:
    """What one track sees, `(y, x)`."""

    backscatter_db: np.ndarray  # of the mean power
    incidence_deg: np.ndarray | None
    count: np.ndarray  # of acquisitions with data, not in layover or shadow


def draw_scenes(stack: Path, out: Path) -> None:
    """Draw each track's mean backscatter and incidence angle, and how often every pixel is seen.

    Args:
        stack: backscatter.
        out: PNG to write.
    """
    data = open_dataset(stack, chunks={})
    require(data, ("vv", "track", "mask"), stack)
    tracks = {
        str(track): seen_by(data.isel(time=data["track"].values == track))
        for track in np.unique(data["track"].values)
    }
    resolution = data.odc.geobox.resolution
    save(scenes_figure(tracks, (abs(resolution.y), abs(resolution.x))), out)


def seen_by(data: xr.Dataset) -> Seen:
    """Summarise one track.

    Args:
        data: `vv` [linear power], `mask` [bits] and maybe `incidence` [degree], `(time, y, x)`.
    """
    good = data["vv"].notnull() & ((data["mask"] & int(HIDDEN)) == 0)
    found = xr.Dataset({"mean": data["vv"].mean("time"), "count": good.sum("time")})
    if "incidence" in data:
        found["incidence"] = data["incidence"].mean("time")
    found = found.compute()
    with np.errstate(divide="ignore", invalid="ignore"):
        decibel = 10 * np.log10(found["mean"].values.clip(min=0))
    decibel = np.where(np.isfinite(decibel), decibel, np.nan)
    return Seen(
        decibel, found["incidence"].values if "incidence" in found else None, found["count"].values
    )


def scenes_figure(tracks: dict[str, Seen], resolution_m: tuple[float, float]) -> Any:
    """Draw the maps beside each other.

    Args:
        tracks: what each track sees.
        resolution_m: pixel size in y and x [m].
    """
    angles = {
        track: seen.incidence_deg
        for track, seen in tracks.items()
        if seen.incidence_deg is not None
    }
    total = np.sum([seen.count for seen in tracks.values()], axis=0)
    figure, panels = map_figure(len(tracks) + len(angles) + 1, total.shape, COLUMNS)
    wanted = [
        (
            f"mean VV, track {track}",
            seen.backscatter_db,
            "grey",
            "backscatter of the mean power [dB]",
        )
        for track, seen in tracks.items()
    ]
    wanted += [
        (f"local incidence, track {track}", angle, "viridis", "local incidence angle [degree]")
        for track, angle in angles.items()
    ]
    wanted += [("how often seen", total.astype(float), "cividis", COUNT)]
    for (panel, below), (title, values, colours, label) in zip(panels, wanted, strict=True):
        low, high = _ends([each[1] for each in wanted if each[3] == label])
        image = show_map(
            panel,
            values,
            resolution_m,
            title,
            cmap=missing_grey(colours),
            vmin=0 if label == COUNT else low,
            vmax=high,
        )
        colour_bar(image, below, label)
    return figure


def _ends(maps: list[np.ndarray]) -> tuple[float, float]:
    """Ends of the colours that some maps share, unmoved by a few wild pixels."""
    known = np.concatenate([values[np.isfinite(values)] for values in maps])
    return (
        (float(np.percentile(known, 1)), float(np.percentile(known, 99)))
        if known.size
        else (0.0, 1.0)
    )
