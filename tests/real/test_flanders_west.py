"""The whole workflow on a real site, as it is and with less: another name, other dates, one track, no NDVI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from helpers import REPOSITORY
from scipy.ndimage import uniform_filter
from scipy.stats import spearmanr

from loam.core.flags import UNUSABLE
from loam.core.raster import open_dataset
from loam.core.splits import Splits


def run(
    folder: Path, data: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(REPOSITORY / "Snakefile"),
        "--directory",
        str(folder),
        "--cores",
        "2",
        "--configfile",
        str(REPOSITORY / "tests/real/flanders_west.yaml"),
        *arguments,
    ]
    environment = os.environ | {"LOAM_REAL_DATA": str(data)} | environment
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="session")
def site(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the site's own configuration."""
    folder = tmp_path_factory.mktemp("flanders")
    done = run(folder, real_data)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "results/flanders_west"


@pytest.fixture(scope="session")
def labels(site: Path) -> xr.Dataset:
    data = open_dataset(site / "moisture/ssm.zarr").load()
    return data.assign(ssm=data["ssm"].where((data["flags"] & int(UNUSABLE)) == 0))


def test_maps_lie_on_the_site(site: Path) -> None:
    with rasterio.open(site / "maps/2018-11-30.tif") as file:
        assert file.crs.to_epsg() == 32631
        assert tuple(file.bounds) == (501360, 5629040, 502000, 5629680)
        ssm = file.read(1)
    assert np.isfinite(ssm).all()
    assert ((ssm >= 0) & (ssm <= 1)).all()


def test_references_are_those_of_farmland(site: Path) -> None:
    references = open_dataset(site / "moisture/references.zarr").load()
    assert references["track"].values.tolist() == ["ascending-0", "ascending-1"]
    assert 2 < float(references["sensitivity"].median()) < 8
    assert -14 < float(references["dry"].median()) < -6
    assert float(references["sensitivity_error"].median()) < 1


@pytest.mark.parametrize("track", ["ascending-0", "ascending-1"])
def test_labels_follow_antecedent_rain_no_worse_than_plain_percentiles(
    labels: xr.Dataset, site: Path, track: str
) -> None:
    """Frame means against an antecedent precipitation index, rain that Loam's labels never saw.

    Beside them stands what plain P10 and P90 of the same training dates give on the same pixels and dates: all of them,
    since flags would help both alike.
    """
    rain = (
        open_dataset(site / "covariates/weather.zarr")["precipitation"].mean(("y", "x")).to_series()
    )
    index = rain.ewm(alpha=0.15).mean()  # k = 0.85
    usable = (
        labels["ssm"]
        .sel(time=labels["track"].values == track)
        .mean(("y", "x"))
        .to_series()
        .dropna()
    )
    whole = open_dataset(site / "moisture/ssm.zarr")["ssm"]
    every = whole.sel(time=whole["track"].values == track).mean(("y", "x")).to_series()
    means = (every, plain_percentiles(site, track), usable)
    mine, theirs, flagged = (
        spearmanr(values, index.loc[values.index.normalize()]).statistic for values in means
    )
    print(
        f"{track}: Spearman {mine:.3f}, plain P10 and P90 {theirs:.3f}; without what is flagged {flagged:.3f} on {len(usable)} dates"
    )
    assert len(usable) > 60
    assert flagged > 0.35
    assert mine >= theirs


def plain_percentiles(site: Path, track: str) -> pd.Series:
    """Frame mean of every date of a track between P10 and P90 of its training dates, in NumPy and SciPy alone."""
    stack = open_dataset(site.parents[1] / "resources/flanders_west/gamma0/stack.zarr").load()
    stack = stack.isel(time=stack["track"].values == track)
    level = 10 * np.log10(
        np.stack([uniform_filter(image, 5) for image in stack["vv"].values.astype(float)])
    )
    train = np.array(
        Splits.read(site / "samples/splits.json").dates["train"],
        dtype="datetime64[s]",
    )
    dry, wet = np.percentile(
        level[np.isin(stack["time"].values.astype("datetime64[s]"), train)], [10, 90], axis=0
    )
    return pd.Series(
        ((level - dry) / (wet - dry)).clip(0, 1).mean(axis=(1, 2)), index=stack["time"].values
    )


def test_scores_are_complete_and_honest(site: Path) -> None:
    scores = pd.read_parquet(site / "evaluation/scores.parquet")
    r2 = scores[
        (scores["metric"] == "r2")
        & (scores["stratum_kind"] == "all")
        & (scores["target"] == "label")
    ]
    assert set(r2["split"]) == {"random", "temporal", "spatial", "spatiotemporal"}
    assert {"sequence", "two_day", "baseline", "probe"} == set(r2["experiment"])
    assert {"0", "1", "ensemble"} <= set(r2["member"])
    assert np.isfinite(r2.loc[r2["model"].isin(["sequence", "two_day"]), "value"]).all()
    assert (
        r2.loc[r2["model"] != "ceiling", "value"] < r2.loc[r2["model"] == "ceiling", "value"].max()
    ).all()


def test_another_site_with_less_runs_by_the_same_configuration(
    real_data: Path, tmp_path: Path
) -> None:
    """One track, other dates, no NDVI, another name: overrides alone."""
    elsewhere = tmp_path / "data/elsewhere"
    elsewhere.mkdir(parents=True)
    for name in ("weather.nc", "dem.tif", "landcover.tif"):
        shutil.copy(real_data / "flanders_west" / name, elsewhere)
    cube = xr.load_dataset(real_data / "flanders_west/backscatter.nc")
    cube.isel(time=cube["track"].values == "ascending-1").to_netcdf(elsewhere / "backscatter.nc")
    done = run(
        tmp_path,
        tmp_path / "data",
        "--config",
        "sources={ndvi: null}",
        "period={start: 2017-10-01, end: 2018-10-31}",
        "learning={members: 1, train: {epochs: 2}, experiments: {two_day: null}}",
        "products={maps: {last_days: 1}}",
        LOAM_SITE="elsewhere",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / "results/elsewhere"
    assert [path.name for path in (results / "maps").glob("*.tif")] == ["2018-10-31.tif"]
    labels = open_dataset(results / "moisture/ssm.zarr")
    assert set(labels["track"].values) == {"ascending-1"}
    assert labels["time"].values.min() >= np.datetime64("2017-10-01")
    assert len(pd.read_parquet(results / "evaluation/scores.parquet"))


def test_a_period_without_data_stops_with_one_line(real_data: Path, tmp_path: Path) -> None:
    done = run(tmp_path, real_data, "--config", "period={start: 2020-01-01, end: 2020-12-31}")
    assert done.returncode == 1
    assert (
        "backscatter.nc: no acquisition between 2020-01-01 and 2020-12-31; change period"
        in done.stderr.strip().splitlines()[-1]
    )
    assert "Finished jobid" not in done.stdout + done.stderr
