"""Soil moisture of the whole area over time: labels, predictions, truth, and the rain above them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from loam.core.ensemble import by_experiment
from loam.core.flags import usable_labels
from loam.core.raster import open_dataset
from loam.core.splits import Splits
from loam.products.drawing import COLOURS, LABEL_COLOUR, RAIN_COLOUR, TRUTH_COLOUR, new_figure, save

# An acquisition that shows less of the area than this says little about its mean [1].
MIN_SHARE = 0.1


def draw_series(
    predictions: list[Path], ssm: Path, weather: Path, splits: Path, truth: Path | None, out: Path
) -> None:
    """Draw the area's mean soil moisture of labels, ensembles and truth, with daily rain.

    Args:
        predictions: maps of the members of every experiment.
        ssm: labels.
        weather: daily weather on its own grid.
        splits: splits of the run.
        truth: Zarr with the true SSM; None where it is not known.
        out: PNG to write.
    """
    labels = open_dataset(ssm, {})  # in chunks: of whole series only the means are kept
    usable = usable_labels(labels["ssm"], labels["flags"])
    area = usable.notnull().any("time").compute()
    series = {
        name: area_mean([open_dataset(path, {})["ssm"] for path in paths], area)
        for name, paths in by_experiment(predictions).items()
    }
    observed = label_means(usable, area)
    true = None if truth is None else area_mean([open_dataset(truth, {})["ssm"]], area)
    rain = open_dataset(weather)["precipitation"].mean(("y", "x")).to_series()
    save(
        series_figure(series, observed, true, rain, span_of_tests(Splits.read(splits))),
        out,
    )


def area_mean(members: list[xr.DataArray], area: xr.DataArray) -> pd.Series:
    """Mean over the area of the members' mean, by day.

    Args:
        members: soil moisture [1] `(time, y, x)` of each.
        area: which pixels count, bool `(y, x)`.
    """
    means = [data.where(area).mean(("y", "x")).to_series() for data in members]
    return pd.concat(means, axis=1).mean(axis=1)


def label_means(ssm: xr.DataArray, area: xr.DataArray) -> pd.Series:
    """Mean of the usable labels by acquisition; acquisitions that show too little of the area are left out.

    Args:
        ssm: labels [1] `(time, y, x)`, NaN where not usable.
        area: pixels that are usable at some time, bool `(y, x)`.
    """
    seen = ssm.count(("y", "x")) / max(int(area.sum()), 1)
    return ssm.mean(("y", "x")).where(seen >= MIN_SHARE).to_series().dropna()


def span_of_tests(splits: Splits) -> tuple[np.datetime64, np.datetime64] | None:
    """First and last test date of the splits, or None without any."""
    times = splits.times("test")
    return (times.min(), times.max()) if times.size else None


def series_figure(
    predictions: dict[str, pd.Series],
    labels: pd.Series,
    truth: pd.Series | None,
    rain: pd.Series,
    tested: tuple[np.datetime64, np.datetime64] | None,
) -> Any:
    """Draw the series below the rain.

    Args:
        predictions: area mean [1] by experiment.
        labels: area mean of the labels [1].
        truth: true area mean [1], where it is known.
        rain: daily precipitation [mm].
        tested: first and last test date, shaded.
    """
    figure, axes = new_figure(2, 1, (12, 5.6), sharex=True, height_ratios=[1, 3.2])
    top, main = axes[:, 0]
    begin, end = _span(labels, predictions)
    rain = rain[(rain.index >= begin) & (rain.index <= end)]
    top.bar(rain.index, rain.to_numpy(), width=1.0, color=RAIN_COLOUR)
    top.set_ylabel("rain [mm/day]")
    if truth is not None:
        main.plot(
            truth.index, truth.to_numpy(), color=TRUTH_COLOUR, lw=0.9, label="truth", zorder=2
        )
    main.plot(
        labels.index,
        labels.to_numpy(),
        "o",
        color=LABEL_COLOUR,
        ms=3.5,
        mfc="white",
        label="labels (Sentinel-1)",
        zorder=3,
    )
    for place, (name, series) in enumerate(predictions.items()):
        main.plot(
            series.index,
            series.to_numpy(),
            color=COLOURS[place % len(COLOURS)],
            lw=1.3,
            marker=".",
            ms=3,
            label=f"prediction: {name}",
            zorder=4,
        )
    if tested is not None:
        for panel in (top, main):
            panel.axvspan(
                *tested,
                color="#F0E442",
                alpha=0.2,
                lw=0,
                label="test dates" if panel is main else "",
                zorder=0,
            )
    main.set(
        xlim=(begin, end),
        ylim=(0, 1),
        ylabel="mean soil moisture of the area [1]\n0 dry, 1 wet",
        xlabel="date [UTC]",
    )
    figure.legend(
        *main.get_legend_handles_labels(), loc="outside upper center", ncols=6, fontsize=9
    )
    return figure


def _span(
    labels: pd.Series, predictions: dict[str, pd.Series]
) -> tuple[pd.Timestamp, pd.Timestamp]:
    index = pd.DatetimeIndex(
        np.concatenate([one.index.to_numpy() for one in (labels, *predictions.values())])
    )
    return index.min() - pd.Timedelta(days=3), index.max() + pd.Timedelta(days=3)
