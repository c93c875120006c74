"""Soil moisture, its uncertainty and its flags, against values worked out by other means."""

import numpy as np
import pytest
import xarray as xr
from helpers import days

from loam.config import LandCover
from loam.moisture.change import moisture_series, relative_moisture
from loam.moisture.masks import land_cover_flags, reference_flags, value_flags
from loam.moisture.references import build_references
from loam.moisture.uncertainty import ssm_uncertainty
from loam.raster import Flag


def test_dry_is_zero_wet_is_one_and_a_pixel_without_range_has_no_value() -> None:
    got = relative_moisture(np.array([-16, -8, -12, -18, -12.0]), np.array([-16, -16, -16, -16, -12.0]), np.array([-8, -8, -8, -8, -12.0]))
    np.testing.assert_allclose(got[:4], [0, 1, 0.5, -0.25])
    assert np.isnan(got[4])


def test_uncertainty_is_the_spread_of_a_monte_carlo() -> None:
    rng = np.random.default_rng(10)
    dry, wet, sigma, u_sigma, u_dry, u_wet = -16.0, -9.0, -11.5, 0.4, 0.3, 0.35
    draws = 400_000
    d, w = rng.normal(dry, u_dry, draws), rng.normal(wet, u_wet, draws)
    spread = ((rng.normal(sigma, u_sigma, draws) - d) / (w - d)).std()
    got = ssm_uncertainty(np.array((sigma - dry) / (wet - dry)), np.array(wet - dry), np.array(u_sigma), np.array(u_dry), np.array(u_wet))
    assert got == pytest.approx(spread, rel=0.03)


def test_flags_say_each_fault() -> None:
    flags = value_flags(
        np.array([-0.1, 0.5, 1.2, np.nan]), np.array([-9, -9, -9, np.nan]), np.array([30, 50, 30, 10.0]), (20, 45), frozen=False
    )
    assert [Flag(int(flag)) for flag in flags] == [
        Flag.CLIPPED_LOW,
        Flag.INCIDENCE,
        Flag.CLIPPED_HIGH,
        Flag.NO_OBSERVATION | Flag.INCIDENCE,
    ]
    assert Flag(int(value_flags(np.array([0.5]), np.array([-9.0]), None, (20, 45), frozen=True)[0])) == Flag.FROZEN
    weak = reference_flags(np.array([1.0, 3.0, 3.0, np.nan]), np.array([0.1, 1.2, 0.1, 0.1]), np.array([60, 60, 10, 60]), 1.5, 50)
    assert [Flag(int(flag)) for flag in weak] == [Flag.LOW_SENSITIVITY, Flag.LOW_SENSITIVITY, Flag.TOO_FEW_DATES, Flag.LOW_SENSITIVITY]


def test_land_cover_is_the_commonest_class_of_a_pixel(layer, box) -> None:
    fine = box.zoom_out(0.5)
    codes = np.full(fine.shape, 40.0)
    codes[:2, :2] = [[80, 80], [80, 40]]
    codes[2:4, :2] = 50
    classes = LandCover(path="x", legend="own", legends={"own": {"water": (80,), "built_up": (50,), "forest": (10,)}})
    flags = land_cover_flags(layer(codes, on=fine), box, classes)
    assert flags[0, 0] == Flag.WATER
    assert flags[1, 0] == Flag.BUILT_UP
    assert (flags[2:, :] == 0).all()


@pytest.fixture
def scene(box, layer):
    """Two tracks of noise-free backscatter, linear in a known moisture."""
    times, tracks = days("2020-01-01", 240), np.array(["A", "D"] * 120)
    level = np.tile(np.linspace(0.0, 1.0, 120), 2).reshape(2, 120).T.ravel()  # each track sees all conditions evenly
    moisture = level[:, None, None] * np.ones((1, *box.shape))
    decibels = np.where(tracks == "A", -15.0, -13.0)[:, None, None] + 6.0 * moisture
    stack = xr.Dataset({"vv": layer((10 ** (decibels / 10)).astype(np.float32), times)}).assign_coords(track=("time", tracks))
    return stack.odc.assign_crs(box.crs), moisture


def test_known_moisture_comes_back(scene, cfg, box, layer) -> None:
    stack, moisture = scene
    change = cfg.moisture.change
    references = build_references(layer(10 * np.log10(stack["vv"].values), stack["time"].values), None, stack["track"].values, change)
    got = moisture_series(stack, references, np.zeros(box.shape, np.int32), np.zeros(240, bool), change)
    np.testing.assert_allclose(got["ssm"].values, moisture, atol=0.02)
    assert got["ssm"].attrs["effective_resolution"] == "100 m"
    usable = ~(got["flags"].values & int(Flag.LOW_SENSITIVITY | Flag.TOO_FEW_DATES)).astype(bool)
    assert usable.all()
    expected = np.hypot(10 / np.log(10) / np.sqrt(4.4 * 25), 0.1) / 6  # speckle and calibration over sensitivity, at least
    assert (got["ssm_uncertainty"].values > expected * 0.99).all()


def test_a_track_never_seen_in_training_is_flagged_not_guessed(scene, cfg, box, layer) -> None:
    stack, _ = scene
    change = cfg.moisture.change
    seen = stack["track"].values == "A"
    references = build_references(
        layer(10 * np.log10(stack["vv"].values[seen]), stack["time"].values[seen]), None, stack["track"].values[seen], change
    )
    got = moisture_series(stack, references, np.zeros(box.shape, np.int32), np.zeros(240, bool), change)
    assert np.isnan(got["ssm"].values[~seen]).all()
    assert ((got["flags"].values[~seen] & int(Flag.TOO_FEW_DATES)) > 0).all()
    assert np.isfinite(got["ssm"].values[seen]).all()
