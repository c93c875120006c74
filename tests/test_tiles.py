"""Tiles of rasters as one: seams, other coordinates, voids, and what does not reach."""

import numpy as np
import pytest
import rioxarray  # noqa: F401  (registers .rio)

from loam.config import Grid
from loam.errors import LoamError
from loam.raster import open_raster
from loam.sources.dem import mosaic, mosaic_dem
from loam.tiles import joined_tiles


@pytest.fixture
def tiles(tmp_path, box, layer):
    """A ramp over the area and around it, in two tiles of 10 m."""
    fine = box.pad(20).zoom_out(0.5)
    rows, columns = np.mgrid[: fine.shape[0], : fine.shape[1]]
    ramp = (rows + 10 * columns).astype(np.float32)
    half = fine.shape[1] // 2
    for name, part in (("west", np.s_[:, :half]), ("east", np.s_[:, half:])):
        layer(ramp[part], on=fine[part]).rio.to_raster(tmp_path / f"{name}.tif")
    return [tmp_path / "west.tif", tmp_path / "east.tif"], layer(ramp, on=fine)


def test_two_tiles_are_what_they_were_cut_from(tiles, box) -> None:
    paths, whole = tiles
    for order in (paths, paths[::-1]):
        joined = joined_tiles(order, box)
        np.testing.assert_array_equal(joined.values, whole.sel(x=joined["x"], y=joined["y"], method="nearest", tolerance=0.01).values)
        assert joined.size < whole.size  # no more than the area


def test_a_tile_on_other_coordinates_is_brought_to_the_firsts(tiles, box, tmp_path) -> None:
    paths, whole = tiles
    east = open_raster(paths[1]).odc.reproject("EPSG:32617", resolution=10, resampling="bilinear", dst_nodata=np.nan)
    east.rio.to_raster(tmp_path / "other.tif")
    joined = joined_tiles([paths[0], tmp_path / "other.tif"], box)
    expected = whole.sel(x=joined["x"], y=joined["y"], method="nearest").values
    assert np.isfinite(joined.values).mean() > 0.95
    assert np.nanmedian(np.abs(joined.values - expected)) < 3  # of columns that differ by 10


def test_undeclared_voids_are_voids(tmp_path, box, layer) -> None:
    heights = np.full(box.shape, 100.0, np.float32)
    heights[0, 0], heights[1, 1], heights[2, 2] = -9999, -32768, -3.4e38
    layer(heights).rio.to_raster(tmp_path / "dem.tif")
    got = mosaic([tmp_path / "dem.tif"], box)
    assert int(np.isnan(got.sel(x=slice(*box.boundingbox[0::2]), y=slice(box.boundingbox[3], box.boundingbox[1])).values).sum()) == 3
    assert float(got.min()) == 100


def test_tiles_of_elsewhere_are_named(tiles, box) -> None:
    away = box.translate_pix(100_000, 0)
    with pytest.raises(LoamError, match="does not reach the area of interest"):
        joined_tiles(tiles[0], away)


def test_the_step_joins_tiles_beyond_the_margin(tiles, tmp_path, box) -> None:
    grid = Grid(aoi=tuple(box.boundingbox), crs="EPSG:32618", resolution_m=20)
    mosaic_dem(tiles[0], tmp_path / "mosaic.tif", grid, None, 200.0)
    joined = open_raster(tmp_path / "mosaic.tif")
    edge, area = joined.odc.geobox.boundingbox, box.boundingbox
    assert area.left - edge.left >= 200
    assert edge.top - area.top >= 200
    assert np.isfinite(joined.sel(x=slice(area.left, area.right), y=slice(area.top, area.bottom)).values).all()
