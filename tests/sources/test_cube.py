"""Backscatter cubes: units, CRS, time, and what a bad one says."""

import numpy as np
import pytest
import xarray as xr
from helpers import days

from loam.config.base import Grid, Period
from loam.config.sources import Backscatter
from loam.core.errors import LoamError
from loam.core.raster import open_dataset
from loam.sources.cube import import_cube

PERIOD = Period(start="2020-01-01", end="2020-12-31")
GRID = Grid(aoi="source", crs="source", resolution_m=20)
KIND = Backscatter(
    kind="cube", path=None, polarisations=("vv",), orbits=None, coefficient="gamma0", units=None
)


@pytest.fixture
def cube(tmp_path, box, layer):
    """Write a cube after changing it; return its path."""
    rng = np.random.default_rng(3)
    values = rng.normal(-12, 2, size=(4, *box.shape)).astype(np.float32)

    def write(change=lambda data: data):
        data = xr.Dataset(
            {
                name: layer(values, days("2020-03-01", 4, 6), units="dB", long_name=name)
                for name in ("vv", "vh")
            }
        )
        data = data.assign_coords(track=("time", ["A", "D", "A", "D"])).odc.assign_crs(box.crs)
        path = tmp_path / f"{len(list(tmp_path.glob('*.nc')))}_cube.nc"
        change(data).to_netcdf(path)
        return path

    return write


def run(path, tmp_path, grid: Grid = GRID, period: Period = PERIOD):
    import_cube(path, tmp_path / "stack.zarr", KIND, grid, period)
    return open_dataset(tmp_path / "stack.zarr")


def test_decibels_become_linear_power(cube, tmp_path) -> None:
    path = cube()
    stack = run(path, tmp_path)
    np.testing.assert_allclose(
        10 * np.log10(stack["vv"].values), xr.open_dataset(path)["vv"].values, rtol=1e-5
    )
    assert stack["vv"].attrs["units"] == "1"
    assert stack["vv"].attrs["long_name"] == "gamma nought VV, linear power"
    assert stack["vv"].dims == ("time", "y", "x")
    assert stack["track"].values.tolist() == ["A", "D", "A", "D"]


def test_linear_power_stays_and_may_be_negative(cube, tmp_path) -> None:
    def linear(data: xr.Dataset) -> xr.Dataset:
        data["vv"] = (data["vv"] * 0 - 0.001).assign_attrs(units="1")
        return data

    assert (run(cube(linear), tmp_path)["vv"].values == np.float32(-0.001)).all()


def test_other_axis_orders_and_unsorted_times_are_put_right(cube, tmp_path) -> None:
    plain = run(cube(), tmp_path).load()
    turned = run(
        cube(lambda data: data.isel(time=[2, 0, 3, 1]).transpose("x", "y", "time")), tmp_path
    )
    np.testing.assert_array_equal(turned["vv"].values, plain["vv"].values)
    np.testing.assert_array_equal(turned["time"].values, plain["time"].values)


def test_a_finer_cube_is_averaged_in_power_not_in_decibels(tmp_path, cube) -> None:
    path = cube()
    coarse = run(path, tmp_path, Grid(aoi="source", crs="source", resolution_m=40))
    power = 10 ** (xr.open_dataset(path)["vv"].values / 10)
    np.testing.assert_allclose(
        coarse["vv"].values, power.reshape(4, 6, 2, 8, 2).mean((2, 4)), rtol=1e-4
    )


def test_only_the_period_is_kept_with_its_last_day(cube, tmp_path) -> None:
    stack = run(cube(), tmp_path, period=Period(start="2020-03-02", end="2020-03-13"))
    assert [str(time)[:10] for time in stack["time"].values] == ["2020-03-07", "2020-03-13"]


