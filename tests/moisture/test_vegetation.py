"""Plants: the inverse of the twin's canopy, regressions, and what each treatment gains on the twin."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import days
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from radar_scene import VV, Site, see

from loam.core.flags import Flag
from loam.core.raster import write_zarr
from loam.moisture.vegetation import soil_backscatter, vegetation_slope, without_vegetation
from loam.twin import radar

COUNT = 200
TIMES = days("2020-01-01T06:00", COUNT, step=6)


@settings(max_examples=50, deadline=None)
@given(st.floats(-18, -5), st.floats(0, 0.9), st.floats(20, 45))
def test_the_soil_below_the_twins_canopy_comes_back(
    soil_db: float, ndvi: float, angle: float
) -> None:
    whole = radar.water_cloud(
        np.array([10 ** (soil_db / 10)]), np.array([ndvi]), np.array([angle]), VV
    )
    got, growth = soil_backscatter(
        10 * np.log10(whole), np.array([ndvi]), angle, VV.canopy_a, VV.canopy_b
    )
    assert got[0] == pytest.approx(soil_db, abs=1e-3)
    step = 1e-4  # growth of noise is the derivative of the soil's dB by the whole's
    more, _ = soil_backscatter(
        10 * np.log10(whole) + 10 * np.log10(1 + step),
        np.array([ndvi]),
        angle,
        VV.canopy_a,
        VV.canopy_b,
    )
    assert growth[0] >= 1 - 1e-6
    assert growth[0] == pytest.approx((more[0] - got[0]) / (10 * np.log10(1 + step)), rel=0.05)


def test_a_canopy_that_gives_all_the_echo_hides_the_soil() -> None:
    soil, growth = soil_backscatter(
        np.array([-20.0]), np.array([0.9]), 40.0, VV.canopy_a, VV.canopy_b
    )
    assert np.isnan(soil).all()
    assert np.isnan(growth).all()


def test_a_regression_finds_its_slope_with_an_honest_error_whatever_the_track() -> None:
    rng = np.random.default_rng(0)
    tracks = np.array(["A", "D"])[np.arange(100) % 2]
    plants = rng.uniform(0, 1, (100, 40, 40)) + 0.5 * (tracks == "D")[:, None, None]
    level = -12 + 3 * plants - 5 * (tracks == "D")[:, None, None] + rng.normal(0, 1, plants.shape)
    level[rng.random(level.shape) < 0.1] = np.nan
    slope, error, mean = vegetation_slope(level, plants, tracks)
    assert slope.mean() == pytest.approx(3, abs=0.03)
    assert error.mean() == pytest.approx(slope.std(), rel=0.1)
    left = without_vegetation(level, plants, slope, mean)
    assert np.abs(vegetation_slope(left, plants, tracks)[0]).max() < 1e-4
    np.testing.assert_array_equal(
        without_vegetation(level, np.full_like(level, np.nan), slope, mean),
        level.astype(np.float32),
    )


@pytest.fixture(scope="module")
def grid() -> GeoBox:
    return GeoBox.from_bbox((330000, 4290000, 331000, 4291000), "EPSG:32618", resolution=20)


@pytest.fixture(scope="module")
def crops():
    """Moisture of any day on smooth soil, over which the summer's plants shine: 100 looks a pixel."""
    rng = np.random.default_rng(8)
    year = 2 * np.pi * (np.arange(COUNT) * 6 % 365) / 365
    ndvi = (0.4 - 0.3 * np.cos(year))[:, None, None] * np.ones((1, 50, 50)) + rng.normal(
        0, 0.03, (1, 50, 50)
    )
    return see(
        rng.uniform(0, 1, (COUNT, 50, 50)).astype(np.float32), rng, ndvi=ndvi, brightness_db=-3.0
    ), ndvi


def run(
    crops, grid: GeoBox, site: Callable, tmp_path: Path, layer: Callable, mode: str, **more: float
) -> xr.Dataset:
    seen, ndvi = crops
    looks = {"ndvi": (ndvi, "NDVI"), "age": (np.zeros_like(ndvi), "age")}
    seen_on = TIMES.astype("datetime64[D]").astype("datetime64[ns]")
    layers = {
        name: layer(values.astype(np.float32), seen_on, on=grid, units="1", long_name=text)
        for name, (values, text) in looks.items()
    }
    composites = xr.Dataset(layers)
    composites["age"].attrs["max_age_days"] = 60
    write_zarr(composites.odc.assign_crs(grid.crs), tmp_path / "ndvi.zarr")
    bands = {"vv": 10 ** (seen.level / 10), "vh": 10 ** (seen.vh / 10), "incidence": seen.angle}
    here: Site = site(
        bands,
        seen.tracks,
        grid,
        TIMES,
        COUNT,
        extra={"ndvi": tmp_path / "ndvi.zarr"},
        sources={"ndvi": {"path": "ndvi.zarr"}},
        moisture={
            "signal": {"label_support_m": 20, "looks": 100, "snow_memory_days": 0},
            "vegetation": {"mode": mode} | more,
        },
    )
    here.fit()
    return here.detect()


def summer_bias(ssm: np.ndarray, truth: np.ndarray, ndvi: np.ndarray) -> float:
    """Mean error under dense plants less that under sparse ones: the growing season's bias [1]."""
    wrong, dense = ssm - truth, ndvi > 0.5
    return float(np.nanmean(wrong[dense]) - np.nanmean(wrong[~dense]))


@pytest.fixture
def plain(
    crops, grid: GeoBox, site: Callable, tmp_path: Path, layer: Callable
) -> tuple[float, float]:
    """Bias of the growing season and r over all pixel-dates, with nothing done about plants."""
    ssm = run(crops, grid, site, tmp_path, layer, "none")["ssm"].values
    return summer_bias(ssm, crops[0].moisture, crops[1]), float(
        np.corrcoef(ssm.ravel(), crops[0].moisture.ravel())[0, 1]
    )


@pytest.mark.parametrize(
    ("mode", "left", "more"),
    [("ndvi", 0.35, 0.04), ("water_cloud", 0.2, 0.07), ("cross_ratio", 0.35, 0.04)],
)
def test_treating_plants_takes_most_of_the_growing_seasons_bias(
    crops,
    grid: GeoBox,
    site: Callable,
    tmp_path: Path,
    layer: Callable,
    plain: tuple[float, float],
    mode: str,
    left: float,
    more: float,
) -> None:
    got = run(crops, grid, site, tmp_path, layer, mode)
    ssm, known = got["ssm"].values, np.isfinite(got["ssm"].values)
    bias, r = (
        summer_bias(ssm, crops[0].moisture, crops[1]),
        np.corrcoef(ssm[known], crops[0].moisture[known])[0, 1],
    )
    print(
        f"{mode}: growing season's bias {bias:+.3f} against {plain[0]:+.3f}, r {r:.3f} against {plain[1]:.3f}"
    )
    assert abs(plain[0]) > 0.05
    assert abs(bias) < left * abs(plain[0])
    assert r > plain[1] + more


def test_dense_plants_are_flagged_and_nothing_else(
    crops, grid: GeoBox, site: Callable, tmp_path: Path, layer: Callable
) -> None:
    flags = run(crops, grid, site, tmp_path, layer, "flag", dense_ndvi=0.6)["flags"].values
    np.testing.assert_array_equal(
        (flags & int(Flag.DENSE_VEGETATION)) != 0, crops[1].astype(np.float32) > 0.6
    )
