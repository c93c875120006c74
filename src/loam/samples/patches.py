"""Two-pass patch sampling: an index of where to look, never copies of pixels."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from loam.config.samples import Patches
from loam.core.errors import LoamError
from loam.core.flags import UNUSABLE, Flag, frames, usable_labels
from loam.core.raster import atomic_write, open_dataset
from loam.core.splits import SPLITS, Splits, splits_of_pixels

NEEDED = ("train", "validate")
FLAGS_DATES = 16  # dates looked at to say which flags are common
COLUMNS = ["date", "row", "column", "pass", "weight", "split"]


def sample_patches(ssm: Path, splits: Path, out: Path, cfg: Patches) -> None:
    """Write the index of patches as `patches.parquet`.

    Args:
        ssm: labels.
        splits: splits of the run.
        out: Parquet file to write.
        cfg: section `samples.patches`.
    """
    labels = open_dataset(ssm)
    content = Splits.read(splits)
    index = build_index(labels, content, cfg)
    check_disjoint(index, content, cfg.size_px, (labels.sizes["y"], labels.sizes["x"]))
    with atomic_write(out) as partial:
        index.to_parquet(partial, index=False)


def build_index(labels: xr.Dataset, splits: Splits, cfg: Patches) -> pd.DataFrame:
    """Both passes over all dates, thinned, with weights.

    Args:
        labels: `ssm` and `flags` `(time, y, x)`.
        splits: of the run.
        cfg: section `samples.patches`.

    Returns:
        Columns `date, row, column, pass, weight, split`; `row` and `column` of the patch's upper left pixel.

    Raises:
        LoamError: no patch is left to train or validate on.
    """
    units = splits.of_units(labels["time"].values)
    found = []
    for position, frame in enumerate(frames(labels, ("ssm", "flags"))):
        ssm = usable_labels(frame["ssm"].values, frame["flags"].values)
        of_pixels = splits_of_pixels(units[position], splits.block_px, ssm.shape, 0)
        found.append(
            _of_date(labels["time"].values[position], ssm, np.isfinite(ssm), of_pixels, cfg)
        )
    index = pd.concat(found, ignore_index=True)
    _require_splits(index, units, cfg, labels["flags"])
    natural = natural_wet_share(index, cfg)
    return with_weights(_thinned(index, cfg), natural, cfg)[COLUMNS]


def _of_date(
    time: np.datetime64, ssm: np.ndarray, usable: np.ndarray, of_pixels: np.ndarray, cfg: Patches
) -> pd.DataFrame:
    """Patches of one date, both passes; pass 2 is for training only, so that tests keep the natural distribution."""
    high = usable & (np.nan_to_num(ssm) > cfg.high_ssm)
    passes = []
    for number, stride in ((1, cfg.stride_px), (2, cfg.wet_stride_px)):
        corners = _corners(ssm.shape, cfg.size_px, stride)
        split, pure = _split_of_patches(of_pixels, *corners, cfg.size_px)
        valid_share = window_share(usable, *corners, cfg.size_px)
        high_share = window_share(high, *corners, cfg.size_px) / np.maximum(valid_share, 1e-9)
        keep = pure & (valid_share >= cfg.min_valid_share) & (split > 0)
        if number == 2:
            keep &= (split == SPLITS.index("train")) & (high_share >= cfg.min_high_share)
        passes.append(
            pd.DataFrame(
                {
                    "date": time,
                    "row": corners[0][keep],
                    "column": corners[1][keep],
                    "pass": number,
                    "split": np.array(SPLITS)[split[keep]],
                    "high_share": high_share[keep],
                }
            )
        )
    first, second = passes
    places = [each["row"].to_numpy() * ssm.shape[1] + each["column"].to_numpy() for each in passes]
    return pd.concat([first, second[~np.isin(places[1], places[0])]], ignore_index=True)


def _corners(shape: tuple[int, ...], size: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Upper left pixels of a walk over the grid, flat."""
    rows, columns = np.meshgrid(
        *(np.arange(0, length - size + 1, stride) for length in shape), indexing="ij"
    )
    return rows.ravel(), columns.ravel()


