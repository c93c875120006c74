"""Pictures of the labels: how sensitive the radar is, how wet it was on average, how often it can be used."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loam.core.flags import Flag, usable_labels
from loam.core.raster import open_dataset, require
from loam.products.drawing import colour_bar, map_figure, missing_grey, save, show_map, ssm_colours

COLUMNS = 4


def draw_moisture(references: Path, ssm: Path, out: Path) -> None:
    """Draw the sensitivity of every track, the mean of the labels and the share of usable dates.

    Args:
        references: of `fit_references`.
        ssm: labels.
        out: PNG to write.
    """
    # Labels in chunks: only two maps of them are kept.
    fitted, labels = (
        open_dataset(references),
        open_dataset(ssm, {}),
    )
    require(fitted, ("sensitivity",), references)
    require(labels, ("ssm", "flags"), ssm)
    mean, share = label_statistics(labels["ssm"], labels["flags"])
    sensitivity = {
        str(track): fitted["sensitivity"].values[index]
        for index, track in enumerate(fitted["track"].values)
    }
    resolution = labels.odc.geobox.resolution
    save(moisture_figure(sensitivity, mean, share, (abs(resolution.y), abs(resolution.x))), out)


def label_statistics(ssm: xr.DataArray, flags: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the usable labels, and the share of the acquisitions that see a pixel in which it is usable, each `(y, x)`.

    Args:
        ssm: labels [1] `(time, y, x)`.
        flags: bits of `Flag` `(time, y, x)`.
    """
    usable = usable_labels(ssm, flags)
    seen = ((flags & int(Flag.NO_OBSERVATION)) == 0).sum("time")
    statistics = xr.Dataset(
        {"mean": usable.mean("time"), "share": usable.count("time") / seen.where(seen > 0)}
    ).compute()
    return statistics["mean"].values, statistics["share"].values


def moisture_figure(
    sensitivity: dict[str, np.ndarray],
    mean: np.ndarray,
    share: np.ndarray,
    resolution_m: tuple[float, float],
) -> Any:
    """Draw the maps beside each other.

    Args:
        sensitivity: wet minus dry [dB] `(y, x)` by track.
        mean: mean label [1] `(y, x)`.
        share: share of usable acquisitions [1] `(y, x)`.
        resolution_m: pixel size in y and x [m].
    """
    figure, panels = map_figure(len(sensitivity) + 2, (mean.shape[0], mean.shape[1]), COLUMNS)
    most = _high(list(sensitivity.values()))
    for (panel, below), (track, values) in zip(panels, sensitivity.items(), strict=False):
        title = "sensitivity, all tracks" if track == "all" else f"sensitivity, track {track}"
        image = show_map(
            panel, values, resolution_m, title, cmap=missing_grey("viridis"), vmin=0, vmax=most
        )
        colour_bar(image, below, "wet minus dry reference [dB]")
    (panel, below), last = panels[-2:]
    image = show_map(
        panel, mean, resolution_m, "mean of the usable labels", cmap=ssm_colours(), vmin=0, vmax=1
    )
    colour_bar(image, below, "relative soil moisture [1]")
    image = show_map(
        last[0],
        share,
        resolution_m,
        "share of usable acquisitions",
        cmap=missing_grey("cividis"),
        vmin=0,
        vmax=1,
    )
    colour_bar(image, last[1], "share [1]")
    return figure


def _high(maps: list[np.ndarray]) -> float:
    """Upper end of the sensitivity's colours [dB], unmoved by a few wild pixels."""
    known = np.concatenate([values[np.isfinite(values)] for values in maps])
    return float(np.percentile(known, 98)) if known.size else 1.0
