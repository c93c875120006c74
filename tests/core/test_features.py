"""What a model is shown: windows, interpolation, the last clear look."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from helpers import days
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from loam.core.errors import LoamError
from loam.core.features import WEATHER, Covariates, Field, bilinear, open_covariates, weather_window
from loam.core.raster import write_zarr


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_bilinear_is_scipys(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, rows, columns))
    position = rng.uniform(-1, 7, size=(2, 5, 4))
    expected = [map_coordinates(field, position, order=1, mode="nearest") for field in values]
    np.testing.assert_allclose(bilinear(values, *position), expected, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10**6))
def test_few_cells_and_many_give_the_same(size: int, seed: int) -> None:
    """Ten days of six variables under a patch of 64 x 64, by scipy: a product over few cells, corners over many."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(10, 6, 40, 40)).astype(np.float32)
    position = rng.uniform(5, 5 + size, size=(2, 64, 64))
    expected = [
        map_coordinates(field, position, order=1, mode="nearest")
        for field in values.reshape(-1, 40, 40)
    ]
    np.testing.assert_allclose(bilinear(values, *position).reshape(60, 64, 64), expected, atol=1e-5)


def test_a_gap_stays_where_it_is() -> None:
    rows, columns = np.mgrid[:4, :4].astype(float)
    values = np.arange(16.0).reshape(4, 4)
    values[1, 2] = np.nan
    np.testing.assert_array_equal(bilinear(values, rows, columns), values)
    between = bilinear(values, rows[:, :3], columns[:, :3] + 0.5)
    assert between[1, 1] == 5  # the left neighbour alone
    assert np.isfinite(between).all()


def test_windows_sum_rain_and_et_and_average_the_rest() -> None:
    values = np.arange(6 * len(WEATHER), dtype=float).reshape(6, len(WEATHER), 1, 1)
    two = weather_window(values, 4, 2, "aggregate")[0, :, 0, 0]
    pairs = values[3:5, :, 0, 0]
    for channel, name in enumerate(WEATHER):
        total = pairs[:, channel].sum()
        assert two[channel] == (
            total if name in ("precipitation", "evapotranspiration") else total / 2
        ), name


@pytest.mark.parametrize("days", [1, 2, 3, 7])
def test_any_length_of_window_in_both_forms(days: int) -> None:
    values = np.random.default_rng(days).random((12, len(WEATHER), 2, 3))
    aggregate, sequence = (
        weather_window(values, 10, days, form) for form in ("aggregate", "sequence")
    )
    assert sequence.shape == (days, len(WEATHER), 2, 3)
    np.testing.assert_allclose(aggregate[0, 0], sequence[:, 0].sum(axis=0))
    np.testing.assert_allclose(aggregate[0, 1], sequence[:, 1].mean(axis=0))


def test_a_sequence_ends_on_the_day_itself() -> None:
    values = np.arange(6.0).reshape(6, 1, 1, 1)
    assert weather_window(values, 4, 3, "sequence").ravel().tolist() == [2, 3, 4]


def test_weather_on_cells_is_the_mean_over_their_pixels(covariates: Covariates, box) -> None:
    rows, columns = np.mgrid[: box.shape[0], : box.shape[1]] / 20
    field = np.random.default_rng(0).random((2, 3, 3)).astype(np.float32)
    weather = Field(covariates.weather.times, covariates.weather.values, rows, columns)
    whole = (slice(0, 12), slice(0, 16))
    pixels = weather.at(field, whole).reshape(2, 3, 4, 4, 4).mean((2, 4))
    # Inside one cell of the coarse grid.
    np.testing.assert_allclose(weather.at(field, whole, 4), pixels, atol=1e-6)
    assert weather.at(field, (slice(0, 11), slice(0, 13)), 4).shape == (2, 3, 4)


