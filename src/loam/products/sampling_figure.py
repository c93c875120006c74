"""Picture of what the second pass of sampling does to the labels that train."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loam.core.flags import frames, usable_labels
from loam.core.raster import open_dataset, require
from loam.products.drawing import COLOURS, LABEL_COLOUR, new_figure, save

BINS = np.linspace(0, 1, 41)
WAYS = ("pass 1 alone", "both passes", "both, weighted")


def draw_sampling(patches: Path, ssm: Path, out: Path, size_px: float, high_ssm: float) -> None:
    """Draw the distribution of the training labels: of pass 1, of both passes, and of both with their weights.

    Args:
        patches: index of patches, of `sample_patches`.
        ssm: labels.
        out: PNG to write.
        size_px: edge of a patch [pixel].
        high_ssm: SSM above which a pixel counts as wet [1].
    """
    labels = open_dataset(ssm)
    require(labels, ("ssm", "flags"), ssm)
    index = pd.read_parquet(patches)
    save(
        sampling_figure(
            label_histograms(labels, index[index["split"] == "train"], int(size_px)), high_ssm
        ),
        out,
    )


def label_histograms(labels: Any, index: pd.DataFrame, size: int) -> np.ndarray:
    """Density of the labels of training patches, `(way, bin)`, in the order of `WAYS`.

    Args:
        labels: `ssm` and `flags` `(time, y, x)`.
        index: rows of `patches.parquet` that train.
        size: edge of a patch [pixel].
    """
    counts = np.zeros((len(WAYS), BINS.size - 1))
    by_date = dict(list(index.groupby("date")))
    for time, frame in zip(
        pd.DatetimeIndex(labels["time"].values), frames(labels, ("ssm", "flags")), strict=True
    ):
        if time not in by_date:
            continue
        ssm = usable_labels(frame["ssm"].values, frame["flags"].values)
        for patch in by_date[time].to_dict("records"):
            row, column = patch["row"], patch["column"]
            here, _ = np.histogram(ssm[row : row + size, column : column + size], BINS)
            counts += np.array([patch["pass"] == 1, 1, patch["weight"]])[:, None] * here
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9) * (BINS.size - 1)


def sampling_figure(densities: np.ndarray, high_ssm: float) -> Any:
    """Draw the densities `(way, bin)` over each other, with the mark above which a pixel counts as wet [1]."""
    figure, ((axes,),) = new_figure(1, 1, (6.4, 3.6))
    styles = ((LABEL_COLOUR, "-", 2.2), (COLOURS[1], "-", 1.6), (COLOURS[0], "--", 1.6))
    for name, density, (colour, line, width) in zip(WAYS, densities, styles, strict=True):
        axes.stairs(density, BINS, color=colour, linestyle=line, linewidth=width, label=name)
    axes.axvline(high_ssm, color="#999999", linewidth=1, linestyle=":")
    axes.text(high_ssm + 0.01, axes.get_ylim()[1], "wet", color="#666666", va="top")
    axes.set(
        xlim=(-0.01, 1.01),
        ylim=(0, None),
        xlabel="label: relative soil moisture [1]",
        ylabel="density [1]",
    )
    axes.set_title("Labels of the training patches")
    axes.legend()
    return figure
