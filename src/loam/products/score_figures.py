"""Pictures and a table of the scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loam.parts import TESTS
from loam.products.drawing import BASELINE_COLOURS, COLOURS, SPLIT_TITLES, new_figure, save
from loam.products.score_table import as_html
from loam.raster import whole

# The bars stop here: far below zero, how far says nothing more.
WORST_R2 = -1.0


def draw_scores(samples: Path, scores: Path, histories: list[Path], scatter: Path, bars: Path, curves: Path, table: Path) -> None:
    """Draw predictions against labels, R² of all models, learning curves; write the main scores as HTML."""
    drawn, scored = pd.read_parquet(samples), pd.read_parquet(scores)
    save(scatter_figure(drawn, scored), scatter)
    save(bar_figure(scored), bars)
    save(curve_figure({f"{path.parent.name}/{path.stem}": pd.read_csv(path) for path in histories}), curves)
    with whole(table) as partial:
        partial.write_text(as_html(scored), encoding="utf-8")


def best_members(scores: pd.DataFrame) -> dict[str, str]:
    """Member that stands for each experiment: its ensemble, or the only one."""
    ours = scores[scores["model"] == "convlstm"]
    members = {name: sorted(group["member"].unique()) for name, group in ours.groupby("experiment")}
    return {str(name): "ensemble" if "ensemble" in found else str(found[0]) for name, found in members.items()}


def scatter_figure(samples: pd.DataFrame, scores: pd.DataFrame) -> Any:
    """Density of predictions against labels, and against the truth where it is known; a column per split.

    Args:
        samples: table of `collect_samples`.
        scores: table of `score`.
    """
    targets = {"label": "label"} | ({"truth": "truth"} if samples["truth"].notna().any() else {})
    rows = [(name, member, target) for name, member in best_members(scores).items() for target in targets]
    figure, axes = new_figure(
        len(rows), len(TESTS), (3.1 * len(TESTS) + 0.7, 3.2 * len(rows) + 0.8), "compressed", sharex=True, sharey=True
    )
    images = []
    for line, (name, member, target) in zip(axes, rows, strict=True):
        for panel, split in zip(line, TESTS, strict=True):
            part = samples[samples["split"] == split][[target, f"{name}/{member}"]].dropna()
            images.append(_density(panel, part[target].to_numpy(), part[f"{name}/{member}"].to_numpy()))
            r2 = _value(scores, name, member, split, "all" if target == "label" else "truth")
            panel.text(0.04, 0.96, f"R² {_number(r2)}\nn = {len(part)}", transform=panel.transAxes, va="top", fontsize=8.5)
            panel.set_xlabel(f"{target} [1]")
            panel.tick_params(labelbottom=True)
        line[0].set_ylabel(f"{name}: prediction [1]")
    for panel, split in zip(axes[0], TESTS, strict=True):
        panel.set_title(_title(split))
    if any(image is not None for image in images):
        figure.colorbar(
            next(image for image in images if image is not None), ax=axes, label="share of the panel's densest cell [1]", aspect=40
        )
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
    return axes.imshow(shown, origin="lower", extent=(0, 1, 0, 1), cmap="viridis_r", norm=scale, interpolation="nearest")


def bar_figure(scores: pd.DataFrame) -> Any:
    """R² against labels of every model under each split, with the labels' noise ceiling; a second row for the truth.

    Args:
        scores: table of `score`.
    """
    known = scores[(scores["stratum"] == "truth") & (scores["count"] > 0)]
    strata = {"all": "labels", **({"truth": "truth"} if len(known) else {})}
    figure, axes = new_figure(len(strata), 1, (10.5, 3.3 * len(strata) + 0.5), sharex=True)
    for panel, (stratum, target) in zip(axes[:, 0], strata.items(), strict=True):
        _bars(panel, scores, stratum)
        panel.set_ylabel(f"R² against {target} [1]")
    if len(strata) == 2:
        axes[0, 0].tick_params(labelbottom=True)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), fontsize=9)
    return figure


def _bars(axes: Any, scores: pd.DataFrame, stratum: str) -> None:
    models = [(name, member, name, COLOURS[place % len(COLOURS)]) for place, (name, member) in enumerate(best_members(scores).items())]
    models += [("baseline", "-", name, colour) for name, colour in BASELINE_COLOURS.items()]
    width = 0.84 / len(models)
    for place, (experiment, member, model, colour) in enumerate(models):
        kind = model if experiment == "baseline" else "convlstm"
        values = np.array([_value(scores, experiment, member, split, stratum, model=kind) for split in TESTS])
        left = np.arange(len(TESTS)) - 0.42 + (place + 0.5) * width
        axes.bar(left, np.maximum(values, WORST_R2), width * 0.92, color=colour, label=model)
        for x, value in zip(left, values, strict=True):
            _write_value(axes, x, value)
    if stratum == "all":
        for index, split in enumerate(TESTS):
            ceiling = _value(scores, "baseline", "-", split, "all", model="ceiling")
            axes.hlines(
                ceiling, index - 0.45, index + 0.45, color="black", lw=1.2, ls="--", label="" if index else "noise ceiling of the labels"
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
        behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # keeps the ceiling's line off the number
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
        label = experiment if name == next(one for one in histories if one.startswith(f"{experiment}/")) else ""
        axes[0, 0].plot(epoch, history["train_loss"], color=colour, lw=1, ls=":", marker=".", ms=3, label=label and f"{label}, training")
        axes[0, 0].plot(epoch, history["validation_loss"], color=colour, lw=1.5, marker=".", label=label and f"{label}, validation")
        axes[0, 1].plot(epoch, history["validation_rmse"], color=colour, lw=1.5, marker=".", label=label)
    for panel, text in zip(axes[0], ("loss [1]", "validation RMSE [1]"), strict=True):
        panel.set(xlabel="epoch", ylabel=text)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.legend(fontsize=8.5)
    return figure


def _title(split: str) -> str:
    return SPLIT_TITLES[split].replace(" (", "\n(")


def _number(value: float) -> str:
    return "n/a" if np.isnan(value) else f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")  # noqa: RUF001  (a true minus sign)


def _value(
    scores: pd.DataFrame, experiment: str, member: str, split: str, stratum: str, model: str = "convlstm", metric: str = "r2"
) -> float:
    """One score, NaN where the table does not have it."""
    wanted = {"experiment": experiment, "member": member, "model": model, "split": split, "stratum": stratum, "metric": metric}
    found = scores[np.logical_and.reduce([scores[key] == value for key, value in wanted.items()])]["value"]
    return float(found.iloc[0]) if len(found) else np.nan
