"""The pixel-dates that every model is scored on: one table with labels, baselines, probes and predictions side by side."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.config.evaluation import Boosting, Samples
from loam.config.sources import LandCover
from loam.core.ensemble import by_experiment, ensemble
from loam.core.errors import LoamError
from loam.core.features import open_covariates
from loam.core.grid import require_same_grid
from loam.core.raster import atomic_write, open_dataset, require
from loam.core.splits import SPLITS, TESTS, Splits
from loam.evaluation.baselines import climatology, covered, usable_windows
from loam.evaluation.history import History, with_history
from loam.evaluation.labels import Frame, LabelFrames, open_frames, values_at
from loam.evaluation.rivals import days_of, rivals
from loam.evaluation.strata import with_strata

TRAIN = SPLITS.index("train")
COLUMNS = ("time", "row", "column", "split", "track", "label", "label_uncertainty")


def collect_samples(
    predictions: list[Path],
    ssm: Path,
    splits: Path,
    covariates: list[Path],
    landcover: Path | None,
    truth: Path | None,
    out: Path,
    cfg: Samples,
    boosting: Boosting,
    classes: LandCover | None,
    days: int,
    antecedent_days: int,
) -> None:
    """Draw labelled pixel-dates of every test split and write them with what each model says of them, as Parquet.

    Args:
        predictions: maps of the members of every experiment.
        ssm: labels.
        splits: splits of the run.
        covariates: files of `open_covariates`.
        landcover: land cover; None: without.
        truth: Zarr with the true SSM; None where it is not known.
        out: Parquet file to write.
        cfg: section `evaluation.samples`.
        boosting: section `evaluation.boosting`.
        classes: section `sources.landcover`; None without land cover.
        days: longest window of weather that an experiment is shown [day].
        antecedent_days: age of the oldest label that an experiment is shown; 0: none is shown [day].
    """
    labels = open_frames(open_dataset(ssm), Splits.read(splits))
    opened = open_covariates(covariates)
    require_same_grid(opened.file, opened.grid, ssm, labels.data.odc.geobox)
    most = dict.fromkeys(TESTS, cfg.per_split) | {"train": boosting.samples}
    table = draw_samples(
        labels, covered(opened, labels.times, days), most, cfg.seed, antecedent_days
    )
    train, tests = (
        each.reset_index(drop=True)
        for each in (table[table["split"] == "train"], table[table["split"] != "train"])
    )
    if tests.empty:
        msg = f"{ssm}: no test split of {splits} has a usable label inside the weather's days; lengthen the period or ease moisture.change"
        raise LoamError(msg)
    known = train["label"].to_numpy()
    table = tests[[*COLUMNS]].assign(truth=_truth(truth, tests, opened.grid))
    table = with_strata(table, known, opened, landcover, classes, cfg.slope_classes_deg)
    table["wet_threshold"] = np.float32(
        np.quantile(known, cfg.wet_quantile) if known.size else np.nan
    )
    windows = usable_windows(boosting.windows_days, days)
    columns = rivals(opened, train, tests, boosting, windows, cfg.seed)
    said = [predicted(name, paths, tests) for name, paths in by_experiment(predictions).items()]
    with atomic_write(out) as partial:
        pd.concat([table, columns, *said], axis=1).to_parquet(partial, index=False)


def draw_samples(
    labels: LabelFrames,
    allowed: np.ndarray,
    most: dict[str, int],
    seed: int,
    antecedent_days: int = 0,
) -> pd.DataFrame:
    """Draw usable pixel-dates of the wanted splits, with climatology, persistence and what was seen before.

    Args:
        labels: of the run.
        allowed: acquisitions that may be drawn from, bool `(time)`.
        most: largest number of pixel-dates by split; every one has the same chance.
        seed: of the draws; each split has its own stream, so that the draws of one do not depend on another.
        antecedent_days: look back so far for `ANTECEDENT`; 0: not at all [day].

    Returns:
        `COLUMNS`, climatology, persistence, and `ANTECEDENT` where asked for; in order of time.
    """
    counts, mean = survey(labels)
    ordinals = {
        split: draw_ordinals(
            np.where(allowed, counts[:, SPLITS.index(split)], 0),
            number,
            np.random.default_rng([seed, SPLITS.index(split)]),
        )
        for split, number in most.items()
    }
    drawn = [
        pick(frame, split, ordinals[split][index], mean, history)
        for index, (frame, history) in enumerate(with_history(labels, antecedent_days))
        for split in most
        if ordinals[split][index].size
    ]
    return pd.concat(drawn, ignore_index=True) if drawn else pd.DataFrame(columns=[*COLUMNS])


def survey(frames: Iterable[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Count the usable labels of every acquisition and split `(time, split)`, and take the climatology `(y, x)`."""
    counts: list[np.ndarray] = []
    total, number = np.zeros(1), np.zeros(1, dtype=int)
    for frame in frames:
        usable = np.isfinite(frame.label)
        counts.append(np.bincount(frame.split[usable], minlength=len(SPLITS)))
        training = usable & (frame.split == TRAIN)
        total = total + np.where(training, frame.label, 0.0)
        number = number + training
    return np.array(counts), climatology(total, number)


