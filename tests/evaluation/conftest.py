"""A tiny run on disk: 48 x 40 pixels, two tracks, a year and a half, known moisture."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from threadpoolctl import threadpool_limits

from loam.config.evaluation import Boosting, Samples
from loam.config.sources import LandCover, Legend
from loam.core.features import WEATHER
from loam.core.flags import Flag
from loam.core.grid import empty_like_grid
from loam.core.raster import write_zarr
from loam.evaluation.samples import collect_samples

SHAPE = (48, 40)
BLOCK_PX = 16
BOOSTING = Boosting(
    samples=400, iterations=8, learning_rate=0.1, min_leaf=20, windows_days=(1, 3, 30)
)
CLASSES = LandCover(
    path=None, legend="own", legends={"own": Legend(water=(80,), built_up=(50,), forest=(10,))}
)
TEST_BLOCKS = [[0, 0], [2, 1]]
DAYS = 10


@dataclass
class Run:
    """Paths of a run and what is needed to score it."""

    folder: Path
    truth_values: np.ndarray
    times: np.ndarray

    def path(self, name: str) -> Path:
        return self.folder / name

    def inputs(self) -> dict[str, Any]:
        members = [
            self.path(f"learning/{name}/{member}.zarr")
            for name in ("sequence", "two_day")
            for member in (0, 1)
        ]
        return {
            "predictions": members,
            "ssm": self.path("ssm.zarr"),
            "splits": self.path("splits.json"),
            "covariates": [self.path("static.zarr"), self.path("weather.zarr")],
            "landcover": self.path("landcover.tif"),
            "truth": self.path("truth.zarr"),
            "cfg": sampling(),
            "boosting": BOOSTING,
            "classes": CLASSES,
            "days": DAYS,
            "antecedent_days": 60,
        }


def sampling(per_split: int = 300, seed: int = 3) -> Samples:
    return Samples(per_split=per_split, wet_quantile=0.9, slope_classes_deg=(2, 5), seed=seed)


def attributes(name: str) -> dict[str, str]:
    return {"units": "1", "long_name": name}


def write_fields(
    path: Path,
    box: GeoBox,
    time: np.ndarray,
    coords: dict[str, object] | None = None,
    **fields: np.ndarray,
) -> None:
    data = xr.Dataset(
        {name: (("time", "y", "x"), values, attributes(name)) for name, values in fields.items()},
        coords={**empty_like_grid(box), "time": time.astype("datetime64[ns]"), **(coords or {})},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_zarr(data.odc.assign_crs(box.crs), path, {"time": 7})


def moisture(days: int) -> np.ndarray:
    """Moisture that varies in time and space, `(day, y, x)`."""
    rng = np.random.default_rng(0)
    place = rng.normal(0, 0.1, SHAPE)
    season = 0.5 + 0.25 * np.sin(np.arange(days) / 9)
    return np.clip(season[:, None, None] + place, 0, 1).astype(np.float32)


def labels(truth: np.ndarray, day_index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    ssm = np.clip(truth[day_index] + rng.normal(0, 0.05, (len(day_index), *SHAPE)), 0, 1).astype(
        np.float32
    )
    flags = np.zeros(ssm.shape, dtype=np.int32)
    flags[:, :4, 20:24] |= int(Flag.WATER)
    flags[3] |= int(Flag.FROZEN)
    flags[:, 30, :] |= int(Flag.CLIPPED_HIGH)
    ssm[5, 10:20] = np.nan
    return ssm, flags


def splits_of_dates(times: np.ndarray) -> dict[str, list[str]]:
    names = (
        ["train"] * 30
        + ["validate"] * 4
        + ["calibrate"] * 3
        + ["gap"] * 3
        + ["test"] * (len(times) - 40)
    )
    texts = np.datetime_as_string(times.astype("datetime64[s]"))
    return {
        part: [text for text, name in zip(texts, names, strict=True) if name == part]
        for part in sorted(set(names))
    }


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for a busy core make gradient boosting slow; tests need none."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Build the run once; tests that read it only share it."""
    return build(tmp_path_factory.mktemp("run"))


