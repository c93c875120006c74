"""The main scores as a small HTML page."""

from html import escape

import numpy as np
import pandas as pd

from loam.parts import TESTS
from loam.products.drawing import SPLIT_TITLES

METRICS = {"r2": "R²", "r": "r", "rmse": "RMSE", "mae": "MAE", "bias": "bias"}
TARGETS = {"all": "Against the labels", "truth": "Against the truth"}
STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 1.5em; }
table { border-collapse: collapse; margin: 0 0 1.6em; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .4em 0; }
th, td { padding: .22em .6em; text-align: right; border-bottom: 1px solid #e3e3e3; white-space: nowrap; }
th { font-weight: 500; background: #f6f6f4; }
th.model, td.model { text-align: left; }
th.split { text-align: center; border-left: 2px solid #fff; }
td.first { border-left: 2px solid #e3e3e3; }
.headline { background: #eef5fb; }
tr.ours td { font-weight: 600; }
p { max-width: 60em; }
"""


def as_html(scores: pd.DataFrame) -> str:
    """Models by splits, with R², r, RMSE, MAE and bias, as an HTML page.

    Args:
        scores: table of `score`.
    """
    known = [stratum for stratum in TARGETS if (scores[scores["stratum"] == stratum]["count"] > 0).any()]
    tables = "\n".join(_table(scores[scores["stratum"] == stratum], TARGETS[stratum]) for stratum in known or ["all"])
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Scores</title><style>{STYLE}</style></head><body>\n'
        f"<h2>Scores</h2>\n{tables}\n"
        "<p>Soil moisture is relative, 0 dry to 1 wet; RMSE, MAE and bias are in the same unit. All models are scored on the same "
        "pixel-dates. The noise ceiling is the highest R² that labels with their noise allow; it does not bound scores against the "
        "truth. The headline is the last split, where neither the date nor the place was trained on.</p>\n</body></html>\n"
    )


def _table(scores: pd.DataFrame, title: str) -> str:
    models = scores[["experiment", "member", "model"]].drop_duplicates().itertuples(index=False)
    lookup = scores.set_index(["experiment", "member", "model", "split", "metric"])["value"]
    counts = {split: int(scores[scores["split"] == split]["count"].max()) for split in TESTS}
    heads = "".join(f'<th class="split{_headline(split)}" colspan="5">{SPLIT_TITLES[split]}<br>n = {counts[split]}</th>' for split in TESTS)
    names = "".join(f'<th class="{_headline(split)}">{name}</th>' for split in TESTS for name in METRICS.values())
    rows = "\n".join(_row(lookup, *model) for model in models)
    head = f'<tr><th class="model" rowspan="2">model</th>{heads}</tr><tr>{names}</tr>'
    return f"<table><caption>{title}</caption><thead>{head}</thead><tbody>\n{rows}\n</tbody></table>"


def _row(lookup: "pd.Series[float]", experiment: str, member: str, model: str) -> str:
    values = [(split, metric, lookup.get((experiment, member, model, split, metric), np.nan)) for split in TESTS for metric in METRICS]
    cells = "".join(
        f'<td class="{"first" if metric == "r2" else ""}{_headline(split)}">{_text(value)}</td>' for split, metric, value in values
    )
    whole = member in {"ensemble", "-"}
    name = _baseline_name(model) if experiment == "baseline" else f"{experiment}, {member if whole else f'member {member}'}"
    return f'<tr class="{"ours" if model == "convlstm" else ""}"><td class="model">{escape(name)}</td>{cells}</tr>'


def _baseline_name(model: str) -> str:
    return "noise ceiling of the labels" if model == "ceiling" else model


def _headline(split: str) -> str:
    return " headline" if split == "both" else ""


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}".replace("-", "−")  # noqa: RUF001  (a true minus sign)
