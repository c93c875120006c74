"""How often the predicted intervals hold, and how wide they are."""

from typing import Any

from loam.core.ensemble import LEVELS
from loam.core.splits import TESTS
from loam.products.drawing import SPLIT_TITLES, new_figure
from loam.products.score_lookup import Scores

KINDS = {"": ("o:", "as predicted"), "_calibrated": ("s-", "calibrated")}


def interval_figure(scores: Scores) -> Any:
    """Coverage of labels, and of the truth where it is known, against the nominal level; below, the intervals' mean width."""
    targets = scores.targets()
    figure, axes = new_figure(
        len(targets) + 1,
        len(TESTS),
        (12, 2.7 * (len(targets) + 1) + 0.9),
        sharex=True,
        sharey="row",
    )
    for line, (target, name) in zip(axes, targets.items(), strict=False):
        for panel, split in zip(line, TESTS, strict=True):
            panel.plot([60, 100], [60, 100], color="#999999", lw=1, zorder=0)
            _draw(panel, scores, split, target, "coverage", 100)
        line[0].set_ylabel(f"{name} inside [%]")
        line[0].set_ylim(30, 102)
    for panel, split in zip(axes[-1], TESTS, strict=True):
        _draw(panel, scores, split, "label", "width", 1)
        panel.set_xlabel("nominal level [%]")
        panel.set_xticks(LEVELS)
    axes[-1, 0].set_ylabel("mean width [1]")
    axes[-1, 0].set_ylim(bottom=0)
    for panel, split in zip(axes[0], TESTS, strict=True):
        panel.set_title(SPLIT_TITLES[split].replace(" (", "\n("))
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, fontsize=9)
    return figure


def _draw(panel: Any, scores: Scores, split: str, target: str, quantity: str, scale: float) -> None:
    for shown in scores.ours():
        for suffix, (style, text) in KINDS.items():
            values = [
                scale * scores.value(shown, split, target, f"{quantity}{level}{suffix}")
                for level in LEVELS
            ]
            panel.plot(
                LEVELS,
                values,
                style,
                color=shown.colour,
                lw=1.4,
                ms=4.5,
                label=f"{shown.name}, {text}",
            )
    panel.set_xlim(64, 99)
    panel.grid(color="#E6E6E6", lw=0.6)
