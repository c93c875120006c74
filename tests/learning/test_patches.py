"""Patches: where they lie, what they are of, and that no part leaks into another."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers import days

from loam.config import Patches, Splits
from loam.errors import LoamError
from loam.flags import Flag
from loam.learning.patches import COLUMNS, build_index, check_disjoint, window_share
from loam.learning.splits import build_splits

SHAPE = (48, 64)
SPLITS = Splits(
    train_share=0.55, validate_share=0.1, calibrate_share=0.05, test_share=0.3, gap_days=10, block_px=16,
    test_block_share=0.25, random_share=0.15, seed=3,
)  # fmt: skip
PATCHES = Patches(size_px=8, stride_px=8, wet_stride_px=4, high_ssm=0.7, min_high_share=0.3, min_valid_share=0.5, max_patches=10**6, seed=5)


@pytest.fixture(scope="module")
def labels() -> xr.Dataset:
    """Smooth moisture, wet on every fifth date, a quarter of the pixels flagged water."""
    times = days("2022-01-01", 60, 6)
    rng = np.random.default_rng(0)
    ssm = np.clip(0.4 + 0.45 * (np.arange(60) % 5 == 0)[:, None, None] + 0.1 * rng.normal(size=(60, *SHAPE)), 0, 1).astype(np.float32)
    flags = np.zeros(ssm.shape, np.int32)
    flags[:, :24, :32] = int(Flag.WATER)
    dims = ("time", "y", "x")
    return xr.Dataset({"ssm": (dims, ssm), "flags": (dims, flags)}, coords={"time": times})


@pytest.fixture(scope="module")
def splits(labels: xr.Dataset) -> dict:
    return build_splits(labels["time"].values, SHAPE, SPLITS)


@pytest.fixture(scope="module")
def index(labels: xr.Dataset, splits: dict) -> pd.DataFrame:
    return build_index(labels, splits, PATCHES)


def test_the_index_has_its_columns_and_no_patch_twice(index: pd.DataFrame) -> None:
    assert list(index.columns) == COLUMNS
    assert not index.duplicated(["date", "row", "column"]).any()
    assert set(index["split"]) >= {"train", "validate", "random", "time", "space", "both"}


def test_patches_have_enough_labels(index: pd.DataFrame, labels: xr.Dataset) -> None:
    for patch in index.sample(200, random_state=0).itertuples():
        here = labels.sel(time=patch.date)
        window = (slice(patch.row, patch.row + 8), slice(patch.column, patch.column + 8))
        assert (here["flags"].values[window] == 0).mean() >= PATCHES.min_valid_share


def test_pass_two_is_wet_and_only_trains(index: pd.DataFrame, labels: xr.Dataset) -> None:
    second = index[index["pass"] == 2]
    assert len(second) > 50
    assert set(second["split"]) == {"train"}
    for patch in second.sample(100, random_state=0).itertuples():
        ssm = labels["ssm"].sel(time=patch.date).values[patch.row : patch.row + 8, patch.column : patch.column + 8]
        usable = labels["flags"].sel(time=patch.date).values[patch.row : patch.row + 8, patch.column : patch.column + 8] == 0
        assert (ssm[usable] > 0.7).mean() >= PATCHES.min_high_share


def test_pass_one_sees_the_natural_distribution(index: pd.DataFrame) -> None:
    """Every place of the walk that has labels and lies in one part, on every date of the part."""
    train = index[(index["pass"] == 1) & (index["split"] == "time")]
    per_date = train.groupby("date").size()
    assert per_date.nunique() == 1


def test_weights_restore_the_share_of_wet_patches(index: pd.DataFrame) -> None:
    train = index[index["split"] == "train"]
    wet_dates = set(pd.DatetimeIndex(train[train["pass"] == 2]["date"]))
    wet = train["date"].isin(wet_dates)
    natural = wet[train["pass"] == 1].mean()
    assert wet.mean() > natural + 0.1
    assert train.loc[wet, "weight"].sum() / train["weight"].sum() == pytest.approx(natural, abs=1e-9)


def test_thinning_keeps_tests_whole(labels: xr.Dataset, splits: dict, index: pd.DataFrame) -> None:
    thin = build_index(labels, splits, PATCHES.model_copy(update={"max_patches": 30}))
    counts = thin.groupby(["split", "pass"]).size()
    assert counts[("train", 1)] == counts[("train", 2)] == 30
    assert counts[("both", 1)] == len(index[index["split"] == "both"])


def test_no_patch_covers_another_part(index: pd.DataFrame, splits: dict) -> None:
    check_disjoint(index, splits, 8, SHAPE)


def test_a_planted_leak_is_found_and_named(index: pd.DataFrame, splits: dict) -> None:
    leaked = index.copy()
    where = leaked.index[leaked["split"] == "both"][0]
    leaked.loc[where, "split"] = "train"
    with pytest.raises(LoamError, match=rf"patch of {leaked.loc[where, 'date']} .* is of split 'train' and covers pixels of \['both'\]"):
        check_disjoint(leaked, splits, 8, SHAPE)


def test_nothing_to_train_on_is_named_with_the_reason(labels: xr.Dataset, splits: dict) -> None:
    dry = labels.assign(flags=xr.full_like(labels["flags"], int(Flag.FROZEN)))
    with pytest.raises(
        LoamError, match=r"no patch of split 'train': .* 8 x 8 pixels with 50% labelled; the commonest flags are frozen 100%"
    ):
        build_index(dry, splits, PATCHES)


def test_an_empty_test_is_a_warning(labels: xr.Dataset, splits: dict, caplog: pytest.LogCaptureFixture) -> None:
    late = set(splits["dates"]["test"])
    gone = np.array([str(time.astype("datetime64[s]")) in late for time in labels["time"].values])
    flags = labels["flags"].where(~xr.DataArray(gone, dims="time"), int(Flag.FROZEN)).astype(np.int32)
    with caplog.at_level(logging.WARNING):
        build_index(labels.assign(flags=flags), splits, PATCHES)
    assert "no patch of split 'time'" in caplog.text


def test_window_shares_are_means() -> None:
    mask = np.random.default_rng(1).random((20, 30)) < 0.4
    rows, columns = np.array([0, 3, 12]), np.array([0, 22, 7])
    expected = [mask[r : r + 8, c : c + 8].mean() for r, c in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(window_share(mask, rows, columns, 8), expected)
