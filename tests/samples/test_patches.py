"""Patches: where they lie, what they are of, and that no part leaks into another."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers import days

from loam.config.samples import Patches, SplitSettings
from loam.core.errors import LoamError
from loam.core.flags import Flag
from loam.core.splits import SPLITS, Splits, splits_of_pixels
from loam.samples.patches import (
    COLUMNS,
    build_index,
    check_disjoint,
    natural_wet_share,
    window_share,
    with_weights,
)
from loam.samples.splits import build_splits

SHAPE = (48, 64)
SETTINGS = SplitSettings(
    train_share=0.55,
    validate_share=0.1,
    calibrate_share=0.05,
    test_share=0.3,
    gap_days=10,
    block_px=16,
    buffer_px=None,
    test_block_share=0.25,
    random_share=0.15,
    seed=3,
)
PATCHES = Patches(
    size_px=8,
    stride_px=8,
    wet_stride_px=4,
    high_ssm=0.7,
    min_high_share=0.3,
    min_valid_share=0.5,
    max_patches=10**6,
    max_wet_patches=10**6,
    prior_correction=1.0,
    seed=5,
)


@pytest.fixture(scope="module")
def labels() -> xr.Dataset:
    """Smooth moisture, wet on every fifth date, a quarter of the pixels flagged water."""
    times = days("2022-01-01", 60, 6)
    rng = np.random.default_rng(0)
    ssm = np.clip(
        0.4 + 0.45 * (np.arange(60) % 5 == 0)[:, None, None] + 0.1 * rng.normal(size=(60, *SHAPE)),
        0,
        1,
    ).astype(np.float32)
    flags = np.zeros(ssm.shape, np.int32)
    flags[:, :24, :32] = int(Flag.WATER)
    dims = ("time", "y", "x")
    return xr.Dataset({"ssm": (dims, ssm), "flags": (dims, flags)}, coords={"time": times})


@pytest.fixture(scope="module")
def splits(labels: xr.Dataset) -> Splits:
    return build_splits(labels["time"].values, SHAPE, SETTINGS, 3)


@pytest.fixture(scope="module")
def index(labels: xr.Dataset, splits: Splits) -> pd.DataFrame:
    return build_index(labels, splits, PATCHES)


def test_the_index_has_its_columns_and_no_patch_twice(index: pd.DataFrame) -> None:
    assert list(index.columns) == COLUMNS
    assert not index.duplicated(["date", "row", "column"]).any()
    assert set(index["split"]) >= {
        "train",
        "validate",
        "random",
        "temporal",
        "spatial",
        "spatiotemporal",
    }


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
        ssm = (
            labels["ssm"]
            .sel(time=patch.date)
            .values[patch.row : patch.row + 8, patch.column : patch.column + 8]
        )
        usable = (
            labels["flags"]
            .sel(time=patch.date)
            .values[patch.row : patch.row + 8, patch.column : patch.column + 8]
            == 0
        )
        assert (ssm[usable] > 0.7).mean() >= PATCHES.min_high_share


def test_pass_one_sees_the_natural_distribution(index: pd.DataFrame) -> None:
    """Every place of the walk that has labels and lies in one part, on every date of the part."""
    train = index[(index["pass"] == 1) & (index["split"] == "temporal")]
    per_date = train.groupby("date").size()
    assert per_date.nunique() == 1


def test_weights_restore_the_share_of_wet_patches(index: pd.DataFrame) -> None:
    train = index[index["split"] == "train"]
    wet = train["date"].isin(set(pd.DatetimeIndex(train[train["pass"] == 2]["date"])))
    natural = wet[train["pass"] == 1].mean()
    assert wet.mean() > natural + 0.1
    assert train.loc[wet, "weight"].sum() / train["weight"].sum() == pytest.approx(
        natural, abs=1e-9
    )
    assert train["weight"].mean() == pytest.approx(1, abs=1e-9)
    assert (index[index["split"] != "train"]["weight"] == 1).all()


def test_weighted_labels_are_distributed_as_nature_is(splits: Splits) -> None:
    """Fields with wet spots of all sizes: weighted, even unevenly thinned passes have the label histogram of all that trains."""
    from scipy.ndimage import gaussian_filter

    times, rng = days("2022-01-01", 60, 6), np.random.default_rng(4)
    fields = np.stack([gaussian_filter(rng.normal(size=SHAPE), 4) for _ in times])
    ssm = np.clip(
        0.5 + 0.2 * fields / fields.std() + 0.1 * rng.normal(size=(60, 1, 1)), 0, 1
    ).astype(np.float32)
    dims = ("time", "y", "x")
    labels = xr.Dataset(
        {"ssm": (dims, ssm), "flags": (dims, np.zeros(ssm.shape, np.int32))}, coords={"time": times}
    )
    cfg = PATCHES.model_copy(update={"max_patches": 500, "max_wet_patches": 200})
    units = splits.of_units(times)
    trains = np.stack(
        [splits_of_pixels(each, 16, SHAPE, 0) == SPLITS.index("train") for each in units]
    )
    natural = np.histogram(ssm[trains], 10, (0, 1))[0] / trains.sum()
    seen = {}
    for weighted in (True, False):
        sums = []
        for seed in range(4 if weighted else 1):
            index = build_index(
                labels,
                splits,
                cfg.model_copy(update={"seed": seed, "prior_correction": float(weighted)}),
            )
            train = index[index["split"] == "train"]
            assert train.groupby("pass").size().tolist() == [500, 200]
            at = np.searchsorted(times, train["date"].to_numpy())
            patches = [
                ssm[t, r : r + 8, c : c + 8]
                for t, r, c in zip(at, train["row"], train["column"], strict=True)
            ]
            sums.append(
                sum(
                    w * np.histogram(p, 10, (0, 1))[0]
                    for w, p in zip(train["weight"], patches, strict=True)
                )
            )
        shares = np.array([each / each.sum() for each in sums])
        seen[weighted] = np.abs(shares.mean(axis=0) - natural).sum()
        if weighted:
            # Every bin within 4 standard errors of the draws, which overlap and so err a little more together.
            assert (
                np.abs(shares.mean(axis=0) - natural) < 4 * shares.std(axis=0) / np.sqrt(4) + 0.004
            ).all()
    assert seen[True] < 0.2 * seen[False]


def test_without_correction_all_patches_weigh_alike(labels: xr.Dataset, splits: Splits) -> None:
    index = build_index(labels, splits, PATCHES.model_copy(update={"prior_correction": 0.0}))
    assert (index["weight"] == 1).all()


def test_wet_patches_that_pass_one_missed_still_weigh_by_their_density() -> None:
    index = pd.DataFrame(
        {"pass": [1] * 100 + [2] * 8, "split": "train", "high_share": [0.0] * 100 + [1.0] * 8}
    )
    cfg = PATCHES.model_copy(update={"stride_px": 8, "wet_stride_px": 4})
    # Pass 2 looks at four times the places.
    assert natural_wet_share(index, cfg) == pytest.approx(2 / 102)
    weighted = with_weights(index, natural_wet_share(index, cfg), cfg)
    assert weighted["weight"][index["pass"] == 2].sum() / weighted["weight"].sum() == pytest.approx(
        2 / 102
    )


def test_each_pass_has_its_own_cap_and_tests_stay_whole(
    labels: xr.Dataset, splits: Splits, index: pd.DataFrame
) -> None:
    thin = {
        most: build_index(
            labels, splits, PATCHES.model_copy(update={"max_patches": 30, "max_wet_patches": most})
        )
        for most in (10, 20)
    }
    for most, table in thin.items():
        counts = table.groupby(["split", "pass"]).size()
        assert (counts[("train", 1)], counts[("train", 2)]) == (30, most)
        assert counts[("spatiotemporal", 1)] == len(index[index["split"] == "spatiotemporal"])
    firsts = [
        table[(table["split"] == "train") & (table["pass"] == 1)][["date", "row", "column"]]
        for table in thin.values()
    ]
    pd.testing.assert_frame_equal(*(first.reset_index(drop=True) for first in firsts))


@pytest.mark.parametrize(
    ("change", "fewer"),
    [
        ({"stride_px": 16}, 1),
        ({"wet_stride_px": 8}, 2),
        ({"high_ssm": 0.95}, 2),
        ({"min_high_share": 0.9}, 2),
        ({"min_valid_share": 1.0}, 2),
    ],
)
def test_every_setting_thins_its_pass(
    labels: xr.Dataset, splits: Splits, index: pd.DataFrame, change: dict, fewer: int
) -> None:
    other = build_index(labels, splits, PATCHES.model_copy(update=change))
    assert (other["pass"] == fewer).sum() < (index["pass"] == fewer).sum()


def test_the_seed_draws(labels: xr.Dataset, splits: Splits) -> None:
    tables = [
        build_index(labels, splits, PATCHES.model_copy(update={"max_patches": 30, "seed": seed}))
        for seed in (1, 1, 2)
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0][["date", "row", "column"]].equals(tables[2][["date", "row", "column"]])


def test_no_patch_covers_another_part(index: pd.DataFrame, splits: Splits) -> None:
    check_disjoint(index, splits, 8, SHAPE)


def test_a_planted_leak_is_found_and_named(index: pd.DataFrame, splits: Splits) -> None:
    leaked = index.copy()
    where = leaked.index[leaked["split"] == "spatiotemporal"][0]
    leaked.loc[where, "split"] = "train"
    with pytest.raises(
        LoamError,
        match=rf"patch of {leaked.loc[where, 'date']} .* is of split 'train' and covers pixels of \['spatiotemporal'\]",
    ):
        check_disjoint(leaked, splits, 8, SHAPE)


def test_nothing_to_train_on_is_named_with_the_reason(labels: xr.Dataset, splits: Splits) -> None:
    dry = labels.assign(flags=xr.full_like(labels["flags"], int(Flag.FROZEN)))
    with pytest.raises(
        LoamError,
        match=r"no patch of split 'train': .* 8 x 8 pixels with 50% labelled; the commonest flags are frozen 100%",
    ):
        build_index(dry, splits, PATCHES)


def test_an_empty_test_is_a_warning(
    labels: xr.Dataset, splits: Splits, caplog: pytest.LogCaptureFixture
) -> None:
    late = set(splits.dates["test"])
    gone = np.array([str(time.astype("datetime64[s]")) in late for time in labels["time"].values])
    flags = (
        labels["flags"].where(~xr.DataArray(gone, dims="time"), int(Flag.FROZEN)).astype(np.int32)
    )
    with caplog.at_level(logging.WARNING):
        build_index(labels.assign(flags=flags), splits, PATCHES)
    assert "no patch of split 'temporal'" in caplog.text


def test_window_shares_are_means() -> None:
    mask = np.random.default_rng(1).random((20, 30)) < 0.4
    rows, columns = np.array([0, 3, 12]), np.array([0, 22, 7])
    expected = [mask[r : r + 8, c : c + 8].mean() for r, c in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(window_share(mask, rows, columns, 8), expected)
