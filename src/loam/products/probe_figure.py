"""Leak probes, and what the trained models rely on."""

from typing import Any

import numpy as np
import pandas as pd

from loam.core.splits import TESTS
from loam.products.drawing import SPLIT_TITLES, new_figure
from loam.products.score_lookup import Scores, Shown

GROUPS = (
    "precipitation",
    "air",
    "evapotranspiration",
    "weather",
    "terrain",
    "soil",
    "vegetation",
    "antecedent_labels",
    "static",
)
GROUP_NAMES = {
    "air": "temperature, humidity, wind",
    "weather": "all weather",
    "static": "all maps",
    "antecedent_labels": "antecedent labels",
}
HEADLINE = "spatiotemporal"
WORST_R2 = -1.0


def probe_figure(scores: Scores) -> Any:
    """R² of ours beside models that must not do well; fall of R² of the trained models when covariates are exchanged."""
    figure, axes = new_figure(1, 2, (13.5, 4.8), width_ratios=[1.5, 1])
    _draw_probes(axes[0, 0], scores)
    _draw_importance(axes[0, 1], scores)
    return figure


def _draw_probes(axes: Any, scores: Scores) -> None:
    climatology = [shown for shown in scores.baselines() if shown.model == "climatology"]
    models = [*scores.ours(), *climatology, *scores.probes()]
    width = 0.86 / len(models)
    for place, shown in enumerate(models):
        values = np.array([scores.value(shown, split) for split in TESTS])
        left = np.arange(len(TESTS)) - 0.43 + (place + 0.5) * width
        axes.bar(
            left, np.maximum(values, WORST_R2), width * 0.92, color=shown.colour, label=shown.name
        )
        for x, value in zip(left, values, strict=True):
            if np.isfinite(value) and value < WORST_R2:
                axes.text(
                    x,
                    WORST_R2,
                    f"{value:.1f}".replace("-", "−"),  # noqa: RUF001
                    ha="center",
                    va="bottom",
                    fontsize=7,
                )
    axes.axhline(0, color="black", lw=0.8)
    axes.set_ylim(max(WORST_R2, axes.get_ylim()[0]), 1)
    axes.set_xticks(
        range(len(TESTS)), [SPLIT_TITLES[split].replace(" (", "\n(") for split in TESTS]
    )
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("R² against labels [1]")
    axes.legend(fontsize=8, ncols=3, loc="upper center")


def _draw_importance(axes: Any, scores: Scores) -> None:
    shown, falls = scores.ours(), importance(scores.table)
    groups = [group for group in GROUPS if group in falls.index.get_level_values("stratum")]
    height = 0.8 / max(len(shown), 1)
    for place, model in enumerate(shown):
        found = falls.reindex([(model.experiment, group) for group in groups])
        middle, low, high = (found[name].to_numpy() for name in ("mean", "min", "max"))
        errors = np.stack([middle - low, high - middle]) if np.nansum(high - low) > 0 else None
        at = np.arange(len(groups)) - 0.4 + (place + 0.5) * height
        axes.barh(
            at,
            middle,
            height * 0.9,
            xerr=errors,
            color=model.colour,
            label=_text(scores, model),
            error_kw={"lw": 1},
        )
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(groups)), [GROUP_NAMES.get(group, group) for group in groups])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("fall of R² when exchanged, other dates and places [1]")
    if groups:
        axes.legend(fontsize=8)
    else:
        axes.text(0.5, 0.5, "no samples", ha="center", color="#777777", transform=axes.transAxes)


def importance(table: pd.DataFrame) -> pd.DataFrame:
    """Fall of R² under the headline split by experiment and group: mean, smallest and largest over the members."""
    chosen = table[
        (table["stratum_kind"] == "permuted")
        & (table["metric"] == "r2_fall")
        & (table["split"] == HEADLINE)
    ]
    return chosen.groupby(["experiment", "stratum"])["value"].agg(["mean", "min", "max"])


def _text(scores: Scores, model: Shown) -> str:
    """Name of an experiment, and the smallest share of pixels over its members and splits that more rain does not make drier."""
    table = scores.table
    share = table.loc[
        (table["metric"] == "not_drier") & (table["experiment"] == model.experiment), "value"
    ].min()
    return (
        model.name
        if np.isnan(share)
        else f"{model.name}; more rain dries {1 - share:.1%} of pixels"
    )
