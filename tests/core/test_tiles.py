"""Tiles of rasters as one: seams, other coordinates, voids, and what does not reach."""

import tracemalloc

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401  (registers .rio)
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.geom import point

from loam.config.base import Grid
from loam.core.elevation import mosaic
from loam.core.errors import LoamError
from loam.core.grid import land_cover_codes, to_grid
from loam.core.raster import open_raster
from loam.core.tiles import covered_by, joined_tiles
from loam.sources.dem import mosaic_dem
from loam.sources.landcover import mosaic_landcover


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
        np.testing.assert_array_equal(
            joined.values,
            whole.sel(x=joined["x"], y=joined["y"], method="nearest", tolerance=0.01).values,
        )
        assert joined.size < whole.size  # no more than the area


def test_a_tile_on_other_coordinates_is_brought_to_the_firsts(tiles, box, tmp_path) -> None:
    paths, whole = tiles
    east = open_raster(paths[1]).odc.reproject(
        "EPSG:32617", resolution=10, resampling="bilinear", dst_nodata=np.nan
    )
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
    assert (
        int(
            np.isnan(
                got.sel(
                    x=slice(*box.boundingbox[0::2]), y=slice(box.boundingbox[3], box.boundingbox[1])
                ).values
            ).sum()
        )
        == 3
    )
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
    assert np.isfinite(
        joined.sel(x=slice(area.left, area.right), y=slice(area.top, area.bottom)).values
    ).all()


def test_scale_offset_and_rows_that_run_north_are_the_same_in_tiles(tmp_path, box, layer) -> None:
    """A file means the same alone and joined."""
    values = np.arange(np.prod(box.shape), dtype=np.float32).reshape(box.shape)
    plain, packed = tmp_path / "plain.tif", tmp_path / "packed.tif"
    layer(values).rio.to_raster(plain)
    up = box.flipy()
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": box.shape.y,
        "width": box.shape.x,
        "dtype": "int16",
        "nodata": -9999,
    }
    with rasterio.open(packed, "w", crs=str(box.crs), transform=up.transform, **profile) as file:
        file.write(((values - 7) * 10).astype("int16")[::-1], 1)
        file.scales, file.offsets = (0.1,), (7.0,)
    np.testing.assert_allclose(
        joined_tiles([packed], box).values, joined_tiles([plain], box).values, rtol=1e-5
    )


def test_no_overview_is_read(tmp_path, box, layer) -> None:
    fine = box.zoom_out(0.25)
    values = np.random.default_rng(1).random(fine.shape).astype(np.float32)
    path = tmp_path / "fine.tif"
    layer(values, on=fine).rio.to_raster(path, tiled=True, blockxsize=16, blockysize=16)
    before = joined_tiles([path], box, "average")
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], rasterio.enums.Resampling.nearest)
    np.testing.assert_array_equal(joined_tiles([path], box, "average").values, before.values)


def test_tiles_of_other_widths_keep_their_places(tmp_path) -> None:
    """The columns of GLO-30 are one arc second wide up to 50 degrees north, and one and a half from there on."""
    # 50 degrees north runs through it.
    box = GeoBox.from_bbox((600000, 5536000, 604000, 5542000), "EPSG:32632", resolution=20)
    centre = box.extent.to_crs("EPSG:4326").centroid.coords[0]
    west = np.floor(centre[0] * 3600) / 3600 - 0.05
    paths = []
    for name, south, step_x in (("south", 49.9, 1 / 3600), ("north", 50.0, 1.5 / 3600)):
        height, width = 360, int(0.15 / step_x)
        transform = Affine(step_x, 0, west, 0, -1 / 3600, south + 0.1)
        lon, lat = (
            west + (np.arange(width) + 0.5) * step_x,
            south + 0.1 - (np.arange(height) + 0.5) / 3600,
        )
        plane = (1e4 * (lon - west) + 2e4 * (lat - 49.9)[:, None]).astype(np.float32)
        paths.append(tmp_path / f"{name}.tif")
        profile = {
            "driver": "GTiff",
            "count": 1,
            "height": height,
            "width": width,
            "dtype": "float32",
            "crs": "EPSG:4326",
        }
        with rasterio.open(paths[-1], "w", transform=transform, **profile) as file:
            file.write(plane, 1)
    for order in (paths, paths[::-1]):
        got = joined_tiles(order, box)
        expected = 1e4 * (got["x"].values - west) + 2e4 * (got["y"].values - 49.9)[:, None]
        inside = np.s_[4:-4, 4:-4]
        # A row at the seam has no neighbours to be interpolated from.
        assert np.isfinite(got.values[inside]).mean() > 0.995
        assert np.nanmax(np.abs(got.values - expected)[inside]) < 1.5  # of 2.8 to 5.6 a pixel


