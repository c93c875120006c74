"""Frost and snow, by date and by pixel."""

import numpy as np
import xarray as xr
from helpers import days
from odc.geo.geobox import GeoBox

from loam.moisture.frost import below, frost_of, snow_free_mean, wet_snow


def frost(temperatures: np.ndarray, times: np.ndarray, window: int = 1, memory: int = 30):
    coords = {"time": days("2020-01-01", len(temperatures)), "y": [4290200.0, 4290000.0], "x": [330000.0, 330300.0]}
    field = np.broadcast_to(temperatures[:, None, None], (len(temperatures), 2, 2)) if temperatures.ndim == 1 else temperatures
    return frost_of(xr.DataArray(field, dims=("time", "y", "x"), coords=coords), "EPSG:32618", times, 2.0, window, memory)


def test_a_date_is_frozen_by_its_own_day(box: GeoBox) -> None:
    times = np.array(["2020-01-01T23:59", "2020-01-02T00:01", "2020-01-03T05:00", "2020-02-01T05:00"], dtype="datetime64[ns]")
    frozen = frost(np.array([5.0, -1.0, 5.0]), times).frozen(box, np.arange(4))
    assert frozen.all(axis=(1, 2)).tolist() == [False, True, False, False]
    assert frozen.any(axis=(1, 2)).tolist() == [False, True, False, False]


def test_a_longer_window_looks_back_alone(box: GeoBox) -> None:
    times = days("2020-01-01", 4) + np.timedelta64(6, "h")
    frozen = frost(np.array([-9.0, 6.0, 6.0, -9.0]), times, window=2).frozen(box, np.arange(4))[:, 0, 0]
    assert frozen.tolist() == [True, True, False, True]


def test_frost_is_per_pixel(box: GeoBox) -> None:
    cold_west = np.tile(np.array([[-6.0, 10.0]]), (1, 2, 1))
    frozen = frost(cold_west, days("2020-01-01", 1)).frozen(box, np.arange(1))[0]
    assert frozen[:, 0].all()
    assert not frozen[:, -1].any()


def test_fields_without_a_limit_in_them_are_not_interpolated_but_agree() -> None:
    rows, columns = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 7), indexing="ij")
    fields = np.array([np.full((2, 2), 1.0), np.full((2, 2), 3.0), [[0.0, 4.0], [0.0, 4.0]], np.full((2, 2), np.nan)], np.float32)
    got = below(fields, 2.0, rows, columns)
    assert got.all(axis=(1, 2)).tolist() == [True, False, False, False]
    np.testing.assert_array_equal(got[2], 4 * columns < 2)


def test_snow_lies_for_so_long_after_frost(box: GeoBox) -> None:
    times = days("2020-01-02", 3, step=8)
    cold_once = np.where(np.arange(40) == 1, -3.0, 9.0)
    assert frost(cold_once, times, memory=10).snow_possible(box, np.arange(3))[:, 0, 0].tolist() == [True, True, False]
    assert not frost(cold_once, times, memory=0).snow_possible(box, np.arange(3)).any()


def test_snow_is_judged_against_its_own_season() -> None:
    """Summer VH is 3 dB higher by plants; wet snow takes 4 dB from the winter's."""
    rng = np.random.default_rng(0)
    winter, snow = np.arange(60) % 12 < 5, np.arange(60) % 12 == 2
    vh = (np.where(winter, -20.0, -17.0) - 4.0 * snow)[:, None, None] + rng.normal(0, 0.4, (60, 30, 30))
    tracks = np.array(["A", "D"])[np.arange(60) // 12 % 2]
    possible = np.broadcast_to(winter[:, None, None], vh.shape)
    mean = snow_free_mean(vh, possible, tracks, ["A", "D"], 2.6)
    np.testing.assert_allclose(mean.mean(axis=(1, 2)), -20, atol=0.2)
    found = wet_snow(vh, mean[(tracks == "D").astype(int)], possible, 2.6)
    assert found[snow].mean() >= 0.95
    assert found[~snow].mean() <= 0.03
    assert not found[~winter].any()