@pytest.fixture
def covariates(box) -> Covariates:
    weather = np.arange(10.0)[:, None, None, None] * np.ones((1, len(WEATHER), 1, 1))
    at = np.zeros(box.shape)
    ndvi = np.stack([np.full((2, 1, 1), np.nan), np.array([0.5, 3.0]).reshape(2, 1, 1)])
    looks = np.array(["2020-01-02", "2020-01-05"], dtype="datetime64[D]")
    first = np.arange(10) + np.datetime64("2020-01-01")
    return Covariates(
        box,
        np.zeros((1, *box.shape)),
        ("slope", "ndvi", "ndvi_age"),
        Field(first, weather, at, at),
        Field(looks, ndvi, at, at),
    )


WINDOW = (slice(0, 2), slice(0, 3))


def test_the_weather_of_a_day_is_that_days(covariates: Covariates) -> None:
    dynamic = covariates.dynamic(np.datetime64("2020-01-04T22:50"), 2, "sequence", WINDOW)
    assert dynamic.shape == (2, len(WEATHER), 2, 3)
    assert dynamic[:, 0, 0, 0].tolist() == [2, 3]


@pytest.mark.parametrize(("day", "length"), [("2020-01-02", 3), ("2020-01-11", 1)])
def test_a_window_beyond_the_weather_stops(covariates: Covariates, day: str, length: int) -> None:
    with pytest.raises(LoamError, match="covers 2020-01-01 to 2020-01-10"):
        covariates.dynamic(np.datetime64(day), length, "sequence", WINDOW)


def test_ndvi_is_the_last_look_and_grows_old(covariates: Covariates) -> None:
    assert covariates.stationary(np.datetime64("2020-01-05"), WINDOW)[1:, 0, 0].tolist() == [
        0.5,
        3.0,
    ]
    assert covariates.stationary(np.datetime64("2020-01-09T05:00"), WINDOW)[1:, 0, 0].tolist() == [
        0.5,
        7.0,
    ]
    # A look on the 5th must not be seen on the 4th.
    before = covariates.stationary(np.datetime64("2020-01-04"), WINDOW)
    assert np.isnan(before[1]).all()


def test_a_look_that_is_too_old_no_longer_counts(covariates: Covariates) -> None:
    tired = replace(covariates, ndvi=replace(covariates.ndvi, max_age=6.0))
    assert tired.stationary(np.datetime64("2020-01-08"), WINDOW)[1:, 0, 0].tolist() == [0.5, 6.0]
    late = tired.stationary(np.datetime64("2020-03-01"), WINDOW)
    assert np.isnan(late[1]).all()
    assert (late[2] == 6).all()


def test_covariates_are_read_with_their_positions(tmp_path, box, layer) -> None:
    static = layer(
        np.ones((2, *box.shape), np.float32), [0, 1], units="see", long_name="terrain"
    ).rename(time="channel")
    write_zarr(
        static.assign_coords(channel=["slope", "sand"])
        .to_dataset(name="static")
        .odc.assign_crs(box.crs),
        tmp_path / "static.zarr",
    )
    coarse = box.zoom_out(4)
    ramp = np.broadcast_to(np.arange(4.0), (2, 3, 4)).astype(np.float32)
    weather = xr.Dataset(
        {
            name: layer(ramp, days("2020-01-01", 2), on=coarse, units="1", long_name=name)
            for name in WEATHER
        }
    )
    write_zarr(weather.odc.assign_crs(box.crs), tmp_path / "weather.zarr")
    opened = open_covariates([tmp_path / "static.zarr", tmp_path / "weather.zarr"])
    assert opened.static_names == ("slope", "sand")
    across = opened.dynamic(
        np.datetime64("2020-01-02"), 1, "sequence", (slice(0, 12), slice(0, 16))
    )[0, 0, 0]
    # centres of fine pixels lie at 1/8, 3/8, 5/8, 7/8 of a coarse cell
    np.testing.assert_allclose(
        across[:8], [0, 0, 0.125, 0.375, 0.625, 0.875, 1.125, 1.375], atol=1e-6
    )
