"""Errors by land cover, slope, season and wetness."""

from typing import Any

import numpy as np

from loam.products.drawing import SPLIT_TITLES, new_figure
from loam.products.score_lookup import Scores

KINDS = {
    "land_cover": "land cover",
    "slope": "slope",
    "season": "season",
    "decile": "wetness of the label, tenths of the training labels",
}
HEADLINE = "spatiotemporal"
SEASON_ORDER = ("December to February", "March to May", "June to August", "September to November")
SHORT = dict(zip(SEASON_ORDER, ("Dec–Feb", "Mar–May", "Jun–Aug", "Sep–Nov"), strict=True))  # noqa: RUF001
COMPARED = ("climatology", "boosting", "boosting_antecedent")


def strata_figure(scores: Scores) -> Any:
    """RMSE of each experiment, boosting and climatology in every stratum of the headline split; a row per target."""
    targets = scores.targets()
    counts = [len(strata_of(scores, kind)) for kind in KINDS]
    widths = [max(count, 3) for count in counts]
    figure, axes = new_figure(
        len(targets),
        len(KINDS),
        (13.5, 3.3 * len(targets) + 0.7),
        sharey="row",
        width_ratios=widths,
    )
    models = [*scores.ours(), *(shown for shown in scores.baselines() if shown.model in COMPARED)]
    for line, (target, name) in zip(axes, targets.items(), strict=True):
        for panel, (kind, title) in zip(line, KINDS.items(), strict=True):
            names = strata_of(scores, kind)
            for shown in models:
                values = [
                    scores.value(shown, HEADLINE, target, "rmse", (kind, each)) for each in names
                ]
                style = "o-" if shown.experiment != "baseline" else "s--"
                panel.plot(
                    range(len(names)),
                    values,
                    style,
                    color=shown.colour,
                    label=shown.name,
                    lw=1.4,
                    ms=4.5,
                )
            _label(panel, names, title if target == "label" else "")
        line[0].set_ylabel(f"RMSE against {name} [1]")
        line[0].set_ylim(bottom=0)
    handles, texts = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        texts,
        loc="outside upper center",
        ncols=5,
        fontsize=9,
        title=SPLIT_TITLES[HEADLINE],
    )
    return figure


def strata_of(scores: Scores, kind: str) -> list[str]:
    """Names of the strata of a kind that have samples under the headline split; seasons in their order."""
    table = scores.table
    chosen = table[
        (table["stratum_kind"] == kind) & (table["split"] == HEADLINE) & (table["count"] > 0)
    ]
    names = sorted(chosen["stratum"].unique(), key=_rank)
    return [each for each in SEASON_ORDER if each in names] if kind == "season" else names


def _rank(name: str) -> tuple[bool, float, str]:
    """Classes of slope by their lower limit, all others by name."""
    number = name.removeprefix("from ").rstrip("°").partition("–")[0]  # noqa: RUF001
    return (
        (name.startswith("from "), float(number), name)
        if number.replace(".", "").isdigit()
        else (False, np.inf, name)
    )


def _label(panel: Any, names: list[str], title: str) -> None:
    texts = [SHORT.get(name, name.replace(" ", "\n")) for name in names]
    panel.set_xticks(range(len(names)), texts, fontsize=7.5)
    panel.set_xlim(-0.5, max(len(names), 1) - 0.5)
    panel.set_title(title, fontsize=9)
    panel.grid(axis="y", color="#E6E6E6", lw=0.6)
    if not names:
        panel.text(0.5, 0.5, "no samples", ha="center", color="#777777", transform=panel.transAxes)
