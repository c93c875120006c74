"""The main scores as a small HTML page."""

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from loam.core.splits import TESTS
from loam.products.drawing import SPLIT_TITLES
from loam.products.score_lookup import CEILING, Scores, Shown

METRICS = {"r2": "R²", "r": "r", "rmse": "RMSE", "mae": "MAE", "bias": "bias"}
MORE = {
    "ubrmse": "ubRMSE",
    "skill": "skill",
    "temporal_r": "temporal r",
    "anomaly_r": "anomaly r",
    "spatial_r": "spatial r",
    "pod": "POD",
    "far": "FAR",
    "csi": "CSI",
    "pod_ranked": "POD by rank",
    "crps": "CRPS",
    "coverage90": "coverage 90 %",
    "coverage90_calibrated": "calibrated",
}
TITLES = {"label": "Against the labels", "truth": "Against the truth"}
CHECKS = {
    "date_only": "R² over a model of dates alone",
    "shuffled_weather": "R² left with the weather of other dates",
    "more_rain": "pixels that more rain does not make drier",
}
HEADLINE = "spatiotemporal"
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
td.failed { color: #b00020; font-weight: 600; }
p { max-width: 60em; }
"""


def as_html(scores: Scores) -> str:
    """Models by splits with the main metrics; all metrics of the headline; leak probes and what they must show, as an HTML page."""
    targets = [target for target in TITLES if target in scores.targets()]
    models = [*members(scores), *scores.baselines()]
    tables = [
        _table(scores, target, [*models, *([CEILING] if target == "label" else [])], TITLES[target])
        for target in targets
    ]
    tables += [_more(scores, target, models) for target in targets]
    tables += [
        _table(
            scores,
            "label",
            scores.probes(),
            "Leak probes, against the labels: these must not do well",
        ),
        _checks(scores),
    ]
    joined = "\n".join(tables)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Scores</title><style>{STYLE}</style></head><body>\n'
        f"<h2>Scores</h2>\n{joined}\n"
        "<p>Soil moisture is relative, 0 dry to 1 wet; RMSE, MAE, bias, ubRMSE and CRPS are in the same unit. All models are scored on the "
        "same pixel-dates. The noise ceiling is the highest R² that labels with their noise allow; it does not bound scores against the "
        "truth. POD, FAR and CSI are of exceeding a high quantile of the training labels. The headline is the last split, where neither "
        "the date nor the place was trained on.</p>\n</body></html>\n"
    )


def members(scores: Scores) -> list[Shown]:
    """Every member of every experiment, the ensemble last."""
    table = scores.table
    chosen = table[
        ~table["experiment"].isin(["baseline", "probe"]) & (table["stratum_kind"] == "all")
    ]
    found = chosen[["experiment", "member"]].drop_duplicates().itertuples(index=False, name=None)
    return [Shown(experiment, member, experiment, "") for experiment, member in found]


def _table(scores: Scores, target: str, models: list[Shown], title: str) -> str:
    counts = _counts(scores.table, target)
    heads = "".join(
        f'<th class="split{_headline(split)}" colspan="{len(METRICS)}">{SPLIT_TITLES[split]}<br>n = {counts[split]}</th>'
        for split in TESTS
    )
    names = "".join(
        f'<th class="{_headline(split)}">{name}</th>'
        for split in TESTS
        for name in METRICS.values()
    )
    rows = "\n".join(
        _row(
            shown,
            [
                (scores.value(shown, split, target, metric), split, metric)
                for split in TESTS
                for metric in METRICS
            ],
        )
        for shown in models
    )
    head = f'<tr><th class="model" rowspan="2">model</th>{heads}</tr><tr>{names}</tr>'
    return (
        f"<table><caption>{title}</caption><thead>{head}</thead><tbody>\n{rows}\n</tbody></table>"
    )


def _more(scores: Scores, target: str, models: list[Shown]) -> str:
    """All other metrics under the headline split."""
    names = "".join(f"<th>{name}</th>" for name in MORE.values())
    rows = "\n".join(
        _row(
            shown, [(scores.value(shown, HEADLINE, target, metric), "", metric) for metric in MORE]
        )
        for shown in models
    )
    title = f"{TITLES[target]}, {SPLIT_TITLES[HEADLINE]}: more"
    return f'<table><caption>{title}</caption><thead><tr><th class="model">model</th>{names}</tr></thead><tbody>\n{rows}\n</tbody></table>'


def _row(shown: Shown, values: list[tuple[float, str, str]]) -> str:
    cells = "".join(
        f'<td class="{"first" if metric == "r2" else ""}{_headline(split)}">{_text(value)}</td>'
        for value, split, metric in values
    )
    ours = shown.experiment not in {"baseline", "probe"}
    name = (
        f"{shown.name}, {shown.member if shown.member == 'ensemble' else f'member {shown.member}'}"
        if ours
        else shown.name
    )
    return f'<tr class="{"ours" if ours else ""}"><td class="model">{escape(name)}</td>{cells}</tr>'


def _checks(scores: Scores) -> str:
    """What the probes must show, what was measured, and whether it passes."""
    checks = scores.table[scores.table["stratum_kind"] == "check"]
    wide = checks.pivot_table(
        index=["experiment", "member", "stratum"], columns="metric", values="value", sort=False
    )
    rows_of: Any = wide.iterrows()
    rows = "\n".join(
        f'<tr><td class="model">{escape(f"{experiment}, {member}")}</td><td class="model">{CHECKS[name]}</td>'
        f"<td>{_text(values['measured'])}</td><td>{'at most' if name == 'shuffled_weather' else 'at least'} {_text(values['bar'])}</td>"
        f'<td class="{"" if values["passed"] else "failed"}">{"yes" if values["passed"] else "no"}</td></tr>'
        for (experiment, member, name), values in rows_of
    )
    head = '<tr><th class="model">model</th><th class="model">check</th><th>measured</th><th>bar</th><th>passed</th></tr>'
    return f"<table><caption>Checks, {SPLIT_TITLES[HEADLINE]}</caption><thead>{head}</thead><tbody>\n{rows}\n</tbody></table>"


def _counts(table: pd.DataFrame, target: str) -> dict[str, int]:
    chosen = table[(table["target"] == target) & (table["stratum_kind"] == "all")]
    return {
        split: int(np.nan_to_num(chosen.loc[chosen["split"] == split, "count"].max()))
        for split in TESTS
    }


def _headline(split: str) -> str:
    return " headline" if split == HEADLINE else ""


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}".replace("-", "−")  # noqa: RUF001  (a true minus sign)
