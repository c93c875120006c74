"""Which models a figure shows, under which name and colour, and their scores."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from loam.products.drawing import BASELINE_COLOURS, COLOURS, PROBE_COLOURS

KEYS = ["experiment", "member", "model", "split", "target", "stratum_kind", "stratum", "metric"]
NAMES = {
    "climatology": "climatology of the pixel",
    "antecedent": "antecedent precipitation",
    "boosting": "gradient boosting",
    "boosting_antecedent": "gradient boosting, antecedent labels",
    "date_only": "dates alone",
    "pixel_season": "pixel and season",
    "shuffled_weather": "boosting, weather of other dates",
    "shuffled_space": "boosting, maps of other places",
    "ceiling": "noise ceiling of the labels",
}


class Shown(NamedTuple):
    """One model in a figure."""

    experiment: str
    member: str
    model: str
    colour: str

    @property
    def name(self) -> str:
        """As a reader knows it."""
        return (
            NAMES.get(self.model, self.model)
            if self.experiment in {"baseline", "probe"}
            else self.experiment
        )


class Scores:
    """Values of the table of scores by what they are of."""

    def __init__(self, table: pd.DataFrame) -> None:
        """Index a table of `score`."""
        self.table = table
        self._values = dict(
            zip(table[KEYS].itertuples(index=False, name=None), table["value"], strict=True)
        )

    def value(
        self,
        shown: Shown,
        split: str,
        target: str = "label",
        metric: str = "r2",
        stratum: tuple[str, str] = ("all", "all"),
    ) -> float:
        """One score, NaN where the table does not have it.

        Args:
            shown: experiment, member and model.
            split: of the samples.
            target: what was scored against: label or truth.
            metric: name of the score.
            stratum: kind and name of the stratum.
        """
        return float(self._values.get((*shown[:3], split, target, *stratum, metric), np.nan))

    def targets(self) -> dict[str, str]:
        """Targets that are known, with their names."""
        counted = self.table[(self.table["count"] > 0) & (self.table["stratum_kind"] == "all")]
        return {
            target: name
            for target, name in {"label": "labels", "truth": "truth"}.items()
            if target in set(counted["target"])
        } or {"label": "labels"}

    def ours(self) -> list[Shown]:
        """Each experiment, by its ensemble or its only member."""
        scored = self.table[
            ~self.table["experiment"].isin(["baseline", "probe"])
            & (self.table["stratum_kind"] == "all")
        ]
        members = {
            name: sorted(group["member"].unique()) for name, group in scored.groupby("experiment")
        }
        chosen = {
            str(name): "ensemble" if "ensemble" in found else str(found[0])
            for name, found in members.items()
        }
        return [
            Shown(name, member, name, COLOURS[place % len(COLOURS)])
            for place, (name, member) in enumerate(chosen.items())
        ]

    def baselines(self) -> list[Shown]:
        """Baselines that the table has."""
        return self._group("baseline", BASELINE_COLOURS)

    def probes(self) -> list[Shown]:
        """Leak probes that the table has."""
        return self._group("probe", PROBE_COLOURS)

    def _group(self, experiment: str, colours: dict[str, str]) -> list[Shown]:
        known = set(self.table.loc[self.table["experiment"] == experiment, "model"])
        return [
            Shown(experiment, "-", name, colour)
            for name, colour in colours.items()
            if name in known
        ]


CEILING = Shown("baseline", "-", "ceiling", "black")
