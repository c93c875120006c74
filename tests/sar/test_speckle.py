"""The multitemporal filter: less speckle, the same mean, edges kept, nothing from the future."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import odc_coords, splits_text
from odc.geo.geobox import GeoBox

from loam.config.sar import Speckle
from loam.core.raster import open_dataset, write_zarr
from loam.sar.speckle import filter_speckle, quegan_yu

LOOKS = 4.4


def speckled(mean: np.ndarray, seed: int = 0) -> np.ndarray:
    return (mean * np.random.default_rng(seed).gamma(LOOKS, 1 / LOOKS, mean.shape)).astype(
        np.float32
    )


def enl(power: np.ndarray) -> float:
    return float(power.mean() ** 2 / power.var())


def test_looks_rise_fourfold_and_the_mean_stays() -> None:
    power = speckled(np.full((20, 96, 96), 0.08))
    for causal in (False, True):
        inner = quegan_yu(power, np.full(20, "A"), 7, causal)[-1, 8:-8, 8:-8]
        factor = inner.mean() / power[-1, 8:-8, 8:-8].mean()
        print(
            f"\nlooks {enl(power[-1]):.1f} to {enl(inner):.1f}, mean times {factor:.4f}, causal {causal}"
        )
        assert enl(inner) >= 4 * enl(power[-1, 8:-8, 8:-8])
        assert abs(factor - 1) < 0.01


def test_a_step_stays_a_step() -> None:
    mean = np.full((30, 64, 64), 0.02)
    mean[:, :, 32:] = 0.2
    found = quegan_yu(speckled(mean), np.full(30, "A"), 7, False).mean(axis=0)[8:-8]
    # A boxcar of 7 pixels would give 0.1 on both sides of the edge.
    np.testing.assert_allclose(found[:, 31].mean(), 0.02, rtol=0.1)
    np.testing.assert_allclose(found[:, 32].mean(), 0.2, rtol=0.1)


def test_each_date_keeps_its_own_level() -> None:
    level = np.linspace(0.03, 0.3, 12)[:, None, None]
    found = quegan_yu(speckled(np.broadcast_to(level, (12, 48, 48))), np.full(12, "A"), 7, False)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), level.ravel(), rtol=0.03)


def test_causal_dates_know_nothing_of_later_ones() -> None:
    power = speckled(np.full((8, 24, 24), 0.1))
    changed = power.copy()
    changed[5:] *= 7
    np.testing.assert_array_equal(
        quegan_yu(power, np.full(8, "A"), 5, True)[:5],
        quegan_yu(changed, np.full(8, "A"), 5, True)[:5],
    )


def test_groups_do_not_mix() -> None:
    power = speckled(np.full((6, 24, 24), 0.1))
    groups = np.array(["A", "B"] * 3)
    both = quegan_yu(power, groups, 5, False)
    np.testing.assert_array_equal(both[::2], quegan_yu(power[::2], groups[::2], 5, False))


def test_gaps_stay_gaps_and_spread_no_further() -> None:
    power = speckled(np.full((5, 24, 24), 0.1))
    power[2, 10:12, 10:12] = np.nan
    found = quegan_yu(power, np.full(5, "A"), 5, False)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(power))


def test_negative_power_of_noise_removal_is_no_hole() -> None:
    power = speckled(np.full((5, 24, 24), 0.1))
    power[3, 4, 4] = -0.01
    assert np.isfinite(quegan_yu(power, np.full(5, "A"), 5, False)).all()


@pytest.fixture
def stack(tmp_path: Path, box: GeoBox) -> Path:
    """Write a stack of two tracks."""
    times = np.datetime64("2022-01-01", "ns") + np.arange(8) * np.timedelta64(6, "D")
    power = speckled(np.full((8, *box.shape), 0.1))
    coords = {"time": times, **odc_coords(box), "track": ("time", np.array(["A004", "D106"] * 4))}
    data = xr.Dataset(
        {
            "vv": (("time", "y", "x"), power, {"units": "1", "long_name": "gamma nought VV"}),
            "mask": (
                ("time", "y", "x"),
                np.zeros(power.shape, np.uint8),
                {"units": "1", "long_name": "mask"},
            ),
        },
        coords=coords,
    )
    write_zarr(data.odc.assign_crs(box.crs), tmp_path / "stack.zarr")
    return tmp_path / "stack.zarr"


def test_the_step_filters_per_track_and_within_a_split(stack: Path, tmp_path: Path) -> None:
    times = [str(time) for time in open_dataset(stack)["time"].values.astype("datetime64[s]")]
    splits = tmp_path / "splits.json"
    splits.write_text(splits_text(train=times[:4], test=times[4:]))
    filter_speckle(
        stack, splits, tmp_path / "out.zarr", Speckle(images="split", window_px=5), threads=2
    )
    found, before = open_dataset(tmp_path / "out.zarr"), open_dataset(stack)
    assert found["track"].values.tolist() == before["track"].values.tolist()
    expected = quegan_yu(
        before["vv"].values, np.array(["A1", "D1"] * 2 + ["A2", "D2"] * 2), 5, False
    )
    np.testing.assert_allclose(found["vv"].values, expected, rtol=1e-5)
    assert "Quegan" in found.attrs["speckle_filter"]
