"""The pixel-dates that every model is scored on: one table with labels, baselines and predictions side by side."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config import Evaluation
from loam.errors import LoamError
from loam.evaluation.baselines import all_features, boost, climatology, covered, with_persistence
from loam.evaluation.labels import Frame, Labels, open_labels, values_at
from loam.features import Covariates, open_covariates
from loam.grid import require_same_grid
from loam.parts import PARTS, TESTS
from loam.raster import open_dataset, require, whole

TRAIN = PARTS.index("train")
COLUMNS = ("time", "row", "column", "split", "track", "label", "label_uncertainty")


def collect_samples(
    predictions: list[Path],
    ssm: Path,
    splits: Path,
    static: Path,
    weather: Path,
    ndvi: Path | None,
    truth: Path | None,
    out: Path,
    cfg: Evaluation,
    days: int,
) -> None:
    """Draw labelled pixel-dates of every test part and write them with what each model says of them, as Parquet."""
    labels = open_labels(open_dataset(ssm), json.loads(splits.read_text()))
    covariates = open_covariates(static, weather, ndvi)
    require_same_grid(static, covariates.grid, ssm, open_dataset(ssm).odc.geobox)
    most = dict.fromkeys(TESTS, cfg.samples_per_split) | {"train": cfg.boosting.samples}
    table = draw_samples(labels, covered(covariates, labels.times, days), most, cfg.seed)
    tests = table[table["split"] != "train"].reset_index(drop=True)
    if tests.empty:
        msg = f"{ssm}: no test part of {splits} has a usable label inside the weather's days; lengthen the period or ease moisture.change"
        raise LoamError(msg)
    tests.insert(len(COLUMNS), "truth", _truth(truth, tests, covariates.grid))
    tests["boosting"] = _boosting(covariates, table, tests, days, cfg)
    tests = pd.concat([tests, *(predicted(name, paths, tests) for name, paths in _experiments(predictions).items())], axis=1)
    with whole(out) as partial:
        tests.to_parquet(partial, index=False)


def draw_samples(labels: Labels, allowed: np.ndarray, most: dict[str, int], seed: int) -> pd.DataFrame:
    """Draw usable pixel-dates of the wanted parts, with climatology and persistence.

    Args:
        labels: labels and parts.
        allowed: acquisitions that may be drawn from, bool `(time)`.
        most: largest number of pixel-dates by part; every one has the same chance.
        seed: of the draws; each part has its own stream, so that the draws of one do not depend on another.

    Returns:
        `COLUMNS`, climatology, persistence; in order of time.
    """
    counts, mean = survey(labels)
    ordinals = {
        part: draw_ordinals(np.where(allowed, counts[:, PARTS.index(part)], 0), number, np.random.default_rng([seed, PARTS.index(part)]))
        for part, number in most.items()
    }
    drawn = [
        pick(frame, part, ordinals[part][index], mean, last)
        for index, (frame, last) in enumerate(with_persistence(labels, mean))
        for part in most
        if ordinals[part][index].size
    ]
    return pd.concat(drawn, ignore_index=True) if drawn else pd.DataFrame(columns=[*COLUMNS, "climatology", "persistence"])


def survey(frames: Iterable[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Count the usable labels of every acquisition and part `(time, part)`, and take the climatology `(y, x)`."""
    counts: list[np.ndarray] = []
    total, number = np.zeros(1), np.zeros(1, dtype=int)
    for frame in frames:
        usable = np.isfinite(frame.label)
        counts.append(np.bincount(frame.part[usable], minlength=len(PARTS)))
        training = usable & (frame.part == TRAIN)
        total = total + np.where(training, frame.label, 0.0)
        number = number + training
    return np.array(counts), climatology(total, number)


