"""A tiny task whose answer is known: moisture that follows yesterday's rain and the slope of the ground."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from helpers import days
from odc.geo.geobox import GeoBox

from loam.config.learning import Experiment, Network, Train
from loam.core.features import WEATHER
from loam.core.flags import Flag
from loam.core.labels import Labels, unpack
from loam.core.raster import write_zarr
from loam.core.splits import Splits
from loam.learning.training import train
from loam.samples.unpacked import unpack_labels

COUNT, SIZE = 200, 16
TRAIN = Train(
    epochs=8,
    batch_size=16,
    learning_rate=0.01,
    weight_decay=0.0,
    patience=8,
    loss="nll",
    weight_by_uncertainty=True,
    static_noise=0.1,
    monotonicity_penalty=1.0,
    accelerator="cpu",
    precision="32-true",
    devices=1,
    nodes=1,
    strategy="auto",
    workers=0,
    seed=1,
)
CONVLSTM = {"architecture": "convlstm", "hidden_channels": [8], "kernel_size": 3, "stride": 4}
MODEL = Network(architecture="convlstm", arguments=CONVLSTM)
EXPERIMENT = Experiment(architecture="convlstm", form="sequence", days=3, antecedent_labels=False)


def make_site(folder: Path) -> Path:
    """Moisture that follows yesterday's rain and today's slope of the ground, on 32 x 32 pixels; half as fine weather."""
    box = GeoBox.from_bbox((330000, 4290000, 330640, 4290640), "EPSG:32618", resolution=20)
    coarse = box.zoom_out(32)
    rng = np.random.default_rng(0)
    times = days("2022-01-01", COUNT)
    rain = rng.gamma(0.5, 10, COUNT).astype(np.float32)
    weather = {name: np.full(COUNT, 10, np.float32) for name in WEATHER} | {"precipitation": rain}
    slope = rng.random(box.shape).astype(np.float32)
    yesterday = np.concatenate([[0], np.log1p(rain[:-1])]) / 5
    ssm = np.clip(0.1 + yesterday[:, None, None] + 0.3 * slope, 0, 1).astype(np.float32)
    flags = np.zeros(ssm.shape, np.int32)
    flags[:, :4] = int(Flag.WATER)
    write_zarr(
        georeferenced(
            {name: (values[:, None, None], "1") for name, values in weather.items()}, coarse, times
        ),
        folder / "weather.zarr",
    )
    labels = {
        "ssm": (ssm, "1"),
        "ssm_uncertainty": (np.full_like(ssm, 0.1), "1"),
        "flags": (flags, "1"),
    }
    write_zarr(georeferenced(labels, box, times + np.timedelta64(22, "h")), folder / "ssm.zarr")
    static = georeferenced(
        {"static": (np.stack([slope, slope * 0]), "1")}, box, ["slope", "flat"]
    ).rename(time="channel")
    write_zarr(static.odc.assign_crs(box.crs), folder / "static.zarr")
    patches = [
        {
            "date": time,
            "row": row,
            "column": column,
            "pass": 1,
            "weight": 1.0,
            "split": "train" if day < 150 else "validate",
        }
        for day, time in enumerate(times + np.timedelta64(22, "h"))
        if day >= 3
        for row in (0, 16)
        for column in (0, 16)
    ]
    pd.DataFrame(patches).to_parquet(folder / "patches.parquet")
    texts = [str(time)[:19] for time in times + np.timedelta64(22, "h")]
    dates = {"train": texts[:150], "validate": texts[150:], "calibrate": [], "test": [], "gap": []}
    splits = {
        "dates": dates,
        "blocks": {"px": 16, "shape": [2, 2], "test": [], "buffer_px": 0},
        "random": [],
    }
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


def georeferenced(layers: dict, box: GeoBox, times) -> xr.Dataset:
    from helpers import odc_coords

    coords = odc_coords(box) | {"time": times}
    data = {
        name: (("time", "y", "x"), values, {"units": units, "long_name": name})
        for name, (values, units) in layers.items()
    }
    return xr.Dataset(data, coords=coords).odc.assign_crs(box.crs)


def labels_of(site, folder, seen: tuple[str, ...] = ()) -> Labels:
    return unpack(site / "ssm.zarr", Splits.read(site / "splits.json"), folder / "labels", seen)


def training_labels(site: Path) -> Path:
    """What training may see of the site's labels, unpacked once as the workflow does."""
    out = site / "labels"
    if not out.exists():
        unpack_labels(site / "ssm.zarr", site / "splits.json", out / "training", out / "all")
    return out / "training"


def all_labels(ssm: Path, site: Path, out: Path) -> Path:
    """All labels of a file, unpacked as prediction reads them; the splits are the site's."""
    unpack(ssm, Splits.read(site / "splits.json"), out)
    return out


def learn(
    folder,
    out,
    cfg: Train = TRAIN,
    member: int = 0,
    model: Network = MODEL,
    experiment: Experiment = EXPERIMENT,
) -> pd.DataFrame:
    train(
        training_labels(folder),
        folder / "patches.parquet",
        [folder / "static.zarr", folder / "weather.zarr"],
        out / f"{member}.ckpt",
        out / f"{member}.csv",
        cfg,
        model,
        experiment,
        SIZE,
        30,
        member,
        2,
    )
    return pd.read_csv(out / f"{member}.csv")
