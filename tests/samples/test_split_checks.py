"""The leak check: what is clean passes, and every planted leak fails the build with its name, through the command line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from helpers import days, odc_coords
from odc.geo.geobox import GeoBox

from loam import config
from loam.config.moisture import Signal
from loam.core.raster import write_zarr
from loam.core.splits import SPLITS, Splits, speckle_reach_px, splits_of_pixels
from loam.runtime.command_line import main
from loam.samples.patches import build_index
from loam.samples.splits import build_splits, reach_of_labels

SHAPE, SIZE = (48, 64), 8
TIMES = days("2022-01-01T05:00", 60, 6)


@pytest.fixture(scope="module")
def sections(cfg: config.Config) -> dict:
    splits = cfg.samples.splits.model_copy(update={"gap_days": 10, "block_px": 16})
    patches = cfg.samples.patches.model_copy(
        update={"size_px": SIZE, "stride_px": 8, "wet_stride_px": 4}
    )
    return {
        "cfg": splits,
        "sampling": patches,
        "signal": cfg.moisture.signal,
        "speckle": cfg.sar.speckle,
    }


@pytest.fixture(scope="module")
def made(sections: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build leaves behind, small and clean."""
    folder, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    box = GeoBox.from_bbox((0, 0, 20 * SHAPE[1], 20 * SHAPE[0]), "EPSG:32618", resolution=20)
    ssm, dims = rng.random((60, *SHAPE)).astype(np.float32), ("time", "y", "x")
    explained = {"units": "1", "long_name": "labels"}
    layers = {
        "ssm": (dims, ssm, explained),
        "flags": (dims, np.zeros(ssm.shape, np.int32), explained),
    }
    labels = xr.Dataset(
        layers, coords=odc_coords(box) | {"time": TIMES, "track": ("time", ["4", "106"] * 30)}
    ).odc.assign_crs(box.crs)
    write_zarr(labels, folder / "ssm.zarr", {"time": 16})
    splits = build_splits(
        TIMES, SHAPE, sections["cfg"], reach_of_labels(20, sections["signal"], sections["speckle"])
    )
    (folder / "splits.json").write_text(splits.as_json())
    build_index(labels, splits, sections["sampling"]).to_parquet(
        folder / "patches.parquet", index=False
    )
    references = (
        labels[["ssm"]]
        .isel(time=0, drop=True)
        .assign_attrs(fitted_dates=list(splits.dates["train"][3:]))
    )
    write_zarr(references.odc.assign_crs(box.crs), folder / "references.zarr")
    return folder


@pytest.fixture
def build(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "build"))


def check(build: Path, sections: dict, **changes: object) -> int:
    names = {
        "stack": "ssm.zarr",
        "splits": "splits.json",
        "references": "references.zarr",
        "ssm": "ssm.zarr",
        "patches": "patches.parquet",
    }
    options = [word for name, file in names.items() for word in (f"--{name}", str(build / file))]
    return main(
        [
            "check-splits",
            *options,
            "--out",
            str(build / "leaks.json"),
            "--params",
            config.as_json(sections | changes),
        ]
    )


def edit(build: Path, change) -> dict:
    splits = json.loads((build / "splits.json").read_text())
    change(splits)
    (build / "splits.json").write_text(json.dumps(splits))
    return splits


def fails(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str], **changes: object
) -> str:
    assert check(build, sections, **changes) == 1
    assert not (build / "leaks.json").exists()
    error = capsys.readouterr().err
    assert error.startswith("loam check-splits: ") and error.count("\n") == 1
    return error


def test_a_clean_build_passes_and_says_what_was_looked_at(build: Path, sections: dict) -> None:
    assert check(build, sections) == 0
    report = json.loads((build / "leaks.json").read_text())
    splits = json.loads((build / "splits.json").read_text())
    assert report["leaks"] == 0 and report["speckle_filter"] == "none"
    assert report["reference_dates"] == len(splits["dates"]["train"]) - 3
    assert sum(report["patches"].values()) == len(pd.read_parquet(build / "patches.parquet"))


def test_a_test_date_put_into_training_is_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = edit(build, lambda splits: splits["dates"]["train"].append(splits["dates"]["test"][4]))
    assert f"{splits['dates']['test'][4]} is a date of 'train' and of 'test'" in fails(
        build, sections, capsys
    )


def test_a_test_date_moved_into_training_is_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = edit(
        build, lambda splits: splits["dates"]["train"].append(splits["dates"]["test"].pop(4))
    )
    assert f"{splits['dates']['train'][-1]} of 'train' is not 10 days before" in fails(
        build, sections, capsys
    )


def test_a_gap_that_is_too_short_is_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    wider = sections["cfg"].model_copy(update={"gap_days": 30})
    assert "of 'train' is not 30 days before" in fails(build, sections, capsys, cfg=wider)


