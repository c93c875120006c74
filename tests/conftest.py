"""Small synthetic pieces that many tests share."""

import os

# Before any library starts threads: one that spins while it waits takes the core that its neighbour needs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from helpers import REPOSITORY, merged, odc_coords
from hypothesis import settings
from odc.geo.geobox import GeoBox
from small_scene import House, copy_of_the_repository

from loam import config

# The same examples on every run; HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("loam", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "loam"))


# What a machine of CI may lack. Any other skip there hides a test that nobody runs: see `fail_unexpected_skips`.
EXPECTED_SKIPS = ("make test-slurm", "no conda", "no GPU", "no SNAP")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Any:
    """With LOAM_STRICT_SKIPS=1, as CI sets it, a skip for a reason that is not expected is a failure."""
    report = yield
    return fail_unexpected_skips(report) if os.environ.get("LOAM_STRICT_SKIPS") else report


def fail_unexpected_skips(report: Any) -> Any:
    """Turn a report of a skip into one of a failure, unless its reason is on the list."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(expected in reason for expected in EXPECTED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be missing: {reason}"
    return report


@pytest.fixture(scope="session")
def default_raw() -> dict[str, Any]:
    """The default configuration, with the two names that have no default."""
    raw = yaml.safe_load((REPOSITORY / "config/default.yaml").read_text())
    return raw | {"area": "here", "run": "now"}


@pytest.fixture(scope="session")
def cfg(default_raw: dict) -> config.Config:
    return config.load(default_raw)


@pytest.fixture
def load(default_raw: dict):
    """Load the default configuration with overrides."""
    return lambda **overrides: config.load(merged(default_raw, overrides))


@pytest.fixture(scope="session")
def box() -> GeoBox:
    """A grid of 12 rows and 16 columns of 20 m."""
    return GeoBox.from_bbox((330000, 4290000, 330320, 4290240), "EPSG:32618", resolution=20)


@pytest.fixture
def layer(box: GeoBox):
    """Make a georeferenced array on the grid, or on another, with any leading time."""

    def make(
        values: np.ndarray, times: np.ndarray | None = None, on: GeoBox = box, **attrs: Any
    ) -> xr.DataArray:
        coords = {name: value for name, value in odc_coords(on).items()}
        dims = ("y", "x") if times is None else ("time", "y", "x")
        if times is not None:
            coords["time"] = times
        return xr.DataArray(values, dims=dims, coords=coords, attrs=attrs).odc.assign_crs(on.crs)

    return make


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Nothing has run here."""
    return copy_of_the_repository(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The small scene has run here, with its report. Tests that change files work on a copy."""
    house = copy_of_the_repository(tmp_path_factory.mktemp("house"))
    done = house.small()
    assert done.returncode == 0, done.stdout + done.stderr
    return house


@pytest.fixture
def copied(house: House, tmp_path: Path) -> House:
    """A copy of the finished run, time stamps and Snakemake's memory included."""
    subprocess.run(["cp", "-a", f"{house.folder}/.", str(tmp_path / "copy")], check=True)
    return House(tmp_path / "copy")