@pytest.fixture
def run(shared_run: Run, tmp_path: Path) -> Run:
    """Copy the run, for tests that change it."""
    shutil.copytree(shared_run.folder, tmp_path, dirs_exist_ok=True)
    return Run(tmp_path, shared_run.truth_values, shared_run.times)


@pytest.fixture(scope="session")
def table(shared_run: Run) -> pd.DataFrame:
    """Samples of the untouched run."""
    out = shared_run.path("samples.parquet")
    with threadpool_limits(1):
        collect_samples(**shared_run.inputs(), out=out)
    return pd.read_parquet(out)


def build(tmp_path: Path) -> Run:
    box = GeoBox.from_bbox(
        (330000, 4290000, 330000 + 20 * SHAPE[1], 4290000 + 20 * SHAPE[0]),
        "EPSG:32618",
        resolution=20,
    )
    days = np.arange("2022-01-01", "2023-01-01", dtype="datetime64[D]")
    truth = moisture(len(days))
    # The two tracks meet on one day every now and then: hours differ, days do not.
    index = np.sort(np.concatenate([np.arange(15, 360, 12), np.arange(15, 360, 16)]))
    hours = np.where(np.arange(len(index)) % 2 == 0, 11, 23)
    order = np.lexsort((hours, index))
    index, hours = index[order], hours[order]
    times = days[index].astype("datetime64[s]") + hours.astype("timedelta64[h]")
    ssm, flags = labels(truth, index)
    uncertainty = np.full(ssm.shape, 0.05, dtype=np.float32)
    track = {"track": ("time", np.where(hours == 11, "4", "106"))}
    write_fields(
        tmp_path / "ssm.zarr", box, times, track, ssm=ssm, ssm_uncertainty=uncertainty, flags=flags
    )
    write_fields(tmp_path / "truth.zarr", box, days, ssm=truth)
    unique = np.unique(days[index])
    position = np.searchsorted(days, unique)
    for experiment, noise in (("sequence", 0.04), ("two_day", 0.15)):
        for member in (0, 1):
            rng = np.random.default_rng(member + 10)
            mean = (truth[position] + rng.normal(0, noise, (len(unique), *SHAPE))).astype(
                np.float32
            )
            sigma = np.full(mean.shape, noise, dtype=np.float32)
            write_fields(
                tmp_path / f"learning/{experiment}/{member}.zarr",
                box,
                unique,
                ssm=mean,
                ssm_uncertainty=sigma,
            )
    _write_covariates(tmp_path, box)
    random = [[text, 1, 1] for text in splits_of_dates(times)["train"][::4]]
    splits = {
        "dates": splits_of_dates(times),
        "blocks": {"px": BLOCK_PX, "buffer_px": 2, "shape": [3, 3], "test": TEST_BLOCKS},
        "random": random,
    }
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    return Run(tmp_path, truth, times)


def _write_covariates(folder: Path, box: GeoBox) -> None:
    rng = np.random.default_rng(2)
    static = xr.Dataset(
        {
            "static": (
                ("channel", "y", "x"),
                rng.normal(size=(2, *SHAPE)).astype(np.float32),
                attributes("static"),
            )
        },
        coords={**empty_like_grid(box), "channel": ["elevation", "slope"]},
    )
    write_zarr(static.odc.assign_crs(box.crs), folder / "static.zarr")
    codes = np.where(np.arange(SHAPE[1]) < 20, 30, 40) * np.ones((SHAPE[0], 1))
    cover = xr.DataArray(
        codes.astype(np.uint8), dims=("y", "x"), coords=empty_like_grid(box)
    ).odc.assign_crs(box.crs)
    cover.odc.write_cog(folder / "landcover.tif")
    days = pd.date_range("2021-12-01", "2023-01-05").values
    coarse = GeoBox.from_bbox((329000, 4289000, 332000, 4292000), "EPSG:32618", resolution=1000)
    write_fields(
        folder / "weather.zarr",
        coarse,
        days,
        **{name: rng.gamma(1, 2, (len(days), 3, 3)).astype(np.float32) for name in WEATHER},
    )
