"""Pictures and a table of the scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loam.core.raster import atomic_write
from loam.core.splits import TESTS
from loam.products.drawing import COLOURS, SPLIT_TITLES, new_figure, save
from loam.products.interval_figure import interval_figure
from loam.products.probe_figure import probe_figure
from loam.products.score_lookup import CEILING, Scores, Shown
from loam.products.score_table import as_html
from loam.products.strata_figure import strata_figure

# The bars stop here: far below zero, how far says nothing more.
WORST_R2 = -1.0


def draw_scores(
    samples: Path,
    scores: Path,
    histories: list[Path],
    scatter: Path,
    bars: Path,
    strata: Path,
    intervals: Path,
    probes: Path,
    curves: Path,
    table: Path,
) -> None:
    """Draw predictions against labels, scores of all models, of strata, intervals and probes, learning curves; write a table as HTML.

    Args:
        samples: table of `collect_samples`.
        scores: table of `score`.
        histories: histories of the members' training (CSV).
        scatter: PNG to write: predictions against labels.
        bars: PNG to write: scores of all models.
        strata: PNG to write: scores by stratum.
        intervals: PNG to write: coverage of intervals.
        probes: PNG to write: answers to the probes.
        curves: PNG to write: learning curves.
        table: HTML file to write: table of scores.
    """
    drawn, scored = pd.read_parquet(samples), Scores(pd.read_parquet(scores))
    save(scatter_figure(drawn, scored), scatter)
    save(bar_figure(scored), bars)
    save(strata_figure(scored), strata)
    save(interval_figure(scored), intervals)
    save(probe_figure(scored), probes)
    save(
        curve_figure({f"{path.parent.name}/{path.stem}": pd.read_csv(path) for path in histories}),
        curves,
    )
    with atomic_write(table) as partial:
        partial.write_text(as_html(scored), encoding="utf-8")


def scatter_figure(samples: pd.DataFrame, scores: Scores) -> Any:
    """Density of predictions against labels, and against the truth where it is known; a column per split.

    Args:
        samples: table of `collect_samples`.
        scores: of the same run.
    """
    rows = [(shown, target) for shown in scores.ours() for target in scores.targets()]
    figure, axes = new_figure(
        len(rows),
        len(TESTS),
        (3.1 * len(TESTS) + 0.7, 3.2 * len(rows) + 0.8),
        "compressed",
        sharex=True,
        sharey=True,
    )
    images = []
    for line, (shown, target) in zip(axes, rows, strict=True):
        for panel, split in zip(line, TESTS, strict=True):
            column = f"{shown.experiment}/{shown.member}"
            part = samples[samples["split"] == split][[target, column]].dropna()
            images.append(_density(panel, part[target].to_numpy(), part[column].to_numpy()))
            text = f"R² {_number(scores.value(shown, split, target))}\nn = {len(part)}"
            panel.text(0.04, 0.96, text, transform=panel.transAxes, va="top", fontsize=8.5)
            panel.set_xlabel(f"{target} [1]")
            panel.tick_params(labelbottom=True)
        line[0].set_ylabel(f"{shown.name}: prediction [1]")
    for panel, split in zip(axes[0], TESTS, strict=True):
        panel.set_title(_title(split))
    known = [image for image in images if image is not None]
    if known:
        figure.colorbar(known[0], ax=axes, label="share of the panel's densest cell [1]", aspect=40)
    return figure


def _density(axes: Any, target: np.ndarray, estimate: np.ndarray) -> Any:
    """Two-dimensional histogram with the line of equality; None where there is nothing to draw."""
    from matplotlib.colors import LogNorm

    axes.plot([0, 1], [0, 1], color="#D55E00", lw=1, zorder=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    if target.size == 0:
        axes.text(0.5, 0.4, "no samples", ha="center", color="#777777", transform=axes.transAxes)
        return None
    counts = np.histogram2d(estimate, target, bins=50, range=[[0, 1], [0, 1]])[0]
    shown = np.where(counts > 0, counts / max(counts.max(), 1), np.nan)
    # Labels clipped to 0 or 1 pile up in few cells; on a linear scale they would hide all others.
    scale = LogNorm(vmin=0.001, vmax=1, clip=True)
    return axes.imshow(
        shown,
        origin="lower",
        extent=(0, 1, 0, 1),
        cmap="viridis_r",
        norm=scale,
        interpolation="nearest",
    )


def bar_figure(scores: Scores) -> Any:
    """R² against labels of every model under each split, with the labels' noise ceiling; a second row for the truth."""
    targets = scores.targets()
    figure, axes = new_figure(len(targets), 1, (11.5, 3.3 * len(targets) + 0.7), sharex=True)
    for panel, (target, name) in zip(axes[:, 0], targets.items(), strict=True):
        _bars(panel, scores, [*scores.ours(), *scores.baselines()], target)
        panel.set_ylabel(f"R² against {name} [1]")
        panel.tick_params(labelbottom=True)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, fontsize=9)
    return figure


