"""A real county's polygon: the grid holds all of its corners, and nothing beyond a pixel around them."""

from pathlib import Path

import geopandas
import pytest

from loam.config.base import Grid
from loam.core.grid import target_grid


def test_the_grid_fits_around_the_county(real_data: Path) -> None:
    path = real_data / "aoi/prince_georges_county_md_24033.geojson"
    box = target_grid(Grid(aoi=str(path), crs="utm", resolution_m=20), None)
    west, south, east, north = geopandas.read_file(path).to_crs(box.crs.epsg).total_bounds
    edges = box.boundingbox
    assert (edges.left, edges.bottom) == pytest.approx((west - 10, south - 10), abs=10)
    assert (edges.right, edges.top) == pytest.approx((east + 10, north + 10), abs=10)
