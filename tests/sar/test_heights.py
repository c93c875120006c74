"""Heights at facet corners: where they stand, what they stand on, and what a DEM must have."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds
from sar.ground import relief_of

from loam.config.base import Grid
from loam.config.sar import Heights
from loam.config.sources import Dem
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.sar.heights import facets_per_pixel, prepare_heights, read_terrain

GRID = Grid(aoi=(330000, 4290000, 331000, 4290600), crs="EPSG:32618", resolution_m=20)
HEIGHTS = Heights(facet_m=10, margin_m=200)


def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 100 + 0.05 * (x - 330000) - 0.03 * (y - 4290000)


def write_dem(
    path: Path,
    reach_m: float = 400,
    step_m: float = 30,
    void: bool = False,
    crs: str | None = "EPSG:32618",
) -> Path:
    west, south, east, north = (
        330000 - reach_m,
        4290000 - reach_m,
        331000 + reach_m,
        4290600 + reach_m,
    )
    columns, rows = round((east - west) / step_m), round((north - south) / step_m)
    x, y = west + (np.arange(columns) + 0.5) * step_m, north - (np.arange(rows) + 0.5) * step_m
    values = plane(x[None, :], y[:, None]).astype(np.float32)
    if void:
        values[rows // 2, columns // 2] = -9999
    where = {
        "height": rows,
        "width": columns,
        "transform": Affine(step_m, 0, west, 0, -step_m, north),
        "crs": crs,
    }
    with rasterio.open(
        path, "w", driver="GTiff", dtype="float32", count=1, nodata=-9999, **where
    ) as file:
        file.write(values, 1)
    return path


def prepared(
    tmp_path: Path, dem: Path, geoid: Path | None = None, named: str | float | None = "ellipsoid"
) -> np.ndarray:
    prepare_heights(
        dem, geoid, tmp_path / "heights.tif", Dem(path=str(dem), geoid=named), GRID, HEIGHTS
    )
    return read_terrain(tmp_path / "heights.tif", target_grid(GRID, None)).heights_m


def corners() -> tuple[np.ndarray, np.ndarray]:
    """Where the corners of facets must be: every 10 m from 200 m outside the area."""
    return np.arange(329800, 331201, 10.0), np.arange(4290800, 4289799, -10.0)


@pytest.mark.parametrize("step_m", [30, 4])
def test_a_plane_stays_a_plane_at_the_corners(tmp_path: Path, step_m: float) -> None:
    found = prepared(tmp_path, write_dem(tmp_path / "dem.tif", step_m=step_m))
    x, y = corners()
    assert found.shape == (y.size, x.size)
    np.testing.assert_allclose(found, plane(x[None, :], y[:, None]), atol=0.15)


def test_a_geographic_dem_is_met_where_it_stands(tmp_path: Path) -> None:
    bounds = transform_bounds("EPSG:32618", "EPSG:4326", 329500, 4289500, 331500, 4291100)
    step = 1 / 3600
    columns, rows = int((bounds[2] - bounds[0]) / step), int((bounds[3] - bounds[1]) / step)
    transform = Affine(step, 0, bounds[0], 0, -step, bounds[3])
    lon, lat = np.meshgrid(
        bounds[0] + (np.arange(columns) + 0.5) * step, bounds[3] - (np.arange(rows) + 0.5) * step
    )
    x, y = rasterio.warp.transform("EPSG:4326", "EPSG:32618", lon.ravel(), lat.ravel())
    values = plane(np.array(x), np.array(y)).reshape(rows, columns).astype(np.float32)
    with rasterio.open(
        tmp_path / "dem.tif",
        "w",
        driver="GTiff",
        dtype="float32",
        count=1,
        height=rows,
        width=columns,
        transform=transform,
        crs="EPSG:4326",
    ) as file:
        file.write(values, 1)
    x, y = corners()
    np.testing.assert_allclose(
        prepared(tmp_path, tmp_path / "dem.tif"), plane(x[None, :], y[:, None]), atol=0.05
    )


def test_the_geoid_is_added(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif")
    bare = prepared(tmp_path, dem)
    np.testing.assert_allclose(prepared(tmp_path, dem, named=-33.5), bare - 33.5, atol=1e-3)
    geoid = tmp_path / "geoid.tif"
    with rasterio.open(
        geoid,
        "w",
        driver="GTiff",
        dtype="float32",
        count=1,
        height=20,
        width=20,
        crs="EPSG:4326",
        transform=Affine(0.25, 0, -80, 0, -0.25, 41),
    ) as file:
        file.write(np.full((20, 20), -33.0, np.float32), 1)
    np.testing.assert_allclose(prepared(tmp_path, dem, geoid, str(geoid)), bare - 33, atol=1e-3)


def test_what_is_no_geoid_or_not_named_is_refused(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif")
    with pytest.raises(LoamError, match="vertical datum is not named; set ellipsoid"):
        prepared(tmp_path, dem, named=None)
    high = tmp_path / "high.tif"
    with rasterio.open(dem) as file, rasterio.open(high, "w", **file.profile) as out:
        out.write(file.read(1) + 500, 1)
    with pytest.raises(
        LoamError, match=r"no value from -110 to 90 m on the area \(sources.dem.geoid\)"
    ):
        prepared(tmp_path, dem, high, str(high))


@pytest.mark.parametrize("declared", [True, False])
def test_a_void_is_filled_from_around_declared_or_not(
    tmp_path: Path, caplog, declared: bool
) -> None:
    dem = write_dem(tmp_path / "dem.tif", void=True)
    if not declared:
        with rasterio.open(dem, "r+") as file:
            file.nodata = None
    x, y = corners()
    np.testing.assert_allclose(prepared(tmp_path, dem), plane(x[None, :], y[:, None]), atol=1.5)
    assert "filled from around (sources.dem)" in caplog.text


@pytest.mark.parametrize(
    ("pixel_m", "expected"), [(20, 2), (10, 2), (30, 4), (60, 6), (100, 10), (25, 4)]
)
def test_facets_are_even_in_number_and_no_larger_than_asked(pixel_m: float, expected: int) -> None:
    box = target_grid(
        Grid(aoi=(330000, 4290000, 333000, 4293000), crs="EPSG:32618", resolution_m=pixel_m), None
    )
    assert facets_per_pixel(box, 10) == expected


def test_sea_without_tiles_in_the_margin_is_filled_and_a_dem_of_elsewhere_refused(
    tmp_path: Path,
) -> None:
    """The check of the inputs and the step have one rule: see `loam.core.voids`."""
    short = prepared(tmp_path, write_dem(tmp_path / "short.tif", reach_m=100))
    whole = prepared(tmp_path, write_dem(tmp_path / "dem.tif"))
    np.testing.assert_allclose(short[25:-25, 25:-25], whole[25:-25, 25:-25], atol=0.01)
    assert np.isfinite(short).all()
    assert np.abs(short - whole).max() < 10  # 100 m of a plane of 5 % and 3 %
    with rasterio.open(tmp_path / "dem.tif", "r+") as file:
        values = file.read(1)
        values[:, : values.shape[1] * 2 // 3] = -9999
        file.write(values, 1)
    with pytest.raises(
        LoamError,
        match=r"dem.tif: no height on \d\d% of the area of interest and its margin of sar.heights.margin_m",
    ):
        prepared(tmp_path, tmp_path / "dem.tif")
    with pytest.raises(LoamError, match="has no CRS"):
        prepared(tmp_path, write_dem(tmp_path / "bare.tif", crs=None))


def test_heights_of_another_grid_are_refused(tmp_path: Path) -> None:
    prepared(tmp_path, write_dem(tmp_path / "dem.tif"))
    other = target_grid(
        Grid(aoi=(330020, 4290000, 331020, 4290600), crs="EPSG:32618", resolution_m=20), None
    )
    with pytest.raises(LoamError, match="was made for another grid"):
        read_terrain(tmp_path / "heights.tif", other)


def test_a_block_has_its_own_corners_and_place(tmp_path: Path) -> None:
    prepared(tmp_path, write_dem(tmp_path / "dem.tif"))
    terrain = read_terrain(tmp_path / "heights.tif", target_grid(GRID, None))
    facets = terrain.facets(slice(10, 20), slice(5, 25), 3)
    assert (facets.left, facets.top, facets.step_m) == (330000 + 2 * 20, 4290600 - 7 * 20, 10)
    assert facets.heights_m.shape == (16 * 2 + 1, 26 * 2 + 1)
    assert facets.heights_m[0, 0] == pytest.approx(
        plane(np.array(facets.left), np.array(facets.top)), abs=0.15
    )
    assert relief_of(terrain) > 50