def window_share(mask: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """Share of true pixels in square windows at the given upper left corners, by a summed-area table.

    Args:
        mask: bool `(y, x)`.
        rows: upper row of each window `(window)`.
        columns: left column of each window `(window)`.
        size: edge of a window [pixel].
    """
    table = np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    total = (
        table[rows + size, columns + size]
        - table[rows, columns + size]
        - table[rows + size, columns]
        + table[rows, columns]
    )
    return total / size**2


def _split_of_patches(
    of_pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Part of each patch's corner, and whether the whole patch is of it."""
    corner = of_pixels[rows, columns]
    pure = np.zeros(corner.shape, dtype=bool)
    for split in np.unique(corner):
        chosen = corner == split
        pure[chosen] = window_share(of_pixels == split, rows[chosen], columns[chosen], size) == 1
    return corner, pure


def _thinned(index: pd.DataFrame, cfg: Patches) -> pd.DataFrame:
    """At most `max_patches` training patches of pass 1 and `max_wet_patches` of pass 2, drawn at random; the other splits whole."""
    train = index["split"] == "train"
    kept = [index[~train]]
    for number, most in ((1, cfg.max_patches), (2, cfg.max_wet_patches)):
        group = index[train & (index["pass"] == number)]
        # A stream of its own for each pass: the cap of one does not change what is drawn of the other.
        drawn = np.random.default_rng([cfg.seed, number]).permutation(len(group))[:most]
        kept.append(group.iloc[np.sort(drawn)])
    return pd.concat(kept).sort_index()


def natural_wet_share(index: pd.DataFrame, cfg: Patches) -> float:
    """Share of wet patches among those of training under natural conditions [1]: that of pass 1 before any is thinned.

    Where pass 1 met none, the density of pass 2's finer walk tells it.
    """
    train = index[index["split"] == "train"]
    first, wet = train["pass"] == 1, train["high_share"] >= cfg.min_high_share
    count, met = int(first.sum()), int((first & wet).sum())
    expected = met or int(wet.sum()) * (cfg.wet_stride_px / cfg.stride_px) ** 2
    return expected / max(count - met + expected, 1)


def with_weights(index: pd.DataFrame, natural: float, cfg: Patches) -> pd.DataFrame:
    """Weights that undo pass 2: the weighted share of wet training patches is the natural one.

    Pass 2 changes how often wet patches are drawn, not what wet ones look like; so one factor for the wet and one for the
    others is the exact ratio of the natural to the sampled density (importance weights for a shifted prior). They are 1 on
    the average of the training split, and 1 in the others, which pass 2 does not touch. A power below 1 undoes less.

    Args:
        index: thinned patches, with `high_share`.
        natural: share of wet patches under natural conditions [1].
        cfg: section `samples.patches`.
    """
    train = (index["split"] == "train").to_numpy()
    wet = train & (index["high_share"] >= cfg.min_high_share).to_numpy()
    drawn = wet.sum() / max(train.sum(), 1)
    ratio = (
        np.where(wet, natural / max(drawn, 1e-9), (1 - natural) / max(1 - drawn, 1e-9))
        ** cfg.prior_correction
    )
    weight = np.where(train, ratio / max(ratio[train].mean() if train.any() else 1.0, 1e-9), 1.0)
    return index.assign(weight=weight)


def commonest_flags(flags: np.ndarray) -> str:
    """The three commonest reasons why pixel-dates carry no label, with their shares, for a message."""
    shares = {
        flag.name.lower(): float(((flags & int(flag)) != 0).mean())
        for flag in Flag
        if flag & UNUSABLE and flag.name
    }
    worst = sorted(shares.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{name} {share:.0%}" for name, share in worst)


def _require_splits(
    index: pd.DataFrame, units: np.ndarray, cfg: Patches, flags: xr.DataArray
) -> None:
    for split in SPLITS[1:]:
        if (index["split"] == split).any():
            continue
        count = int((units == SPLITS.index(split)).sum())
        if not count and split not in NEEDED:
            continue  # the splits have said so
        common = commonest_flags(flags[:: max(1, len(flags) // FLAGS_DATES)].values)
        msg = (
            f"samples.patches: no patch of split '{split}': of its {count} blocks on dates none has "
            f"{cfg.size_px} x {cfg.size_px} pixels with {cfg.min_valid_share:.0%} labelled; "
            f"the commonest flags are {common}: mend what sets them (moisture.change), or lower min_valid_share"
        )
        if split in NEEDED:
            raise LoamError(msg)
        logging.getLogger(__name__).warning(msg)


def check_disjoint(index: pd.DataFrame, splits: Splits, size: int, shape: tuple[int, int]) -> None:
    """Stop when a patch of one split covers a pixel-date of another.

    Every patch is painted onto its date, and every pixel-date compared with where the splits put it.

    Args:
        index: index of patches.
        splits: splits of the run.
        size: edge of a patch [pixel].
        shape: of the grid `(y, x)`.

    Raises:
        LoamError: with the first such patch.
    """
    for date, patches in index.groupby("date"):
        units = splits.of_units(np.array([date], dtype="datetime64[ns]"))[0]
        of_pixels = splits_of_pixels(units, splits.block_px, shape, 0)
        for row, column, split in zip(
            patches["row"], patches["column"], patches["split"], strict=True
        ):
            covered = np.unique(of_pixels[row : row + size, column : column + size])
            if covered.tolist() != [SPLITS.index(split)]:
                other = [SPLITS[each] for each in covered if SPLITS[each] != split]
                msg = (
                    f"samples/patches.parquet: the patch of {date} at row {row}, column {column} is of split "
                    f"'{split}' and covers pixels of {other}; remove patches.parquet and run again"
                )
                raise LoamError(msg)
