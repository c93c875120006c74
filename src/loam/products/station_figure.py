"""Soil moisture at stations: measured in the ground, predicted, and seen by the radar."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loam.products.drawing import COLOURS, LABEL_COLOUR, new_figure, save

SENSOR = ["network", "station", "depth_m"]
MOST_SENSORS = 12


def draw_stations(scores: Path, series: Path, out: Path) -> None:
    """Draw measured and scaled soil moisture of every sensor, with the correlation of each model.

    Args:
        scores: table of `validate_stations`.
        series: its matched series.
        out: PNG to write.
    """
    save(station_figure(pd.read_parquet(scores), pd.read_parquet(series)), out)


def station_figure(scores: pd.DataFrame, series: pd.DataFrame) -> Any:
    """A panel per sensor, the shallowest first.

    Args:
        scores: table of scores of `validate_stations`.
        series: matched series of the same step.
    """
    sensors: list[Any] = list(series.groupby(SENSOR, sort=True))[:MOST_SENSORS]
    figure, axes = new_figure(
        max(len(sensors), 1), 1, (10.5, 2.7 * max(len(sensors), 1) + 0.4), sharex=True
    )
    for panel, (key, part) in zip(axes[:, 0], sensors, strict=False):
        chosen = scores[
            np.logical_and.reduce(
                [scores[name] == value for name, value in zip(SENSOR, key, strict=True)]
            )
        ]
        _draw(panel, part, chosen)
        panel.set_title(f"{key[1]} ({key[0]}), to {key[2] * 100:g} cm", loc="left")
        panel.set_ylabel("moisture [m³/m³]")
    if not sensors:
        axes[0, 0].text(
            0.5,
            0.5,
            "no station lies in the area, or none measured in the period",
            ha="center",
            transform=axes[0, 0].transAxes,
        )
        axes[0, 0].set_axis_off()
    return figure


def _draw(panel: Any, part: pd.DataFrame, scores: pd.DataFrame) -> None:
    measured = part.drop_duplicates("day").sort_values("day")
    panel.plot(measured["day"], measured["measured"], color="black", lw=1.2, label="measured")
    for place, (model, line) in enumerate(part.groupby("model", sort=True)):
        colour = LABEL_COLOUR if model == "label" else COLOURS[place % len(COLOURS)]
        r = scores[
            (scores["model"] == model) & (scores["period"] == "test") & (scores["metric"] == "r")
        ]["value"]
        text = (
            f"{model}, r {r.iloc[0]:.2f} on test dates"
            if len(r) and np.isfinite(r.iloc[0])
            else str(model)
        )
        panel.plot(line["day"], line["scaled"], ".", color=colour, ms=5, label=text)
    panel.legend(fontsize=8, ncols=4, loc="upper left")
    panel.set_ylim(top=panel.get_ylim()[1] * 1.15)
