"""Volumetric moisture and soil water index, against an independent computation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import days
from pytesmo.time_series.filters import exp_filter

from loam.core.errors import LoamError
from loam.core.flags import Flag
from loam.core.raster import open_dataset, write_zarr
from loam.moisture.derived import (
    contents_of_texture,
    exponential_filter,
    soil_water_index,
    volumetric_moisture,
    water_contents,
)
from loam.twin.landscape import hydraulic_soil


@pytest.mark.parametrize("length", [5, 20])
def test_the_filter_is_pytesmos(length: int) -> None:
    rng = np.random.default_rng(0)
    when = np.sort(rng.choice(400, 90, replace=False)).astype(float)
    ssm = rng.uniform(0, 1, (90, 2, 3))
    ssm[rng.random(ssm.shape) < 0.2] = np.nan
    got, _ = exponential_filter(ssm, when, length)
    for y in range(2):
        for x in range(3):
            known = np.isfinite(ssm[:, y, x])
            expected = exp_filter(ssm[known, y, x].copy(), when[known], length, np.nan)
            np.testing.assert_allclose(got[known, y, x], expected, atol=1e-6)


def test_the_filter_goes_on_from_its_state_as_if_never_stopped() -> None:
    rng = np.random.default_rng(1)
    ssm, when = rng.uniform(0, 1, (30, 2, 2)), np.arange(30) * 6.0
    whole, _ = exponential_filter(ssm, when, 10)
    first, state = exponential_filter(ssm[:13], when[:13], 10)
    second, _ = exponential_filter(ssm[13:], when[13:], 10, state)
    np.testing.assert_array_equal(np.concatenate([first, second]), whole)


def test_texture_gives_the_published_contents() -> None:
    """Saxton & Rawls (2006), table 3: 1500 kPa and saturation of sandy loam and clay loam, 2.5 % organic matter [% by volume]."""
    for sand, clay, wilting, saturated in ((65, 10, 8, 45), (32, 34, 22, 48), (20, 15, 11, 48)):
        dry, wet = contents_of_texture(np.array(float(sand)), np.array(float(clay)))
        assert 200 * dry == pytest.approx(wilting, abs=1)
        assert 100 * wet == pytest.approx(saturated, abs=1)
    soil = hydraulic_soil(np.array([40.0]), np.array([20.0]))
    np.testing.assert_allclose(
        contents_of_texture(np.array([40.0]), np.array([20.0])), [soil.theta_r, soil.theta_s]
    )


def test_contents_of_the_source_come_first_and_none_is_one_clear_line() -> None:
    one, two = np.array([[0.05]]), np.array([[0.45]])
    assert water_contents(
        {"theta_r": one, "theta_s": two, "sand": one, "clay": one}, Path("s")
    ) == (one, two)
    with pytest.raises(LoamError, match="neither theta_r and theta_s nor sand and clay"):
        water_contents({"elevation": one}, Path("s"))


@pytest.fixture
def labels(tmp_path: Path, layer: Callable, box) -> Path:
    rng = np.random.default_rng(2)
    times, shape = days("2021-01-01", 40, step=6), (40, *box.shape)
    data = xr.Dataset(
        {
            "ssm": layer(
                rng.uniform(0, 1, shape).astype(np.float32),
                times,
                units="1",
                long_name="ssm",
                effective_resolution="100 m",
            ),
            "ssm_uncertainty": layer(
                np.full(shape, 0.1, np.float32), times, units="1", long_name="u"
            ),
            "flags": layer(
                np.where(rng.random(shape) < 0.1, int(Flag.FROZEN), 0).astype(np.int32),
                times,
                units="1",
                long_name="flags",
            ),
        }
    )
    write_zarr(data.odc.assign_crs(box.crs), tmp_path / "ssm.zarr", {"time": 16})
    return tmp_path / "ssm.zarr"


def test_files_of_both_products(labels: Path, layer: Callable, box, cfg, load: Callable) -> None:
    contents = np.stack([np.full(box.shape, 0.06), np.full(box.shape, 0.46)]).astype(np.float32)
    both = (
        layer(contents[0], units="1", long_name="static")
        .expand_dims(channel=["theta_r", "theta_s"])
        .copy(data=contents)
    )
    static = xr.Dataset({"static": both})
    write_zarr(static.odc.assign_crs(box.crs), labels.with_name("static.zarr"))
    source = open_dataset(labels).load()
    usable = np.where(source["flags"] == 0, source["ssm"], np.nan)
    volumetric_moisture(
        labels, labels.with_name("static.zarr"), labels.with_name("v.zarr"), cfg.moisture.compute, 2
    )
    moist = open_dataset(labels.with_name("v.zarr")).load()
    np.testing.assert_allclose(moist["volumetric"], 0.06 + 0.4 * usable, atol=1e-6)
    np.testing.assert_allclose(
        moist["volumetric_uncertainty"].values[np.isfinite(usable)], 0.04, atol=1e-6
    )
    assert moist["volumetric"].attrs["units"] == "m3 m-3"
    derived = load(moisture={"derived": {"soil_water_index_days": [5, 12.5]}}).moisture.derived
    soil_water_index(labels, labels.with_name("swi.zarr"), derived, cfg.moisture.compute, 2)
    index = open_dataset(labels.with_name("swi.zarr")).load()
    when = np.arange(40) * 6.0
    for name, length in (("swi_5", 5), ("swi_12.5", 12.5)):
        np.testing.assert_allclose(
            index[name], exponential_filter(usable, when, length)[0], atol=1e-5
        )
        assert index[name].attrs["effective_resolution"] == "100 m"