def draw_ordinals(counts: np.ndarray, most: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Draw items at random from groups laid end to end; per group the sorted ordinals within it.

    Args:
        counts: items in each group `(group)`.
        most: items to draw; all of them where there are fewer.
        generator: of the draws.
    """
    total = int(counts.sum())
    chosen = np.sort(generator.choice(total, size=min(most, total), replace=False))
    starts = np.cumsum(counts) - counts
    edges = np.searchsorted(chosen, np.append(starts, total))
    return [chosen[begin:end] - start for begin, end, start in zip(edges[:-1], edges[1:], starts, strict=True)]


def pick(frame: Frame, part: str, ordinals: np.ndarray, mean: np.ndarray, last: np.ndarray) -> pd.DataFrame:
    """Rows of the table for some usable pixels of one acquisition.

    Args:
        frame: the acquisition.
        part: part that the pixels belong to.
        ordinals: which of its usable pixels, in reading order `(n)`.
        mean: climatology `(y, x)`.
        last: persistence `(y, x)`.
    """
    usable = np.isfinite(frame.label) & (frame.part == PARTS.index(part))
    row, column = (index[ordinals].astype(np.int32) for index in np.nonzero(usable))
    return pd.DataFrame(
        {
            "time": frame.time,
            "row": row,
            "column": column,
            "split": part,
            "track": frame.track,
            "label": frame.label[row, column],
            "label_uncertainty": frame.uncertainty[row, column].astype(np.float32),
            "climatology": mean[row, column],
            "persistence": last[row, column],
        }
    )


def predicted(experiment: str, paths: list[Path], table: pd.DataFrame) -> pd.DataFrame:
    """Collect what every member of an experiment says of the samples, and their ensemble where there is more than one.

    Raises:
        LoamError: a file holds none of the samples' days.
    """
    members = {path.stem: _predicted_by(path, table) for path in paths}
    if len(members) > 1:
        members["ensemble"] = ensemble(*(np.stack(values) for values in zip(*members.values(), strict=True)))
    columns: dict[str, np.ndarray] = {}
    for name, (mean, sigma) in members.items():
        columns |= {f"{experiment}/{name}": mean, f"{experiment}/{name}/sigma": sigma}
    return pd.DataFrame(columns)


def ensemble(means: np.ndarray, sigmas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of an equal mixture of the members: var = mean(var) + var(means).

    Args:
        means: members' means `(member, …)`.
        sigmas: their standard deviations `(member, …)`.
    """
    return means.mean(axis=0), np.sqrt((sigmas**2).mean(axis=0) + means.var(axis=0))


def _experiments(predictions: list[Path]) -> dict[str, list[Path]]:
    """Files of the members by the name of their experiment, the folder they are in."""
    names = sorted({path.parent.name for path in predictions})
    return {name: sorted((path for path in predictions if path.parent.name == name), key=_member) for name in names}


def _member(path: Path) -> tuple[int, str]:
    return (len(path.stem), path.stem)  # 2 comes before 10


def _predicted_by(path: Path, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    data = open_dataset(path)
    require(data, ("ssm", "ssm_uncertainty"), path)
    mean, sigma = (_column(data[name], table) for name in ("ssm", "ssm_uncertainty"))
    if not np.isfinite(mean).any():
        msg = f"{path}: predicts none of the samples' days; remove it and run predict again"
        raise LoamError(msg)
    return mean, sigma


def _column(data: xr.DataArray, table: pd.DataFrame) -> np.ndarray:
    return values_at(data, _days(table), table["row"].to_numpy(), table["column"].to_numpy())


def _truth(path: Path | None, table: pd.DataFrame, grid: GeoBox) -> np.ndarray:
    if path is None:
        return np.full(len(table), np.nan, dtype=np.float32)
    data = open_dataset(path)
    require(data, ("ssm", "time"), path)
    if data.odc.geobox != grid:
        msg = f"{path}: its grid is not that of the run (evaluation.truth); bring the truth on the run's grid, or set the key to null"
        raise LoamError(msg)
    return _column(data["ssm"], table)


def _days(table: pd.DataFrame) -> np.ndarray:
    return table["time"].to_numpy().astype("datetime64[D]")


def _boosting(covariates: Covariates, table: pd.DataFrame, tests: pd.DataFrame, days: int, cfg: Evaluation) -> np.ndarray:
    train = table[table["split"] == "train"]
    known, wanted = (
        all_features(covariates, _days(part), part["row"].to_numpy(), part["column"].to_numpy(), days) for part in (train, tests)
    )
    return boost(known, train["label"].to_numpy(), wanted, cfg.boosting.iterations, cfg.seed)