def test_a_patch_of_a_test_date_that_trains_is_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    index = pd.read_parquet(build / "patches.parquet")
    where = index.index[index["split"] == "temporal"][7]
    index.loc[where, "split"] = "train"
    index.to_parquet(build / "patches.parquet", index=False)
    assert f"the patch of {index.loc[where, 'date']} at row" in (
        error := fails(build, sections, capsys)
    )
    assert "is of split 'train', but the date is of 'test'" in error


def test_a_patch_that_covers_a_held_out_block_is_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    index = pd.read_parquet(build / "patches.parquet")
    where = index.index[index["split"] == "spatial"][0]
    index.loc[where, "split"] = "train"
    index.to_parquet(build / "patches.parquet", index=False)
    assert "is of split 'train' and covers pixels of ['spatial']" in fails(build, sections, capsys)


def test_references_that_saw_a_test_date_are_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    group = zarr.open_group(build / "references.zarr", mode="r+")
    late = json.loads((build / "splits.json").read_text())["dates"]["test"][0]
    group.attrs["fitted_dates"] = [*group.attrs["fitted_dates"], late]
    assert f"was fitted on {late}, a date of 'test'" in fails(build, sections, capsys)
    group.attrs["fitted_dates"] = []
    assert "does not say which dates it was fitted on" in fails(build, sections, capsys)


def test_random_units_outside_training_are_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(build, lambda splits: splits["random"].append([splits["dates"]["test"][0], 0, 0]))
    assert "the random unit of" in fails(build, sections, capsys)


def test_a_rim_narrower_than_labels_share_speckle_is_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(build, lambda splits: splits["blocks"].update(buffer_px=2))
    assert "samples.splits.buffer_px = 2: labels 5 pixels apart share speckle" in fails(
        build, sections, capsys
    )


def filtered(build: Path, groups: np.ndarray) -> None:
    """The stack as filter-speckle leaves it."""
    from loam.core.raster import open_dataset

    data = open_dataset(build / "ssm.zarr").load().assign_coords(speckle_group=("time", groups))
    write_zarr(data.odc.assign_crs("EPSG:32618"), build / "ssm.zarr", {"time": 16})


def test_a_speckle_filter_that_mixed_dates_is_named(
    build: Path, sections: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    split = sections["speckle"].model_copy(update={"images": "split"})
    edit(build, lambda splits: splits["blocks"].update(buffer_px=11))
    assert "filters training dates with the random unit of" in fails(
        build, sections, capsys, speckle=split
    )
    edit(build, lambda splits: splits.update(random=[]))
    index = pd.read_parquet(build / "patches.parquet")
    index[index["split"] != "random"].to_parquet(build / "patches.parquet", index=False)
    parts = Splits.read(build / "splits.json").of_dates(TIMES)
    filtered(build, np.char.add("4 ", parts))
    assert check(build, sections, speckle=split) == 0
    (build / "leaks.json").unlink()
    parts[parts == "test"] = "train"
    filtered(build, np.char.add("4 ", parts))
    assert "was filtered with dates of 'test'" in fails(build, sections, capsys, speckle=split)


def test_labels_farther_apart_than_the_reach_share_no_pixel() -> None:
    """Of two windows of pixels, filtered over windows, with speckle cells that cover neighbours: by counting what each reads."""

    def reads(place: int, support: int, window: int, cell: float) -> set[int]:
        half = support // 2 + window // 2
        first, last = place - half, place + half
        # A pixel takes part in the cells that reach into it: those whose edge starts less than a cell away.
        return set(range(int(np.floor(first)) * 100, int((last + cell) * 100)))

    for support, window, cell in (
        (5, 1, 1.25),
        (5, 7, 1.25),
        (1, 1, 0.25),
        (1, 1, 2.0),
        (3, 1, 1.0),
    ):
        reach = speckle_reach_px(support, window, cell)
        assert not reads(0, support, window, cell) & reads(reach + 1, support, window, cell)
        assert reach == 0 or reads(0, support, window, cell) & reads(reach, support, window, cell)


def test_no_scored_pixel_is_within_the_rim_of_a_training_pixel(made: Path) -> None:
    splits = Splits.read(made / "splits.json")
    held = [SPLITS.index("random"), SPLITS.index("spatial")]
    for units in splits.of_units(TIMES)[:20]:
        parts, whole = (splits_of_pixels(units, 16, SHAPE, rim) for rim in (5, 0))
        trains = np.argwhere(parts == SPLITS.index("train"))
        for row, column in np.argwhere(np.isin(whole, held))[::7]:
            near = np.abs(trains - [row, column]).max(axis=1).min() <= 5
            assert parts[row, column] == (0 if near else whole[row, column])
        np.testing.assert_array_equal(parts[~np.isin(whole, held)], whole[~np.isin(whole, held)])


def test_a_signal_of_one_pixel_needs_no_rim(cfg: config.Config) -> None:
    signal: Signal = cfg.moisture.signal
    assert reach_of_labels(20, signal, cfg.sar.speckle) == 5
    assert (
        reach_of_labels(20, signal, cfg.sar.speckle.model_copy(update={"images": "causal"})) == 11
    )
    assert reach_of_labels(100, signal, cfg.sar.speckle) == 0