def draw_ordinals(
    counts: np.ndarray, most: int, generator: np.random.Generator
) -> list[np.ndarray]:
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
    return [
        chosen[begin:end] - start
        for begin, end, start in zip(edges[:-1], edges[1:], starts, strict=True)
    ]


def pick(
    frame: Frame, split: str, ordinals: np.ndarray, mean: np.ndarray, history: History
) -> pd.DataFrame:
    """Rows of the table for some usable pixels of one acquisition.

    Args:
        frame: the acquisition.
        split: split that the pixels belong to.
        ordinals: which of its usable pixels, in reading order `(n)`.
        mean: climatology `(y, x)`.
        history: what was seen before the day. Persistence is its last label, or climatology where there was none.
    """
    usable = np.isfinite(frame.label) & (frame.split == SPLITS.index(split))
    row, column = (index[ordinals].astype(np.int32) for index in np.nonzero(usable))
    last = history.last[row, column]
    past = (
        history.at(frame.day, row, column, TRAIN if split == "train" else None)
        if history.days
        else {}
    )
    return pd.DataFrame(
        {
            "time": frame.time,
            "row": row,
            "column": column,
            "split": split,
            "track": frame.track,
            "label": frame.label[row, column],
            "label_uncertainty": frame.uncertainty[row, column].astype(np.float32),
            "climatology": mean[row, column],
            "persistence": np.where(np.isfinite(last), last, mean[row, column]),
            **past,
        }
    )


def predicted(experiment: str, paths: list[Path], table: pd.DataFrame) -> pd.DataFrame:
    """Collect what every member of an experiment says of the samples, and their ensemble where there is more than one.

    Raises:
        LoamError: a file holds none of the samples' days.
    """
    members = {path.stem: _predicted_by(path, table) for path in paths}
    if len(members) > 1:
        members["ensemble"] = ensemble(
            *(np.stack(values) for values in zip(*members.values(), strict=True))
        )
    columns: dict[str, np.ndarray] = {}
    for name, (mean, sigma) in members.items():
        columns |= {f"{experiment}/{name}": mean, f"{experiment}/{name}/sigma": sigma}
    return pd.DataFrame(columns)


def _predicted_by(path: Path, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    data = open_dataset(path)
    require(data, ("ssm", "ssm_uncertainty"), path)
    mean, sigma = (_column(data[name], table) for name in ("ssm", "ssm_uncertainty"))
    if not np.isfinite(mean).any():
        msg = f"{path}: predicts none of the samples' days; remove it and run predict again"
        raise LoamError(msg)
    return mean, sigma


def _column(data: xr.DataArray, table: pd.DataFrame) -> np.ndarray:
    return values_at(data, days_of(table), table["row"].to_numpy(), table["column"].to_numpy())


def _truth(path: Path | None, table: pd.DataFrame, grid: GeoBox) -> np.ndarray:
    if path is None:
        return np.full(len(table), np.nan, dtype=np.float32)
    data = open_dataset(path)
    require(data, ("ssm", "time"), path)
    if data.odc.geobox != grid:
        msg = f"{path}: its grid is not that of the run (evaluation.truth); bring the truth on the run's grid, or set the key to null"
        raise LoamError(msg)
    return _column(data["ssm"], table)
