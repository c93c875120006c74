"""Step `check-splits`: stop the build when anything of a test has reached training."""

import json
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loam.config.moisture import Signal
from loam.config.samples import Patches, SplitSettings
from loam.config.sar import Speckle
from loam.core.errors import LoamError
from loam.core.raster import atomic_write, open_dataset
from loam.core.splits import Splits
from loam.samples.patches import check_disjoint
from loam.samples.splits import reach_of_labels

ORDER = ("train", "validate", "calibrate", "test")


def check_splits(
    stack: Path,
    splits: Path,
    references: Path,
    ssm: Path,
    patches: Path,
    out: Path,
    cfg: SplitSettings,
    sampling: Patches,
    signal: Signal,
    speckle: Speckle,
) -> None:
    """Compare what was made with the splits it was made for; fail with the first pixel-date that leaked, or write `leaks.json`.

    Args:
        stack: backscatter.
        splits: splits of the run.
        references: of `fit_references`.
        ssm: labels.
        patches: index of patches.
        out: JSON file to write.
        cfg: section `samples.splits`.
        sampling: section `samples.patches`.
        signal: section `moisture.signal`.
        speckle: section `sar.speckle`.
    """
    content, labels, index = (
        Splits.read(splits),
        open_dataset(ssm),
        pd.read_parquet(patches),
    )
    check_division(content, cfg, splits)
    check_buffer(content, reach_of_labels(abs(labels.odc.geobox.resolution.x), signal, speckle))
    fitted = check_references(
        open_dataset(references).attrs.get("fitted_dates"), content, references
    )
    shared = check_speckle_filter(open_dataset(stack), content, speckle, stack)
    check_dates(index, content)
    check_disjoint(index, content, sampling.size_px, (labels.sizes["y"], labels.sizes["x"]))
    counts = {name: int(count) for name, count in index["split"].value_counts().items()}
    report = {
        "leaks": 0,
        "patches": counts,
        "reference_dates": fitted,
        "buffer_px": content.buffer_px,
        "speckle_filter": shared,
    }
    with atomic_write(out) as partial:
        partial.write_text(json.dumps(report, indent=1))


def check_division(splits: Splits, cfg: SplitSettings, path: Path) -> None:
    """Every date in one split, splits in order of time with their gaps, random units of training dates and blocks alone.

    Raises:
        LoamError: with the first date or unit that is not where it should be.
    """
    dates = {split: splits.dates.get(split, ()) for split in (*ORDER, "gap")}
    for one, other in combinations(dates, 2):
        for date in sorted(set(dates[one]) & set(dates[other])):
            msg = f"{path}: {date} is a date of '{one}' and of '{other}'; remove the file and run again"
            raise LoamError(msg)
    filled = [
        (split, np.array(dates[split], dtype="datetime64[s]")) for split in ORDER if dates[split]
    ]
    gap = np.timedelta64(cfg.gap_days, "D")
    for (one, earlier), (other, later) in pairwise(filled):
        least = gap if one == "train" or other == "test" else np.timedelta64(0, "D")
        if later.min() - earlier.max() <= least:
            msg = f"{path}: {earlier.max()} of '{one}' is not {least} before {later.min()} of '{other}'; remove the file and run again"
            raise LoamError(msg)
    tests = set(splits.test_blocks)
    for date, row, column in splits.random_units:
        if date not in dates["train"] or (row, column) in tests:
            msg = f"{path}: the random unit of {date}, block {row}, {column} is not of the training split; remove the file and run again"
            raise LoamError(msg)


def check_buffer(splits: Splits, reach_px: int) -> None:
    """Stop when held-out labels that share speckle with training labels are scored.

    Raises:
        LoamError: the buffer is narrower than labels reach.
    """
    buffer = splits.buffer_px
    if buffer < reach_px:
        msg = f"samples.splits.buffer_px = {buffer}: labels {reach_px} pixels apart share speckle; set it to null, or to {reach_px} or more"
        raise LoamError(msg)


def check_references(fitted: list[str] | None, splits: Splits, path: Path) -> int:
    """Count the dates that the references were fitted on.

    Args:
        fitted: these dates, as the file records them.
        splits: of the run.
        path: of the references, for the message.

    Raises:
        LoamError: one of them is no training date, or none is recorded.
    """
    if not fitted:
        msg = f"{path}: does not say which dates it was fitted on; remove it and run again"
        raise LoamError(msg)
    times = np.array(fitted, dtype="datetime64[s]")
    for date, split in zip(fitted, splits.of_dates(times), strict=True):
        if split != "train":
            msg = f"{path}: was fitted on {date}, a date of '{split}'; remove it and run again"
            raise LoamError(msg)
    return len(fitted)


def check_speckle_filter(stack: Any, splits: Splits, speckle: Speckle, path: Path) -> str:
    """Say what the speckle filter shared between dates.

    Args:
        stack: what labels were made from; a filtered one has `speckle_group` `(time)`.
        splits: of the run.
        speckle: section `sar.speckle`.
        path: of the stack, for the message.

    Raises:
        LoamError: values of a training date were filtered with those of a date, or of a block, that is held out.
    """
    if speckle.images == "none":
        return "none"
    if splits.random_units:
        date, row, column = splits.random_units[0]
        msg = (
            f"sar.speckle.images = '{speckle.images}': filters training dates with the random unit of {date}, block {row}, {column}; "
            "set samples.splits.random_share: 0, or images: none"
        )
        raise LoamError(msg)
    if speckle.images == "causal":
        return "test dates were filtered with training dates before them, training dates with none after them"
    groups, of_dates = (
        stack["speckle_group"].values.astype(str),
        splits.of_dates(stack["time"].values),
    )
    for group in np.unique(groups):
        mixed = np.unique(of_dates[groups == group])
        if mixed.size > 1:
            odd = stack["time"].values[(groups == group) & (of_dates != mixed[0])][0]
            msg = f"{path}: {str(odd)[:19]} of '{mixed[1]}' was filtered with dates of '{mixed[0]}'; remove it and run again"
            raise LoamError(msg)
    return "dates were filtered with dates of their own split"


def check_dates(index: pd.DataFrame, splits: Splits) -> None:
    """Stop when a patch that trains, validates or calibrates is of a date that does not.

    Raises:
        LoamError: with the first such patch.
    """
    expected = {"random": "train", "spatial": "train", "temporal": "test", "spatiotemporal": "test"}
    found = splits.of_dates(index["date"].to_numpy())
    wanted = index["split"].map(lambda split: expected.get(split, split)).to_numpy()
    wrong = np.flatnonzero(found != wanted)
    if wrong.size:
        patch = index.iloc[wrong[0]]
        msg = (
            f"samples/patches.parquet: the patch of {patch['date']} at row {patch['row']}, column {patch['column']} is of split "
            f"'{patch['split']}', but the date is of '{found[wrong[0]]}'; remove patches.parquet and run again"
        )
        raise LoamError(msg)
