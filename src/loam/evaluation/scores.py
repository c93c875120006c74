"""Scores of every model, split and target, in one long table."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from loam.evaluation import metrics
from loam.parts import TESTS
from loam.raster import whole

BASELINES = ("climatology", "persistence", "boosting")
# Stratum of the scores: the column that is the target.
TARGETS = {"all": "label", "truth": "truth"}
COLUMNS = ("experiment", "member", "model", "split", "stratum", "metric", "value", "count")


@dataclass(frozen=True)
class Model:
    """Where a model's predictions are in the table of samples."""

    experiment: str
    member: str
    name: str
    mean: str
    sigma: str | None


def score(samples: Path, out: Path) -> None:
    """Score every model on the same samples and write one row per model, split, stratum and metric, as Parquet."""
    with whole(out) as partial:
        score_table(pd.read_parquet(samples)).to_parquet(partial, index=False)


def score_table(samples: pd.DataFrame) -> pd.DataFrame:
    """Scores of all models, `COLUMNS`.

    Args:
        samples: table of `collect_samples`. A split without samples scores NaN with count 0.
    """
    models = find_models(samples)
    rows: list[tuple[object, ...]] = []
    for split in TESTS:
        for stratum, target in TARGETS.items():
            part = common(samples[samples["split"] == split], models, target)
            for model in models:
                named = (model.experiment, model.member, model.name, split, stratum)
                rows.extend((*named, *scored) for scored in _scores(part, model, target))
        rows.append(("baseline", "-", "ceiling", split, "all", "r2", *_ceiling(samples[samples["split"] == split], models)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": float, "count": int})


def find_models(samples: pd.DataFrame) -> list[Model]:
    """Models in a table of samples: columns `experiment/member`, then the baselines."""
    means = [name for name in samples.columns if name.count("/") == 1]
    ours = [Model(*_owner(name), "convlstm", name, f"{name}/sigma") for name in means]
    return ours + [Model("baseline", "-", name, name, None) for name in BASELINES]


def _owner(column: str) -> tuple[str, str]:
    experiment, member = column.split("/")
    return experiment, member


def common(part: pd.DataFrame, models: list[Model], target: str) -> pd.DataFrame:
    """Keep the samples on which the target and all models are known, so that all are scored on the same ones.

    A model that says nothing at all (boosting without training data) does not take the samples from the others.
    """
    speaking = [model.mean for model in models if part[model.mean].notna().any()]
    return part[part[[target, *speaking]].notna().all(axis=1)]


def _ceiling(part: pd.DataFrame, models: list[Model]) -> tuple[float, int]:
    part = common(part, models, "label")
    return metrics.noise_ceiling(part["label"].to_numpy(), part["label_uncertainty"].to_numpy()), len(part)


def _scores(part: pd.DataFrame, model: Model, target: str) -> Iterator[tuple[str, float, int]]:
    """Name, value and count of every metric of one model on one set of samples."""
    known = part[part[model.mean].notna()]
    wanted, estimate = known[target].to_numpy(), known[model.mean].to_numpy()
    frame = known["time"].to_numpy()
    pixel = known["row"].to_numpy().astype(np.int64) << 32 | known["column"].to_numpy()
    for metric in (metrics.r2, metrics.r, metrics.rmse, metrics.mae, metrics.bias):
        yield metric.__name__, metric(wanted, estimate), len(known)
    yield "skill", metrics.skill(wanted, estimate, known["climatology"].to_numpy()), len(known)
    if model.sigma is not None:
        yield "coverage90", metrics.coverage90(wanted, estimate, known[model.sigma].to_numpy()), len(known)
    yield "temporal_r", metrics.temporal_r(wanted, estimate, frame), len(np.unique(frame))
    # The last label and the label share their pixel means by construction; their agreement would say nothing.
    if model.name != "persistence":
        yield "spatial_r", metrics.spatial_r(wanted, estimate, frame, pixel), len(np.unique(pixel))
