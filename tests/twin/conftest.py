"""A small twin, made once: 48 x 48 pixels and a little over a year."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from loam.config.base import Grid, Period
from loam.config.twin import Twin
from loam.core.grid import target_grid
from loam.twin.catchment import Catchment, make_catchment
from loam.twin.scene import make_twin

FILES = {
    "scenes": "scenes",
    "weather": "weather.nc",
    "ndvi": "ndvi.nc",
    "dem": "dem.tif",
    "landcover": "landcover.tif",
    "soil": "soil.nc",
    "truth": "truth.zarr",
}


@pytest.fixture(scope="session")
def twin() -> Twin:
    """Set up of the twin."""
    return Twin(
        seed=7, relief_m=120, repeat_days=36, looks=4.4, platform_offset_db=0.0, spin_up_days=200
    )


@pytest.fixture(scope="session")
def period() -> Period:
    """Thirteen months."""
    return Period(start=date(2022, 1, 1), end=date(2023, 1, 31))


@pytest.fixture(scope="session")
def section() -> Grid:
    """48 x 48 pixels."""
    return Grid(aoi=(330000, 4290000, 330960, 4290960), crs="EPSG:32618", resolution_m=20)


@pytest.fixture(scope="session")
def grid(section: Grid) -> GeoBox:
    """Build the target grid."""
    return target_grid(section, None)


@pytest.fixture(scope="session")
def catchment(grid: GeoBox, period: Period, twin: Twin) -> Catchment:
    """Draw the catchment in memory."""
    return make_catchment(grid, period, twin)


@pytest.fixture(scope="session")
def made(
    tmp_path_factory: pytest.TempPathFactory, twin: Twin, section: Grid, period: Period
) -> dict[str, Path]:
    """Every file of the twin, by argument of the step."""
    folder = tmp_path_factory.mktemp("twin") / "deep" / "folder"
    paths = {name: folder / file for name, file in FILES.items()}
    make_twin(**paths, twin=twin, grid=section, period=period)
    return paths


@pytest.fixture
def rng() -> np.random.Generator:
    """Seed a generator."""
    return np.random.default_rng(1)
