"""The target grid, and the way other grids come onto it."""

import geopandas
import numpy as np
import pytest
import xarray as xr
from helpers import days, odc_coords
from odc.geo.geobox import GeoBox
from shapely.geometry import box as rectangle

from loam.config.base import Grid
from loam.core.errors import LoamError
from loam.core.grid import covered_share, pixel_positions, target_grid, to_grid


def a_cube(path, on: GeoBox):
    cube = xr.Dataset(
        {"vv": (("time", "y", "x"), np.zeros((2, *on.shape), np.float32))},
        coords=odc_coords(on) | {"time": days("2020-01-01", 2)},
    )
    cube.odc.assign_crs(on.crs).to_netcdf(path)
    return path


def test_source_takes_the_cube_as_it_is(tmp_path, box: GeoBox) -> None:
    cube = a_cube(tmp_path / "cube.nc", box)
    assert target_grid(Grid(aoi="source", crs="source", resolution_m=20), cube) == box


def test_source_at_another_resolution_keeps_the_extent(tmp_path, box: GeoBox) -> None:
    coarse = target_grid(
        Grid(aoi="source", crs="source", resolution_m=40), a_cube(tmp_path / "cube.nc", box)
    )
    assert coarse.shape == (6, 8)
    assert coarse.boundingbox == box.boundingbox


def test_bounds_give_whole_pixels() -> None:
    grid = target_grid(
        Grid(aoi=(330000, 4290000, 335120, 4295120), crs="EPSG:32618", resolution_m=20), None
    )
    assert grid.shape == (256, 256)
    assert grid.transform.e == -20  # north is up
    assert (grid.boundingbox.left, grid.boundingbox.top) == (330000, 4295120)


def test_a_polygon_in_degrees_gets_its_utm_zone(tmp_path) -> None:
    county = tmp_path / "county.geojson"
    geopandas.GeoDataFrame(geometry=[rectangle(-77.0, 38.6, -76.9, 38.7)], crs=4326).to_file(county)
    grid = target_grid(Grid(aoi=str(county), crs="utm", resolution_m=100), None)
    assert grid.crs.epsg == 32618
    assert 80 < grid.shape[1] < 100  # 0.1 degree is 8.7 km there
    assert 110 < grid.shape[0] < 118  # and 11.1 km northward


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (Grid(aoi="source", crs="source", resolution_m=20), "there is no backscatter cube"),
        (
            Grid(aoi=(0, 0, 1, 1), crs="EPSG:4326", resolution_m=20),
            "is geographic; name a projected CRS",
        ),
        (
            Grid(aoi=(0, 0, 1, 1), crs="EPSG:999999", resolution_m=20),
            "grid.crs = 'EPSG:999999': no such code",
        ),
        (
            Grid(aoi=(-8570000, 4680000, -8565000, 4685000), crs="EPSG:3857", resolution_m=20),
            "1000 of its units are 7.. m here",
        ),
        (
            Grid(aoi=(1300000, 440000, 1310000, 450000), crs="EPSG:2248", resolution_m=20),
            "1000 of its units are 305 m here",
        ),
        (
            Grid(aoi="nowhere.geojson", crs="utm", resolution_m=20),
            "nowhere.geojson: cannot be read as polygons",
        ),
    ],
)
def test_a_grid_that_cannot_be_is_named(grid: Grid, said: str) -> None:
    with pytest.raises(LoamError, match=said):
        target_grid(grid, None)


def test_covered_share_counts_area(box: GeoBox, layer) -> None:
    assert covered_share(layer(np.zeros(box.shape)), box) == pytest.approx(1)
    half = box[:, :8]
    assert covered_share(layer(np.zeros(half.shape), on=half), box) == pytest.approx(0.5)
    away = box.translate_pix(1000, 0)
    assert covered_share(layer(np.zeros(away.shape), on=away), box) == 0


def test_averaging_onto_the_grid_keeps_the_mean(box: GeoBox, layer) -> None:
    fine = box.zoom_out(0.5)
    values = np.random.default_rng(0).random(fine.shape).astype(np.float32)
    coarse = to_grid(layer(values, on=fine), box, "average")
    np.testing.assert_allclose(coarse.values, values.reshape(12, 2, 16, 2).mean((1, 3)), rtol=1e-5)
    assert coarse.dims == ("y", "x")


def test_pixels_beyond_the_data_become_nan(box: GeoBox, layer) -> None:
    part = box[:, :8]
    moved = to_grid(layer(np.ones(part.shape, np.float32), on=part), box, "nearest")
    assert np.isnan(moved.values[:, 8:]).all()
    assert (moved.values[:, :8] == 1).all()


def test_pixel_positions_find_the_same_place_in_degrees(box: GeoBox) -> None:
    x, y = np.array([-77.2, -76.7]), np.array([39.0, 38.5])
    rows, columns = pixel_positions(
        box, GeoBox.from_bbox((-78, 38, -76, 40), "EPSG:4326", resolution=0.1).crs, x, y
    )
    from pyproj import Transformer

    lon, lat = Transformer.from_crs("EPSG:32618", "EPSG:4326", always_xy=True).transform(
        330010, 4290230
    )
    assert rows[0, 0] == pytest.approx((39.0 - lat) / 0.5, abs=1e-6)
    assert columns[0, 0] == pytest.approx((lon + 77.2) / 0.5, abs=1e-6)