def test_undeclared_voids_of_one_tile_are_filled_from_the_other(tmp_path, box, layer) -> None:
    void = np.full(box.shape, -32768.0, np.float32)
    layer(void).rio.to_raster(tmp_path / "void.tif")
    layer(np.full(box.shape, 100.0, np.float32)).rio.to_raster(tmp_path / "full.tif")
    inside = mosaic([tmp_path / "void.tif", tmp_path / "full.tif"], box).odc.reproject(
        box, resampling="nearest"
    )
    assert float(inside.min()) == float(inside.max()) == 100


def test_a_coarse_land_cover_leaves_no_rim_in_blocks(tmp_path) -> None:
    box = GeoBox.from_bbox((600000, 5536000, 602560, 5538560), "EPSG:32632", resolution=20)
    lon, lat = box.extent.to_crs("EPSG:4326").centroid.coords[0]
    step = 1 / 240
    codes = np.random.default_rng(2).choice([10, 80], (100, 100)).astype("uint8")
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": 100,
        "width": 100,
        "dtype": "uint8",
        "crs": "EPSG:4326",
        "nodata": 255,
    }
    with rasterio.open(
        tmp_path / "lc.tif",
        "w",
        transform=Affine(step, 0, lon - 50 * step, 0, -step, lat + 50 * step),
        **profile,
    ) as file:
        file.write(codes, 1)
    whole = land_cover_codes(tmp_path / "lc.tif", box)
    assert set(np.unique(whole)) == {10, 80}
    blocks = np.block(
        [
            [land_cover_codes(tmp_path / "lc.tif", box[r : r + 64, c : c + 64]) for c in (0, 64)]
            for r in (0, 64)
        ]
    )
    assert np.isfinite(blocks).all()
    assert (blocks != whole).mean() < 1e-3  # GDAL places pixels to an eighth of one


def test_land_cover_comes_in_tiles(tmp_path, box, layer) -> None:
    codes = np.tile(np.array([10, 20, 80, 95], np.uint8), (box.shape.y + 8, (box.shape.x + 8) // 4))
    around = box.pad(4)
    layer(codes, on=around).rio.to_raster(tmp_path / "whole.tif")
    for name, part in (("west", np.s_[:, :10]), ("east", np.s_[:, 10:])):
        layer(codes[part], on=around[part]).rio.to_raster(tmp_path / f"{name}.tif")
    grid = Grid(aoi=tuple(box.boundingbox), crs="EPSG:32618", resolution_m=20)
    tiles = [tmp_path / "west.tif", tmp_path / "east.tif"]
    mosaic_landcover(tiles, tmp_path / "mosaic.tif", grid, None)
    np.testing.assert_array_equal(land_cover_codes(tmp_path / "mosaic.tif", box), codes[4:-4, 4:-4])
    assert covered_by(tiles[:1], box) == pytest.approx(6 / box.shape.x, abs=1e-6)
    assert covered_by(tiles, box) == pytest.approx(1)
    layer(codes + 0.5, on=around).rio.to_raster(tmp_path / "ndvi.tif")
    with pytest.raises(LoamError, match=r"no class codes \(sources.landcover\)"):
        mosaic_landcover([tmp_path / "ndvi.tif", tiles[0]], tmp_path / "no.tif", grid, None)


def test_only_the_windows_part_of_a_map_is_read(tmp_path) -> None:
    """A map of 20000 x 20000 pixels: 400 MB, if it were read whole."""
    path, n = tmp_path / "lc.tif", 20000
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": n,
        "width": n,
        "dtype": "uint8",
        "crs": "EPSG:32618",
        "tiled": True,
        "sparse_ok": True,
    }
    with rasterio.open(path, "w", transform=Affine(20, 0, 300000, 0, -20, 4400000), **profile):
        pass  # no block is written: all are 0
    box = GeoBox.from_bbox((330000, 4290000, 332000, 4292000), "EPSG:32618", resolution=20)
    tracemalloc.start()
    codes = land_cover_codes(path, box)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (codes == 0).all()
    assert peak < 5e6


def stored(path, values, affine, crs, scale: float = 1, **kw):
    """Write numbers as a file stores them."""
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "dtype": values.dtype,
    }
    with rasterio.open(path, "w", **profile, crs=crs, transform=affine, **kw) as file:
        file.write(values, 1)
        if scale != 1:
            file.scales = (scale,)
    return path


