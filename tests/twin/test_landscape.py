"""Terrain, soils, land cover, vegetation."""

from datetime import date

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from loam.config.base import Period
from loam.config.twin import Twin
from loam.twin import landscape, vegetation
from loam.twin.catchment import Catchment, make_catchment
from loam.twin.fields import Interpolator, random_field


def test_random_field_has_unit_variance_and_the_asked_correlation(rng: np.random.Generator) -> None:
    field = random_field((600, 600), 10, rng)
    assert field.std() == pytest.approx(1, abs=0.08)
    assert np.corrcoef(field[:, :-10].ravel(), field[:, 10:].ravel())[0, 1] == pytest.approx(
        np.exp(-1), abs=0.06
    )
    # It does not repeat from edge to edge.
    assert abs(np.corrcoef(field[:, 0], field[:, -1])[0, 1]) < 0.3


def test_interpolator_is_exact_for_a_plane() -> None:
    grid = GeoBox.from_bbox((1000, 1000, 3000, 2000), "EPSG:32618", resolution=20)
    y, x = np.arange(8000, -1, -4000.0), np.arange(0, 8001, 4000.0)
    plane = Interpolator(grid, y, x)(2 * x[None, :] + 3 * y[:, None])
    north, east = grid.coords["y"].values, grid.coords["x"].values
    np.testing.assert_allclose(plane, 2 * east[None, :] + 3 * north[:, None])


def test_slope_and_aspect_of_a_plane_that_falls_to_the_east() -> None:
    plane = np.tile(-np.arange(12) * 20 * np.tan(np.deg2rad(10)), (12, 1))
    slope, aspect = landscape.slope_aspect(plane, 20)
    assert np.rad2deg(slope[5, 5]) == pytest.approx(10)
    assert np.rad2deg(aspect[5, 5]) == pytest.approx(90)


def test_slope_falling_to_the_north_has_aspect_zero() -> None:
    plane = np.tile(np.arange(12.0)[:, None], (1, 12))  # the first row is the north
    assert landscape.slope_aspect(plane, 20)[1][5, 5] == pytest.approx(0)


def test_terrain_has_the_asked_relief_and_walkable_slopes(catchment: Catchment, twin: Twin) -> None:
    assert np.ptp(catchment.terrain.elevation_m) == pytest.approx(twin.relief_m, rel=1e-4)
    assert 1 < np.rad2deg(np.median(catchment.terrain.slope_rad)) < 20
    assert np.rad2deg(catchment.terrain.slope_rad.max()) < 45


def test_wetness_index_is_higher_in_a_valley_than_on_its_sides() -> None:
    grid = GeoBox.from_bbox((0, 0, 1200, 1200), "EPSG:32618", resolution=20)
    rows, columns = np.mgrid[:60, :60]
    valley = 3.0 * np.abs(columns - 30) - 0.5 * rows
    slope, _ = landscape.slope_aspect(valley, 20)
    wetness = landscape.wetness_index(valley, slope, grid)
    assert wetness[50, 30] > wetness[50, 15] + 1


def test_soil_of_a_loam_is_that_of_saxton_and_rawls() -> None:
    # Table 3 of the paper: loam, 40 % sand, 20 % clay, 2.5 % organic matter: 14, 28, 46 %v and 15.5 mm/h.
    loam = landscape.hydraulic_soil(np.array([[40.0]]), np.array([[20.0]]))
    assert loam.theta_wp[0, 0] == pytest.approx(0.14, abs=0.006)
    assert loam.theta_fc[0, 0] == pytest.approx(0.28, abs=0.006)
    assert loam.theta_s[0, 0] == pytest.approx(0.46, abs=0.006)
    assert loam.ksat[0, 0] / 24 == pytest.approx(15.5, rel=0.05)


def test_sandy_soil_conducts_more_and_holds_less(rng: np.random.Generator) -> None:
    soil = landscape.hydraulic_soil(np.array([20.0, 70.0]), np.array([25.0, 8.0]))
    assert soil.ksat[1] > 3 * soil.ksat[0]
    assert soil.theta_fc[1] < soil.theta_fc[0]
    sand, clay = landscape.vary_texture(*landscape.make_texture((80, 80), 20, rng), 20, rng)
    soil = landscape.hydraulic_soil(sand, clay)
    assert (soil.theta_r < soil.theta_wp).all()
    assert (soil.theta_wp < soil.theta_fc).all()
    assert (soil.theta_fc < soil.theta_s).all()


def test_land_cover_shares_and_parcel_size() -> None:
    grid = GeoBox.from_bbox((0, 0, 3000, 3000), "EPSG:32618", resolution=20)
    rng = np.random.default_rng(3)
    terrain = landscape.make_terrain(grid, 150, rng)
    parcels = landscape.make_parcels((150, 150), 20, rng)
    cover = landscape.make_landcover(terrain, parcels, 20, rng)
    share = {code: float((cover == code).mean()) for code in np.unique(cover)}
    assert share[landscape.WATER] == pytest.approx(0.02, abs=0.005)
    assert 0.01 < share[landscape.BUILT] < 0.07
    assert 0.58 < share[landscape.CROP] + share[landscape.GRASS] < 0.75
    across = np.sqrt(np.bincount(parcels.ravel())) * 20
    assert 150 < np.median(across) < 400
    heights = terrain.inner_m
    assert heights[cover == landscape.WATER].mean() < heights.mean()
    assert (
        terrain.slope_rad[cover == landscape.TREE].mean()
        > terrain.slope_rad[cover == landscape.CROP].mean()
    )


def test_same_seed_same_landscape_other_seed_another(period: Period, twin: Twin) -> None:
    coarse = GeoBox.from_bbox((330000, 4290000, 330960, 4290960), "EPSG:32618", resolution=60)
    first, again, other = (
        make_catchment(coarse, period, twin.model_copy(update={"seed": seed})) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(again.terrain.elevation_m, first.terrain.elevation_m)
    np.testing.assert_array_equal(again.weather["precipitation"], first.weather["precipitation"])
    assert not np.array_equal(other.terrain.elevation_m, first.terrain.elevation_m)
    assert first.terrain.margin_px * 60 >= 1500


def test_ndvi_is_high_in_summer_and_gaps_are_nan(
    catchment: Catchment, rng: np.random.Generator
) -> None:
    trees = catchment.landcover == landscape.TREE
    summer, winter = catchment.ndvi_on(date(2022, 7, 10)), catchment.ndvi_on(date(2022, 1, 15))
    assert summer[trees].mean() > winter[trees].mean() + 0.25
    gaps = [
        np.isnan(vegetation.composite(summer, date(2022, month, 1), 20, rng)).mean()
        for month in (1, 7)
        for _ in range(40)
    ]
    assert np.mean(gaps[:40]) > np.mean(gaps[40:]) > 0.02
    assert vegetation.composite(summer[:47, :45], date(2022, 7, 1), 20, rng).shape == (24, 23)
