"""A trained model as evaluation asks it."""

from pathlib import Path

import numpy as np
import pandas as pd
from helpers import not_fingerprinted
from learning.task import TRAIN, all_labels, learn

from loam.config.evaluation import Probes
from loam.evaluation.probes import probe_model
from loam.learning.trained import open_model


def test_a_trained_checkpoint_is_asked_on_the_test_patches_of_pass_1(
    site: Path, tmp_path: Path
) -> None:
    learn(site, tmp_path, TRAIN.model_copy(update={"epochs": 1}))
    index = pd.read_parquet(site / "patches.parquet")
    index["split"] = np.where(index["split"] == "validate", "spatiotemporal", index["split"])
    index.loc[index.index[-1], "pass"] = 2
    index.to_parquet(tmp_path / "patches.parquet")
    cfg = Probes(patches_per_split=12, rain_factor=1.5, rain_mm=5, tolerance=1e-3, seed=1)
    files = (
        tmp_path / "0.ckpt",
        all_labels(site / "ssm.zarr", site, tmp_path / "labels"),
        tmp_path / "patches.parquet",
        [site / "static.zarr", site / "weather.zarr"],
    )
    out = tmp_path / "asked.parquet"
    assert not not_fingerprinted(
        "probe-model", lambda: probe_model(*files, out, cfg, 16, "cpu", open_model, 1)
    )
    table = pd.read_parquet(tmp_path / "asked.parquet")
    assert set(table["split"]) == {"spatiotemporal"}
    assert table[table["case"] == "unchanged"]["pixels"].sum() == 12 * 16 * 16
    assert {"precipitation", "weather", "static", "more_rain"} <= set(table["case"])
    rain = table[table["case"] == "more_rain"]
    assert ((rain["not_drier"] >= 0) & (rain["not_drier"] <= rain["pixels"])).all()
    assert not list(tmp_path.glob("tmp*"))  # what it unpacked is gone
