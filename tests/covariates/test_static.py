"""Terrain against surfaces whose slope is known, and what a bad DEM or soil says."""

import logging

import numpy as np
import pytest
import rioxarray  # noqa: F401  (registers .rio)
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from loam.config.base import Grid
from loam.config.covariates import Static
from loam.config.sources import Soil
from loam.core.errors import LoamError
from loam.core.raster import open_dataset
from loam.core.voids import without_voids
from loam.covariates.static import prepare_static, soil_on_grid, terrain_of, terrain_on_grid
from loam.covariates.terrain import mean_curvature, terrain_attributes

BOUNDS = (330000, 4290000, 330320, 4290240)
CFG = Static(curvature=False, wetness_index=False, max_void_share=0.02)
GRID = Grid(aoi=BOUNDS, crs="EPSG:32618", resolution_m=20)


def plane(
    east: float, north: float, shape: tuple[int, int] = (30, 40), pixel: float = 20
) -> np.ndarray:
    """Heights that rise by these amounts per metre; rows run south."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return east * columns * pixel - north * rows * pixel


@pytest.mark.parametrize(("east", "north"), [(0.3, 0), (0, 0.3), (-0.2, 0.1), (0, 0)])
def test_a_plane_has_its_slope_and_aspect(east: float, north: float) -> None:
    got = {
        name: values[5:-5, 5:-5]
        for name, values in terrain_attributes(plane(east, north), 20, wetness_index=False).items()
    }
    length = np.sqrt(1 + east**2 + north**2)
    np.testing.assert_allclose(
        got["slope"], np.degrees(np.arctan(np.hypot(east, north))), atol=1e-6
    )
    # Ground that rises northward faces south.
    np.testing.assert_allclose(got["northness"], -north / length, atol=1e-9)
    np.testing.assert_allclose(got["eastness"], -east / length, atol=1e-9)


def test_wetness_gathers_in_the_valley() -> None:
    rows, columns = np.mgrid[:40, :41]
    valley = 0.05 * 20 * (40 - rows) + 0.2 * 20 * abs(columns - 20)
    index = terrain_attributes(valley.astype(float), 20, wetness_index=True)["wetness_index"]
    assert index[35, 20] > index[35, 10] + 3
    assert index[35, 20] > index[5, 20]


def test_slope_is_that_of_the_ground_whatever_the_dems_grid(layer, box) -> None:
    """A finer DEM in the same CRS, and one in degrees, give the slope of the plane that they show."""
    fine = box.pad(20).zoom_out(0.5)
    native = layer(plane(0.2, 0.1, fine.shape, 10).astype(np.float32), on=fine)
    degrees = native.odc.reproject("EPSG:4326", resampling="bilinear", dst_nodata=np.nan)
    for dem, tolerance in ((native, 0.01), (degrees, 0.35)):
        slope = terrain_on_grid(dem, box, "dem.tif", CFG)[0]["slope"]
        assert slope.shape == box.shape
        np.testing.assert_allclose(
            slope.values[1:-1, 1:-1], np.degrees(np.arctan(np.hypot(0.2, 0.1))), atol=tolerance
        )


def test_a_dem_with_a_void_is_named_with_its_share(layer, box) -> None:
    height = np.zeros(box.shape, np.float32)
    height[0, :] = np.nan
    with pytest.raises(LoamError, match=r"dem.tif: no height on 8.3% of the area of interest"):
        terrain_on_grid(layer(height), box, "dem.tif", CFG)


def test_small_voids_are_filled_from_around_flagged_and_told(
    layer, box, caplog: pytest.LogCaptureFixture
) -> None:
    """A void in a plane, declared or not, is filled to within a metre; its pixels, and no others, are flagged."""
    around = box.pad(10)
    height = plane(0.1, 0.05, around.shape) + 500
    spoilt = height.copy()
    spoilt[15, 15], spoilt[15, 16] = np.nan, -9999
    layers, filled = terrain_on_grid(
        layer(spoilt.astype(np.float32), on=around), box, "dem.tif", CFG
    )
    assert np.argwhere(filled).tolist() == [[5, 5], [5, 6]]
    np.testing.assert_allclose(layers["elevation"].values, height[10:-10, 10:-10], atol=1)
    assert (
        "dem.tif: no height on 1.04 % of the area of interest; filled from around and flagged"
        in caplog.text
    )


def test_a_void_wider_than_the_search_takes_the_nearest_height() -> None:
    height = np.full((5, 400), 50.0)
    height[:, 20:380] = np.nan
    np.testing.assert_allclose(without_voids(height), 50)


def test_a_slope_over_degrees_is_refused_and_would_be_upright(layer, box) -> None:
    degrees = layer(plane(0.2, 0.1, box.shape).astype(np.float32)).odc.reproject(
        "EPSG:4326", resampling="bilinear", dst_nodata=np.nan
    )
    pixel = abs(degrees.odc.geobox.resolution.x)
    wrong = terrain_attributes(degrees.fillna(0).values, pixel, wetness_index=False)["slope"]
    assert np.median(wrong) > 89.9  # what is refused
    with pytest.raises(LoamError, match="in degrees; slopes need metres"):
        terrain_of(degrees, "dem.tif", CFG)


def test_curvature_of_a_bowl_and_a_dome() -> None:
    """z = (x² + y²) / (2 R) has second derivatives 1 / R; a hollow is negative."""
    rows, columns = np.mgrid[-10:11, -10:11] * 20.0
    bowl = (rows**2 + columns**2) / (2 * 500.0)
    np.testing.assert_allclose(mean_curvature(bowl, 20)[1:-1, 1:-1], -2 / 500, rtol=1e-9)
    np.testing.assert_allclose(mean_curvature(-bowl, 20)[1:-1, 1:-1], 2 / 500, rtol=1e-9)


def test_a_coarser_dem_keeps_its_own_pixels(layer, box) -> None:
    """Slopes of a 90 m DEM are taken over 90 m and interpolated, not over facets of 20 m."""
    coarse = box.pad(40).zoom_out(4.5)
    rows, columns = np.mgrid[: coarse.shape[0], : coarse.shape[1]]
    bumpy = (30 * np.sin(columns / 1.5) + 20 * np.cos(rows / 2)).astype(np.float32)
    native = terrain_attributes(bumpy.astype(float), 90, wetness_index=False)["slope"]
    slope = terrain_on_grid(layer(bumpy, on=coarse), box, "dem.tif", CFG)[0]["slope"].values
    assert slope.max() <= native.max()
    steps = np.abs(np.diff(slope, axis=1))
    assert steps.max() < 0.5 * np.ptp(slope)  # smooth from pixel to pixel


def test_soil_gaps_are_told_and_missing_units_refused(
    layer, box, caplog: pytest.LogCaptureFixture
) -> None:
    sand = np.full(box.shape, 40.0)
    sand[:3] = np.nan
    with caplog.at_level(logging.WARNING):
        got = soil_on_grid(xr.Dataset({"sand": layer(sand, units="%")}), box, "soil.nc", ())
    assert list(got) == ["sand"]
    assert "soil.nc: sand is missing on 25.0 % of the area of interest" in caplog.text
    with pytest.raises(LoamError, match=r"soil.nc: sand has no units"):
        soil_on_grid(xr.Dataset({"sand": layer(sand)}), box, "soil.nc", ())
    with pytest.raises(LoamError, match=r"soil.nc: variable clay is missing"):
        soil_on_grid(xr.Dataset({"sand": layer(sand, units="%")}), box, "soil.nc", ("clay",))


def test_codes_have_no_values_between_them(layer, box) -> None:
    coarse = box.zoom_out(4)
    group = layer(
        np.where(np.arange(coarse.shape[1]) < 2, 1.0, 4.0) * np.ones(coarse.shape),
        on=coarse,
        units="1",
        flag_values=[1, 2, 3, 4],
    )
    got = soil_on_grid(xr.Dataset({"hydrologic_group": group}), box, "soil.zarr", ())[
        "hydrologic_group"
    ]
    assert set(np.unique(got.values)) == {1, 4}


def test_the_step_writes_channels_with_their_units(tmp_path, layer, box) -> None:
    layer(plane(0.1, 0, box.shape).astype(np.float32)).rio.to_raster(tmp_path / "dem.tif")
    xr.Dataset({"sand": layer(np.full(box.shape, 40.0), units="%")}).odc.assign_crs(
        box.crs
    ).to_netcdf(tmp_path / "soil.nc")
    soil = Soil(kind="netcdf", path="soil.nc", variables=(), depth_cm=5, texture_codes="soilgrids")
    cfg = Static(curvature=True, wetness_index=True, max_void_share=0)
    prepare_static(
        tmp_path / "dem.tif", tmp_path / "soil.nc", tmp_path / "static.zarr", cfg, GRID, None, soil
    )
    static = open_dataset(tmp_path / "static.zarr")["static"]
    assert static.dims == ("channel", "y", "x")
    assert static["channel"].values.tolist() == [
        "elevation",
        "slope",
        "northness",
        "eastness",
        "curvature",
        "wetness_index",
        "sand",
    ]
    assert static.attrs["channel_units"] == ["m", "degree", "1", "1", "m-1", "1", "%"]
    assert static.odc.geobox == box
    assert np.isfinite(static.values).all()


def test_pixels_that_are_not_square_have_the_same_slopes() -> None:
    """A plane and a bowl, sampled every 20 m eastward and every 30 m southward."""
    y, x = np.mgrid[:40, :60]
    plane = 0.1 * 20 * x - 0.2 * 30 * -y
    got = terrain_attributes(plane.astype(float), (20.0, 30.0), wetness_index=False)
    inside = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(
        got["slope"][inside], np.degrees(np.arctan(np.hypot(0.1, 0.2))), rtol=1e-9
    )
    bowl = ((20.0 * x) ** 2 + (30.0 * y) ** 2) / 1000
    np.testing.assert_allclose(mean_curvature(bowl, (20.0, 30.0))[inside], -4 / 1000, rtol=1e-6)


def test_a_dem_of_oblong_pixels_gives_the_slope_of_the_ground(layer, box) -> None:
    oblong = GeoBox(
        (60, 90),
        Affine(10, 0, box.boundingbox.left - 300, 0, -30, box.boundingbox.top + 600),
        box.crs,
    )
    rows, columns = np.mgrid[:60, :90]
    dem = layer((0.2 * 10 * columns - 0.1 * 30 * rows).astype(np.float32), on=oblong)
    slope = terrain_on_grid(dem, box, "dem.tif", CFG)[0]["slope"]
    np.testing.assert_allclose(slope.values, np.degrees(np.arctan(np.hypot(0.2, 0.1))), atol=0.01)


def test_a_void_that_is_not_declared_does_not_bleed_when_the_dem_is_projected(layer, box) -> None:
    degrees = layer(np.full(box.pad(20).shape, 50.0, np.float32), on=box.pad(20)).odc.reproject(
        "EPSG:4326", dst_nodata=np.nan
    )
    values = degrees.values.copy()
    values[26, 28] = -600.0 * 16  # the fill of this file
    layers, _ = terrain_on_grid(
        degrees.copy(data=values), box, "dem.tif", CFG.model_copy(update={"max_void_share": 0.2})
    )
    np.testing.assert_allclose(layers["elevation"].values, 50, atol=1e-3)
