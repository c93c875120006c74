"""Patches as tensors: bit for bit what lies in the files, and nothing of what must stay unseen."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers import days, odc_coords
from odc.geo.geobox import GeoBox

from loam.core.antecedent_labels import ANTECEDENT, summarise
from loam.core.errors import LoamError
from loam.core.features import WEATHER, open_covariates
from loam.core.flags import Flag, usable_labels
from loam.core.labels import Labels
from loam.core.raster import open_dataset, write_zarr
from loam.core.splits import SPLITS, Splits, splits_of_pixels
from loam.learning.dataset import PatchDataset, channel_statistics
from loam.learning.training import datasets
from loam.samples.unpacked import unpack_labels

SHAPE, BLOCK, SIZE = (32, 48), 16, 8
TIMES = days("2022-01-01T05:00", 24, 6)
DAY = np.timedelta64(1, "D")


def fields(layers: dict[str, np.ndarray], box: GeoBox, times: np.ndarray) -> xr.Dataset:
    data = {
        name: (("time", "y", "x"), values, {"units": "1", "long_name": name})
        for name, values in layers.items()
    }
    return xr.Dataset(data, coords=odc_coords(box) | {"time": times}).odc.assign_crs(box.crs)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 acquisitions of 2 x 3 blocks: two thirds train, one block tests, some units are held out."""
    folder, rng = tmp_path_factory.mktemp("site"), np.random.default_rng(0)
    box = GeoBox.from_bbox(
        (330000, 4290000, 330000 + 20 * SHAPE[1], 4290000 + 20 * SHAPE[0]),
        "EPSG:32618",
        resolution=20,
    )
    shape = (len(TIMES), *SHAPE)
    flags = np.where(rng.random(shape) < 0.2, int(Flag.FROZEN), 0).astype(np.int32)
    labels = {
        "ssm": rng.random(shape).astype(np.float32),
        "ssm_uncertainty": rng.uniform(0.02, 0.2, shape).astype(np.float32),
    }
    write_zarr(
        fields(labels | {"flags": flags}, box, TIMES),
        folder / "ssm.zarr",
        {"time": 5, "y": 10, "x": 20},
    )
    coarse, daily = box.zoom_out(16), days("2021-12-01", 220)
    weather = {name: rng.random((220, *coarse.shape)).astype(np.float32) for name in WEATHER}
    write_zarr(fields(weather, coarse, daily), folder / "weather.zarr")
    static = fields(
        {"static": rng.random((3, *SHAPE)).astype(np.float32)}, box, np.array(["a", "b", "c"])
    ).rename(time="channel")
    write_zarr(static.odc.assign_crs(box.crs), folder / "static.zarr")
    texts = [str(time)[:19] for time in TIMES]
    dates = {
        "train": texts[:16],
        "validate": texts[16:19],
        "calibrate": texts[19:20],
        "test": texts[21:],
        "gap": texts[20:21],
    }
    random = [[texts[3], 0, 1], [texts[5], 1, 0], [texts[6], 1, 0], [texts[9], 0, 1]]
    splits = {
        "dates": dates,
        "blocks": {"px": BLOCK, "shape": [2, 3], "test": [[0, 2]], "buffer_px": 3},
        "random": random,
    }
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


def index_of(split: str, site: Path) -> pd.DataFrame:
    """Patches of a part, side by side, as the sampling would take them."""
    units = Splits.read(site / "splits.json").of_units(TIMES)
    rows = [
        {
            "date": TIMES[t],
            "row": r * BLOCK + dr,
            "column": c * BLOCK + dc,
            "pass": 1,
            "weight": 1 + t / 10,
            "split": split,
        }
        for t, r, c in np.argwhere(units == SPLITS.index(split))
        for dr in (0, 8)
        for dc in (0, 8)
    ]
    return pd.DataFrame(rows)


def dataset(
    site: Path, folder: Path, split: str = "train", antecedent_days: int = 40
) -> PatchDataset:
    unpack_labels(site / "ssm.zarr", site / "splits.json", folder / "training", folder / "all")
    labels = Labels.open(folder / "training")
    covariates = open_covariates([site / "static.zarr", site / "weather.zarr"])
    return PatchDataset(
        index_of(split, site),
        labels,
        covariates,
        size=SIZE,
        days=4,
        form="sequence",
        stride=4,
        antecedent_days=antecedent_days,
    )


def contents(data: PatchDataset) -> list[dict[str, bytes]]:
    return [
        {name: value.numpy().tobytes() for name, value in data[item].items()}
        for item in range(len(data))
    ]