def test_every_tile_has_its_own_scale_fill_and_direction_of_rows(tmp_path, box) -> None:
    left, top = box.boundingbox.left - 200, box.boundingbox.top + 200
    half = np.full((40, 18), 1234, np.int16)
    half[20, 10] = -9999  # not declared
    west = stored(
        tmp_path / "west.tif", half, Affine(20, 0, left, 0, -20, top), str(box.crs), scale=0.1
    )
    metres = np.full((40, 30), 123.4, np.float32)
    east = stored(
        tmp_path / "east.tif", metres, Affine(20, 0, left + 360, 0, 20, top - 800), str(box.crs)
    )
    for order in ([west, east], [east, west]):
        heights = mosaic(order, box)
        assert int(np.isnan(heights.sel(x=slice(*box.boundingbox[::2]))).sum()) == 1
        np.testing.assert_allclose(heights.values[np.isfinite(heights.values)], 123.4, rtol=1e-5)


def test_heights_in_feet_are_refused(tmp_path, box, layer) -> None:
    layer(np.zeros(box.shape, np.float32)).rio.to_raster(tmp_path / "dem.tif")
    with rasterio.open(tmp_path / "dem.tif", "r+") as file:
        file.set_band_unit(1, "ft")
    with pytest.raises(
        LoamError, match=r"dem.tif: its heights are in 'ft'; convert them to metres"
    ):
        mosaic([tmp_path / "dem.tif"], box)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_tile_far_away_changes_nothing_and_zones_meet_without_a_gap(
    tmp_path, order: tuple[int, int, int]
) -> None:
    """An area on 6 degrees east: its tiles are in two UTM zones, and one more lies on the other side of the globe."""
    box = GeoBox.from_bbox(
        (-1_000, -1_000, 1_000, 1_000), "+proj=laea +lat_0=45 +lon_0=6", resolution=20
    )
    paths = []
    for index, (lon, crs) in enumerate(
        ((5.99, "EPSG:32631"), (6.01, "EPSG:32632"), (-170.0, "EPSG:32602"))
    ):
        middle = point(lon, 45, "EPSG:4326").to_crs(crs).coords[0]
        corner = Affine(20, 0, round(middle[0], -2) - 1500, 0, -20, round(middle[1], -2) + 1500)
        paths.append(
            stored(tmp_path / f"{index}.tif", np.full((150, 150), 7, np.float32), corner, crs)
        )
    heights = to_grid(mosaic([paths[index] for index in order], box), box, "bilinear")
    np.testing.assert_allclose(heights.values, 7, rtol=1e-6)


def test_fill_that_a_scale_hides_is_a_void(tmp_path, box) -> None:
    values = np.full(tuple(box.shape), 12345, np.int16)
    values[
        3, 3
    ] = -32768  # -327.68 m once scaled: lower than any ground in sight, but not than any on Earth
    path = stored(tmp_path / "dem.tif", values, box.transform, str(box.crs), scale=0.01)
    assert np.argwhere(np.isnan(mosaic([path], box).values)).tolist() == [[3, 3]]