def test_incidence_of_one_geometry_is_spread_over_its_dates(cube, tmp_path, layer, box) -> None:
    stack = run(
        cube(lambda data: data.assign(incidence=layer(np.full(box.shape, 38.5), units="degree"))),
        tmp_path,
    )
    assert stack["incidence"].shape == stack["vv"].shape
    assert (stack["incidence"].values == 38.5).all()


def test_borders_of_no_power_are_missing_not_dry(cube, tmp_path) -> None:
    def with_borders(data: xr.Dataset) -> xr.Dataset:
        values = data["vv"].values.copy()
        values[:, 0] = -np.inf
        return data.assign(vv=data["vv"].copy(data=values))

    stack = run(cube(with_borders), tmp_path)
    assert np.isnan(stack["vv"].values[:, 0]).all()
    assert (stack["mask"].values[:, 0] == 1).all()
    assert np.isfinite(stack["vv"].values[:, 1:]).all()


def test_rows_that_run_north_are_turned(cube, tmp_path) -> None:
    plain = run(cube(), tmp_path).load()
    turned = run(cube(lambda data: data.isel(y=slice(None, None, -1))), tmp_path)
    np.testing.assert_array_equal(turned["vv"].values, plain["vv"].values)
    assert (np.diff(turned["y"].values) < 0).all()


def test_one_track_may_be_a_scalar(cube, tmp_path) -> None:
    stack = run(cube(lambda data: data.drop_vars("track").assign_coords(track="A004")), tmp_path)
    assert stack["track"].values.tolist() == ["A004"] * 4


def without_units(data: xr.Dataset) -> xr.Dataset:
    del data["vv"].attrs["units"]
    return data


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.drop_vars("vv"), "variable vv is missing"),
        (lambda data: data.drop_vars("track"), "variable track is missing"),
        (lambda data: data.drop_vars("spatial_ref"), "has no CRS"),
        (without_units, "vv has no units; set the attribute to 'dB' or '1'"),
        (
            lambda data: data.assign(vv=data["vv"].assign_attrs(units="furlong")),
            "vv has units 'furlong'",
        ),
        (
            lambda data: data.assign(vv=data["vv"] * np.nan).assign(
                vv=lambda d: d["vv"].assign_attrs(units="dB")
            ),
            "vv is NaN everywhere",
        ),
        (
            lambda data: data.assign(vv=data["vv"].fillna(0) * 0 - 9999).assign(
                vv=lambda d: d["vv"].assign_attrs(units="dB")
            ),
            "declare its nodata",
        ),
        (
            lambda data: data.assign(vv=data["vv"].assign_attrs(units="1")),
            "vv reaches from .* with units '1'; correct its units",
        ),
        (
            lambda data: data.assign(incidence=data["vv"] * 0 + 0.6),
            "incidence has units 'dB'; they must be 'degree'",
        ),
        (
            lambda data: data.isel(time=[0, 1, 1, 2]),
            "time 2020-03-07.* is there 2 times; merge the slices",
        ),
        (lambda data: data.assign(vv=data["vv"].isel(x=0)), r"vv has dimensions \('time', 'y'\)"),
    ],
)
def test_a_bad_cube_is_named_in_one_line(cube, tmp_path, change, said: str) -> None:
    with pytest.raises(LoamError, match=said) as caught:
        run(cube(change), tmp_path)
    assert "cube.nc" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "stack.zarr").exists()


def test_no_acquisition_in_the_period(cube, tmp_path) -> None:
    with pytest.raises(
        LoamError, match="no acquisition between 2021-01-01 and 2021-02-01; change period"
    ):
        run(cube(), tmp_path, period=Period(start="2021-01-01", end="2021-02-01"))


def test_an_area_outside_the_cube(cube, tmp_path) -> None:
    with pytest.raises(LoamError, match=r"grid.aoi lies outside the cube"):
        run(
            cube(),
            tmp_path,
            Grid(aoi=(400000, 4290000, 400400, 4290400), crs="EPSG:32618", resolution_m=20),
        )