def rewritten(site: Path, folder: Path, where: np.ndarray) -> Path:
    """The site with other labels and flags where a mask `(time, y, x)` says so."""
    data = open_dataset(site / "ssm.zarr").load()
    rng = np.random.default_rng(9)
    for name in ("ssm", "ssm_uncertainty"):
        data[name].values[where] = rng.random(int(where.sum())).astype(np.float32)
    data["flags"].values[where] = 0
    (folder / "changed").mkdir()
    for name in ("static.zarr", "weather.zarr", "splits.json"):
        (folder / "changed" / name).symlink_to(site / name)
    write_zarr(data.odc.assign_crs("EPSG:32618"), folder / "changed/ssm.zarr", {"time": 5})
    return folder / "changed"


def test_the_file_holds_every_usable_label_whatever_the_chunks(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loam.core import labels as module

    monkeypatch.setattr(module, "BLOCK_VALUES", 500)
    unpack_labels(site / "ssm.zarr", site / "splits.json", tmp_path / "seen", tmp_path / "all")
    labels = Labels.open(tmp_path / "all")
    data = open_dataset(site / "ssm.zarr").load()
    for layer, name in enumerate(("ssm", "ssm_uncertainty")):
        np.testing.assert_array_equal(
            labels.values[:, layer], usable_labels(data[name].values, data["flags"].values)
        )
    assert labels.grid == data.odc.geobox
    np.testing.assert_array_equal(labels.times, TIMES)


def test_what_training_sees_holds_no_label_of_a_test_or_of_calibration(
    site: Path, tmp_path: Path
) -> None:
    splits = Splits.read(site / "splits.json")
    unpack_labels(site / "ssm.zarr", site / "splits.json", tmp_path / "seen", tmp_path / "all")
    seen = Labels.open(tmp_path / "seen")
    data = open_dataset(site / "ssm.zarr").load()
    usable = usable_labels(data["ssm"].values, data["flags"].values)
    allowed = [SPLITS.index(split) for split in ("train", "validate")]
    dates = np.isin(splits.of_dates(TIMES), ("train", "validate"))
    np.testing.assert_array_equal(seen.times, TIMES[dates])
    units = splits.of_units(TIMES)[dates]
    mine = np.isin(units.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2), allowed)
    mine = mine[:, : usable.shape[1], : usable.shape[2]]
    assert 0 < mine.mean() < 1
    np.testing.assert_array_equal(seen.values[:, 0], np.where(mine, usable[dates], np.nan))


def test_training_refuses_the_labels_that_are_for_prediction(site: Path, tmp_path: Path) -> None:
    unpack_labels(site / "ssm.zarr", site / "splits.json", tmp_path / "seen", tmp_path / "all")
    index_of("train", site).to_parquet(tmp_path / "patches.parquet")
    covariates = open_covariates([site / "static.zarr", site / "weather.zarr"])
    with pytest.raises(
        LoamError, match=r"all/values.f32: holds labels of a test or of calibration"
    ):
        datasets(Labels.open(tmp_path / "all"), tmp_path / "patches.parquet", covariates, {})


def test_unpacked_labels_that_are_not_whole_are_refused(site: Path, tmp_path: Path) -> None:
    unpack_labels(site / "ssm.zarr", site / "splits.json", tmp_path / "seen", tmp_path / "all")
    values = tmp_path / "all/values.f32"
    values.write_bytes(values.read_bytes()[:-4])
    with pytest.raises(
        LoamError, match=r"values.f32: has \d+ bytes, not \d+; remove .*all and run"
    ):
        Labels.open(tmp_path / "all")
    (tmp_path / "seen/units.npy").unlink()
    with pytest.raises(
        LoamError, match=r"seen: holds no unpacked labels .*; remove it and run again"
    ):
        Labels.open(tmp_path / "seen")


def test_a_sample_has_its_labels_weight_and_names(site: Path, tmp_path: Path) -> None:
    data = dataset(site, tmp_path)
    assert data.static_names == ("a", "b", "c", *ANTECEDENT)
    patch, sample = index_of("train", site).iloc[37], data[37]
    assert sample["weight"].shape == () and float(sample["weight"]) == pytest.approx(
        patch["weight"]
    )
    assert {name: tuple(value.shape) for name, value in sample.items()} == {
        "dynamic": (4, 5, 2, 2),
        "static": (7, 8, 8),
        "ssm": (8, 8),
        "uncertainty": (8, 8),
        "weight": (),
    }
    here = open_dataset(site / "ssm.zarr").sel(time=patch["date"]).load()
    window = (slice(patch["row"], patch["row"] + 8), slice(patch["column"], patch["column"] + 8))
    np.testing.assert_array_equal(
        sample["uncertainty"],
        usable_labels(here["ssm_uncertainty"].values, here["flags"].values)[window],
    )


def test_workers_get_the_file_not_its_content(site: Path, tmp_path: Path) -> None:
    data = dataset(site, tmp_path)
    before = contents(data)
    text = pickle.dumps(data.labels)
    assert len(text) < 4000 < data.labels.file.stat().st_size
    data.labels = pickle.loads(text)
    assert contents(data) == before


