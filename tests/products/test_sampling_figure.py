"""The picture of the two passes: its densities are those of the patches' usable labels, and it is drawn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from loam.core.flags import usable_labels
from loam.core.raster import open_dataset
from loam.products.sampling_figure import BINS, draw_sampling, label_histograms

SIZE = 8


@pytest.fixture(scope="module")
def index(folder: Path) -> pd.DataFrame:
    times = open_dataset(folder / "ssm.zarr")["time"].values
    rows = [
        (times[0], 4, 0, 1, 1.5, "train"),
        (times[2], 28, 16, 1, 1.5, "train"),
        (times[2], 30, 40, 2, 0.5, "train"),
    ]
    rows += [(times[3], 28, 0, 1, 1.0, "time")]
    return pd.DataFrame(rows, columns=["date", "row", "column", "pass", "weight", "split"])


def test_densities_are_those_of_the_usable_labels(folder: Path, index: pd.DataFrame) -> None:
    data, train = open_dataset(folder / "ssm.zarr"), index[index["split"] == "train"]
    found = label_histograms(data, train, SIZE)
    np.testing.assert_allclose(found.sum(axis=1) / (BINS.size - 1), 1)
    labels = usable_labels(data["ssm"].values, data["flags"].values)
    patches = [
        labels[t, r : r + SIZE, c : c + SIZE].ravel()
        for t, r, c in ((0, 4, 0), (2, 28, 16), (2, 30, 40))
    ]
    for way, weights in enumerate(([1, 1, 0], [1, 1, 1], [1.5, 1.5, 0.5])):
        weight = np.concatenate(
            [np.full(patch.size, each) for patch, each in zip(patches, weights, strict=True)]
        )
        values = np.concatenate(patches)
        known = np.isfinite(values)
        expected, _ = np.histogram(values[known], BINS, weights=weight[known], density=True)
        np.testing.assert_allclose(found[way], expected)


def test_it_is_drawn(folder: Path, index: pd.DataFrame, tmp_path: Path) -> None:
    index.to_parquet(tmp_path / "patches.parquet", index=False)
    draw_sampling(
        tmp_path / "patches.parquet", folder / "ssm.zarr", tmp_path / "sampling.png", SIZE, 0.7
    )
    with Image.open(tmp_path / "sampling.png") as picture:
        assert min(picture.size) > 300