def _bars(axes: Any, scores: Scores, models: list[Shown], target: str) -> None:
    width = 0.86 / len(models)
    for place, shown in enumerate(models):
        values = np.array([scores.value(shown, split, target) for split in TESTS])
        left = np.arange(len(TESTS)) - 0.43 + (place + 0.5) * width
        axes.bar(
            left, np.maximum(values, WORST_R2), width * 0.92, color=shown.colour, label=shown.name
        )
        for x, value in zip(left, values, strict=True):
            _write_value(axes, x, value)
    if target == "label":
        for index, split in enumerate(TESTS):
            label = "" if index else CEILING.name
            axes.hlines(
                scores.value(CEILING, split),
                index - 0.45,
                index + 0.45,
                color="black",
                lw=1.2,
                ls="--",
                label=label,
            )
    axes.axhline(0, color="black", lw=0.8)
    axes.set_ylim(bottom=max(WORST_R2, axes.get_ylim()[0]) - 0.16, top=1.05)
    axes.set_xticks(range(len(TESTS)), [_title(split) for split in TESTS])
    axes.tick_params(axis="x", length=0)


def _write_value(axes: Any, x: float, value: float) -> None:
    """R² at the end of its bar; outside the bar, so that it reads on every colour."""
    if np.isnan(value):
        axes.text(x, 0.02, "n/a", rotation=90, ha="center", fontsize=8)
    else:
        end = max(value, WORST_R2)
        # Keeps the ceiling's line off the number.
        behind = {
            "facecolor": "white",
            "edgecolor": "none",
            "pad": 0.6,
        }
        axes.text(
            x,
            end + (0.02 if end >= 0 else -0.02),
            _number(value),
            ha="center",
            va="bottom" if end >= 0 else "top",
            fontsize=7.5,
            bbox=behind,
        )


def curve_figure(histories: dict[str, pd.DataFrame]) -> Any:
    """Training and validation loss, and validation RMSE, over epochs.

    Args:
        histories: training history by `experiment/member`.
    """
    figure, axes = new_figure(1, 2, (10.5, 3.8))
    experiments = sorted({name.partition("/")[0] for name in histories})
    for name, history in histories.items():
        experiment = name.partition("/")[0]
        colour = COLOURS[experiments.index(experiment) % len(COLOURS)]
        epoch = history["epoch"] + 1
        label = (
            experiment
            if name == next(one for one in histories if one.startswith(f"{experiment}/"))
            else ""
        )
        axes[0, 0].plot(
            epoch,
            history["train_loss"],
            color=colour,
            lw=1,
            ls=":",
            marker=".",
            ms=3,
            label=label and f"{label}, training",
        )
        axes[0, 0].plot(
            epoch,
            history["validation_loss"],
            color=colour,
            lw=1.5,
            marker=".",
            label=label and f"{label}, validation",
        )
        axes[0, 1].plot(
            epoch, history["validation_rmse"], color=colour, lw=1.5, marker=".", label=label
        )
    for panel, text in zip(axes[0], ("loss [1]", "validation RMSE [1]"), strict=True):
        panel.set(xlabel="epoch", ylabel=text)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend(fontsize=8.5)
    return figure


def _title(split: str) -> str:
    return SPLIT_TITLES[split].replace(" (", "\n(")


def _number(value: float) -> str:
    return (
        "n/a"
        if np.isnan(value)
        else f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")  # noqa: RUF001
    )