def test_antecedent_channels_are_what_a_loop_over_pixels_says(site: Path, tmp_path: Path) -> None:
    data = dataset(site, tmp_path)
    labels = open_dataset(site / "ssm.zarr").load()
    usable = [
        usable_labels(labels[name].values, labels["flags"].values)
        for name in ("ssm", "ssm_uncertainty")
    ]
    splits = Splits.read(site / "splits.json")
    parts = np.stack([splits_of_pixels(each, BLOCK, SHAPE, 3) for each in splits.of_units(TIMES)])
    for item in (0, 50, 90, len(data) - 1):
        patch, static = index_of("train", site).iloc[item], data[item]["static"].numpy()[3:]
        for row, column in ((0, 0), (3, 5), (7, 7)):
            y, x, last, age, values, errors = (
                patch["row"] + row,
                patch["column"] + column,
                np.nan,
                40.0,
                [],
                [],
            )
            for t, time in enumerate(TIMES):
                gone = (
                    patch["date"].to_datetime64().astype("datetime64[D]")
                    - time.astype("datetime64[D]")
                ) / DAY
                if (
                    0 < gone <= 40
                    and parts[t, y, x] == SPLITS.index("train")
                    and np.isfinite(usable[0][t, y, x])
                ):
                    last, age = usable[0][t, y, x], gone
                    values.append(usable[0][t, y, x])
                    errors.append(usable[1][t, y, x])
            mean = np.average(values, weights=1 / np.square(errors)) if values else np.nan
            np.testing.assert_allclose(
                static[:, row, column], [last, age, mean, len(values)], rtol=1e-5
            )


def test_without_labels_the_age_is_the_longest_and_the_count_none() -> None:
    block = np.zeros(1, dtype=np.int64)
    for labels in (np.full((2, 2, 1, 1), np.nan), np.ones((2, 2, 1, 1)), np.ones((0, 2, 1, 1))):
        out, ages = (
            np.zeros((4, 1, 1), dtype=np.float32),
            np.array([9, 3], dtype=np.float32)[: len(labels)],
        )
        summarise(
            labels.astype(np.float32),
            ages,
            np.zeros((len(labels), 1, 1), dtype=bool),
            block,
            block,
            40.0,
            out,
        )
        np.testing.assert_array_equal(out.ravel(), [np.nan, 40, np.nan, 0])


def test_no_test_label_reaches_a_training_sample(site: Path, tmp_path: Path) -> None:
    """Other labels wherever a pixel-date does not train: not one bit of a training sample changes."""
    before = contents(dataset(site, tmp_path))
    splits = Splits.read(site / "splits.json")
    parts = np.stack([splits_of_pixels(each, BLOCK, SHAPE, 0) for each in splits.of_units(TIMES)])
    changed = rewritten(site, tmp_path, parts != SPLITS.index("train"))
    assert contents(dataset(changed, tmp_path)) == before
    trains = rewritten(site, tmp_path / "changed", parts == SPLITS.index("train"))
    assert contents(dataset(trains, tmp_path)) != before  # the comparison can fail


def test_validation_sees_no_test_label_either(site: Path, tmp_path: Path) -> None:
    before = contents(dataset(site, tmp_path, "validate"))
    splits = Splits.read(site / "splits.json")
    parts = np.stack([splits_of_pixels(each, BLOCK, SHAPE, 0) for each in splits.of_units(TIMES)])
    changed = rewritten(
        site, tmp_path, ~np.isin(parts, [SPLITS.index("train"), SPLITS.index("validate")])
    )
    assert contents(dataset(changed, tmp_path, "validate")) == before


def test_no_label_of_the_day_or_after_is_an_input(site: Path, tmp_path: Path) -> None:
    place = 10
    where = np.zeros((len(TIMES), *SHAPE), dtype=bool)
    where[place:] = True
    chosen = np.flatnonzero(index_of("train", site)["date"] <= TIMES[place])
    before = [
        sample for item, sample in enumerate(contents(dataset(site, tmp_path))) if item in chosen
    ]
    after = [
        sample
        for item, sample in enumerate(contents(dataset(rewritten(site, tmp_path, where), tmp_path)))
        if item in chosen
    ]
    for name in ("static", "dynamic"):
        assert [sample[name] for sample in before] == [sample[name] for sample in after]


@pytest.mark.parametrize("split", ["random", "temporal", "spatial", "spatiotemporal"])
def test_a_dataset_of_a_test_is_refused(site: Path, tmp_path: Path, split: str) -> None:
    with pytest.raises(LoamError, match=rf"not of \['{split}'\]"):
        dataset(site, tmp_path, split)


def test_the_normalisation_is_fitted_on_training_alone(site: Path, tmp_path: Path) -> None:
    with pytest.raises(LoamError, match="the normalisation would be fitted on split 'validate'"):
        channel_statistics(dataset(site, tmp_path, "validate"), 0)
    statistics = channel_statistics(dataset(site, tmp_path), 0)
    assert len(statistics["static_mean"]) == 7 and np.isfinite(statistics["static_mean"]).all()
