"""Gaps are filled from the past alone, and their age is known."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import days
from hypothesis import given, settings
from hypothesis import strategies as st

from loam.core.errors import LoamError
from loam.core.grid import coarsened
from loam.covariates.vegetation import checked_ndvi, fill_from_past


def series(values: list[float], step: int = 10) -> xr.DataArray:
    return xr.DataArray(
        np.array(values).reshape(-1, 1, 1),
        dims=("time", "y", "x"),
        coords={"time": days("2020-01-01", len(values), step)},
    )


def test_the_last_clear_look_is_carried_forward_and_ages() -> None:
    nan = np.nan
    filled = fill_from_past(series([nan, 0.3, nan, nan, 0.5, nan]), 25)
    np.testing.assert_array_equal(filled["ndvi"].values.ravel(), [nan, 0.3, 0.3, 0.3, 0.5, 0.5])
    np.testing.assert_array_equal(filled["age"].values.ravel(), [25, 0, 10, 20, 0, 10])
    tired = fill_from_past(series([0.3, nan, nan, nan]), 15)
    np.testing.assert_array_equal(tired["ndvi"].values.ravel(), [0.3, 0.3, nan, nan])
    np.testing.assert_array_equal(tired["age"].values.ravel(), [0, 10, 15, 15])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_a_later_look_changes_nothing_earlier(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(10) < 0.5, np.nan, rng.random(10))
    changed = values.copy()
    changed[cut:] = rng.random(10 - cut)
    before, after = (fill_from_past(series(list(each)), 60) for each in (values, changed))
    for name in ("ndvi", "age"):
        np.testing.assert_array_equal(before[name].values[:cut], after[name].values[:cut])


def test_finer_pixels_are_averaged_coarser_ones_left(layer, box) -> None:
    fine, coarse = box.zoom_out(0.5), box.zoom_out(4)
    values = np.random.default_rng(0).random((1, *fine.shape)).astype(np.float32)
    got = coarsened(layer(values, days("2020-01-01", 1), on=fine), box)
    np.testing.assert_allclose(
        got.values[0], values[0].reshape(12, 2, 16, 2).mean((1, 3)), rtol=1e-5
    )
    rough = layer(np.ones((1, *coarse.shape)), days("2020-01-01", 1), on=coarse)
    assert coarsened(rough, box).shape == rough.shape


def test_two_looks_of_a_day_become_one() -> None:
    values = series([0.2, 0.4, 0.6]).assign_coords(
        time=np.array(["2020-01-01T10", "2020-01-01T11", "2020-01-03T10"], dtype="datetime64[ns]")
    )
    np.testing.assert_allclose(checked_ndvi(values, "n.nc").values.ravel(), [0.3, 0.6], rtol=1e-6)


def test_an_unscaled_index_is_named() -> None:
    with pytest.raises(
        LoamError,
        match=r"n.nc: ndvi reaches from 3000 to 8000, outside -1 to 1; apply its scale factor",
    ):
        checked_ndvi(series([3000, 8000]).rename("ndvi"), "n.nc")


def test_fill_that_was_scaled_is_no_vegetation(layer, box, caplog) -> None:
    """MODIS' -3000 times 1e-4, not declared; single pixels of that value may be water."""
    values = np.full((2, *box.shape), 0.6, np.float32)
    values[0, :6] = -0.3
    times = np.array(["2020-01-01", "2020-01-17"], "datetime64[ns]")
    got = checked_ndvi(layer(values, times).rename("ndvi"), Path("n.nc"))
    assert int(np.isnan(got.values).sum()) == 6 * box.shape.x
    assert "MODIS' fill of -3000 scaled" in caplog.text
    assert float(
        checked_ndvi(
            layer(np.where(values < 0, -0.29, values), times).rename("ndvi"), Path("n.nc")
        ).min()
    ) == pytest.approx(-0.29)
