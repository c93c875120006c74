"""Scores of every model, split, target and stratum, in one long table."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from loam.core.ensemble import read_factors
from loam.core.raster import atomic_write
from loam.core.splits import TESTS
from loam.evaluation import metrics
from loam.evaluation.asked import checks, probe_scores
from loam.evaluation.events import event_scores
from loam.evaluation.intervals import interval_scores
from loam.evaluation.rivals import BASELINES, PROBES
from loam.evaluation.strata import STRATA

TARGETS = ("label", "truth")
COLUMNS = (
    "experiment",
    "member",
    "model",
    "split",
    "target",
    "stratum_kind",
    "stratum",
    "metric",
    "value",
    "count",
)
NEEDED = ("climatology", "label", "label_uncertainty", "wet_threshold")
DEVIATIONS = (metrics.r2, metrics.r, metrics.rmse, metrics.mae, metrics.bias, metrics.ubrmse)

Calibrations = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Model:
    """Where a model's predictions are in the table of samples."""

    experiment: str
    member: str
    name: str
    mean: str
    sigma: str | None = None


def score(samples: Path, probes: list[Path], calibrations: list[Path], out: Path) -> None:
    """Score every model on the same samples, and write one row per model, split, target, stratum and metric, as Parquet.

    Args:
        samples: samples of every experiment, of `collect_samples`.
        probes: answers, of `probe_model`.
        calibrations: factors of the experiments, of `calibrate`.
        out: Parquet file to write.
    """
    factors = {path.parent.name: read_factors(path) for path in calibrations}
    asked = {(path.parent.name, path.stem): pd.read_parquet(path) for path in probes}
    table = score_table(pd.read_parquet(samples), factors)
    table = as_table([*table.itertuples(index=False), *probe_scores(asked)])
    with atomic_write(out) as partial:
        as_table([*table.itertuples(index=False), *checks(table)]).to_parquet(partial, index=False)


def as_table(rows: Iterable[tuple[object, ...]]) -> pd.DataFrame:
    """Rows as a table with `COLUMNS`."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": float, "count": int})


def score_table(samples: pd.DataFrame, calibrations: Calibrations) -> pd.DataFrame:
    """Scores of all models, `COLUMNS`.

    Args:
        samples: table of `collect_samples`. A split without samples scores NaN with count 0.
        calibrations: half-width by level of the calibrated intervals, by experiment; they are those of its ensemble, or
            of the only member.
    """
    models = find_models(samples)
    rows: list[tuple[object, ...]] = []
    for split in TESTS:
        part = samples[samples["split"] == split]
        for target in TARGETS:
            shared = common(part, models, target)
            for kind, stratum, chosen in strata(shared):
                place = (split, target, kind, stratum)
                rows.extend(_rows(chosen, models, calibrations, place))
    return as_table(rows)


def find_models(samples: pd.DataFrame) -> list[Model]:
    """Models in a table of samples: columns `experiment/member`, by the experiment's name; then baselines and probes."""
    means = [name for name in samples.columns if name.count("/") == 1]
    ours = [
        Model(experiment, member, experiment, name, f"{name}/sigma")
        for name in means
        for experiment, member in [name.split("/")]
    ]
    others = {"baseline": BASELINES, "probe": PROBES}
    return ours + [
        Model(group, "-", name, name)
        for group, names in others.items()
        for name in names
        if name in samples
    ]


def shown_members(models: Iterable[Model]) -> dict[str, str]:
    """Member that stands for each experiment: its ensemble, or the only one."""
    members: dict[str, list[str]] = {}
    for model in models:
        members.setdefault(model.experiment, []).append(model.member)
    return {
        name: "ensemble" if "ensemble" in found else found[0] for name, found in members.items()
    }


def common(part: pd.DataFrame, models: list[Model], target: str) -> pd.DataFrame:
    """Keep the samples on which the target and all models are known, so that all are scored on the same ones.

    A model that says nothing at all (boosting without training data) does not take the samples from the others.
    """
    speaking = [model.mean for model in models if part[model.mean].notna().any()]
    return part[part[[target, *speaking]].notna().all(axis=1)]


def strata(part: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Kind, name and samples of every stratum; first all of them."""
    yield "all", "all", part
    for kind in STRATA:
        for name, chosen in part.groupby(kind, sort=True):
            yield kind, str(name), chosen


def _rows(
    part: pd.DataFrame,
    models: list[Model],
    calibrations: Calibrations,
    place: tuple[str, str, str, str],
) -> Iterator[tuple[object, ...]]:
    """Rows of all models on one set of samples."""
    shown, target = shown_members(models), place[1]
    values = {name: part[name].to_numpy() for name in (target, *NEEDED)}
    values["times"], values["frame"] = np.unique(part["time"].to_numpy(), return_inverse=True)
    values["pixel"] = np.unique(_pixels(part), return_inverse=True)[1]
    for model in models:
        factors = (
            calibrations.get(model.experiment) if shown[model.experiment] == model.member else None
        )
        for scored in _scores(values, part, model, target, factors):
            yield (model.experiment, model.member, model.name, *place, *scored)
    if target == "label":
        ceiling = metrics.noise_ceiling(values["label"], values["label_uncertainty"])
        yield ("baseline", "-", "ceiling", *place, "r2", ceiling, len(part))


def _pixels(part: pd.DataFrame) -> np.ndarray:
    """One number per pixel of the grid `(n)`."""
    return part["row"].to_numpy().astype(np.int64) << 32 | part["column"].to_numpy()


def _scores(
    values: Mapping[str, np.ndarray],
    part: pd.DataFrame,
    model: Model,
    target: str,
    factors: Mapping[int, float] | None,
) -> Iterator[tuple[str, float, int]]:
    """Name, value and count of every metric of one model on one set of samples."""
    wanted, estimate = values[target], part[model.mean].to_numpy()
    count = int(np.isfinite(estimate).sum())
    if count == 0:
        wanted, estimate = wanted[:0], estimate[:0]
        values = {name: column[:0] for name, column in values.items()}
    for metric in DEVIATIONS:
        yield metric.__name__, metric(wanted, estimate), count
    yield "skill", metrics.skill(wanted, estimate, values["climatology"]), count
    threshold = float(values["wet_threshold"][0]) if count else np.nan
    yield from ((name, value, count) for name, value in event_scores(wanted, estimate, threshold))
    yield from _correlations(values, wanted, estimate, model.name)
    if model.sigma is not None:
        sigma = part[model.sigma].to_numpy()[: len(wanted)]
        yield from (
            (name, value, count)
            for name, value in interval_scores(wanted, estimate, sigma, factors)
        )


def _correlations(
    values: Mapping[str, np.ndarray], wanted: np.ndarray, estimate: np.ndarray, name: str
) -> Iterator[tuple[str, float, int]]:
    """Agreement over dates, over dates without the seasons, and over places; the count is of dates and of pixels."""
    frame, times, pixel = (values[key] for key in ("frame", "times", "pixel"))
    yield "temporal_r", metrics.temporal_r(wanted, estimate, frame), len(times)
    yield "anomaly_r", metrics.anomaly_r(wanted, estimate, frame, times), len(times)
    # The last label and the label share their pixel means by construction; their agreement would say nothing.
    if name != "persistence":
        yield (
            "spatial_r",
            metrics.spatial_r(wanted, estimate, frame, pixel),
            int(pixel.max(initial=-1)) + 1,
        )
