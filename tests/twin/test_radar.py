"""Scattering, timetable."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from loam.config.base import Period
from loam.config.twin import Twin
from loam.twin import landscape, radar

SHAPE = (4, 5)


def _surface(code: int = landscape.CROP) -> radar.Surface:
    return radar.Surface(np.full(SHAPE, code), np.zeros(SHAPE), np.ones(SHAPE))


def _scene(ssm: float, ndvi: float = 0.2, frozen: bool = False) -> radar.Scene:
    return radar.Scene(np.full(SHAPE, ssm), np.full(SHAPE, ndvi), np.full(SHAPE, frozen), 3.0)


def _db(
    ssm: float,
    code: int = landscape.CROP,
    angle: float = 40.0,
    channel: str = "vv",
    **ground: float | bool,
) -> float:
    angles = np.full(SHAPE, angle)
    return float(
        radar.backscatter_db(
            _scene(ssm, **ground), angles, _surface(code), radar.CHANNELS[channel]
        )[0, 0]
    )


@pytest.mark.parametrize("channel", ["vv", "vh"])
@pytest.mark.parametrize("code", [landscape.CROP, landscape.GRASS, landscape.TREE])
def test_backscatter_rises_with_moisture(channel: str, code: int) -> None:
    levels = [_db(ssm, code, channel=channel) for ssm in np.linspace(0, 1, 6)]
    assert (np.diff(levels) > 0).all()


def test_sensitivity_is_that_of_the_literature() -> None:
    bare = _db(1, ndvi=0.0) - _db(0, ndvi=0.0)
    assert bare == pytest.approx(radar.CHANNELS["vv"].sensitivity)
    assert 1 < _db(1, ndvi=0.8) - _db(0, ndvi=0.8) < 0.6 * bare
    assert _db(1, ndvi=0.2, channel="vh") - _db(0, ndvi=0.2, channel="vh") < _db(1) - _db(0)
    assert _db(1, landscape.TREE) - _db(0, landscape.TREE) < 1
    assert _db(1, landscape.BUILT) == _db(0, landscape.BUILT)
    assert _db(0.5, landscape.WATER) < _db(0, ndvi=0.0) - 3
    assert _db(0.5, landscape.BUILT) > _db(1) + 3


def test_angle_and_frost_lower_the_soil() -> None:
    assert _db(0.5, ndvi=0.0, angle=45.0) - _db(0.5, ndvi=0.0) == pytest.approx(
        5 * radar.CHANNELS["vv"].slope
    )
    assert _db(0.5, ndvi=0.0, frozen=True) - _db(0.5, ndvi=0.0) == pytest.approx(-3)


def test_water_cloud_is_soil_without_plants_and_canopy_when_dense() -> None:
    channel = radar.CHANNELS["vv"]
    soil, angle = np.array([0.05]), np.array([40.0])
    np.testing.assert_allclose(radar.water_cloud(soil, np.array([0.0]), angle, channel), soil)
    opaque = radar.water_cloud(soil, np.array([0.8]), angle, replace(channel, canopy_b=50.0))
    np.testing.assert_allclose(opaque, channel.canopy_a * 0.8 * np.cos(np.deg2rad(40)))


def test_every_track_repeats_after_some_days_and_they_take_turns(
    period: Period, twin: Twin
) -> None:
    passes = radar.acquisitions(period, twin)
    for track in radar.TRACKS:
        times = [taken.when for taken in passes if taken.track is track]
        assert {(late - early).total_seconds() for early, late in pairwise(times)} == {
            twin.repeat_days * 86400.0
        }
        assert {time.time() for time in times} == {track.overpass}
    assert (passes[1].when.date() - passes[0].when.date()).days == twin.repeat_days // 2
    assert {(taken.track.ascending, taken.track.relative_orbit) for taken in passes} == {
        (True, 4),
        (False, 106),
    }
    platforms = [taken.platform for taken in passes]
    assert platforms == sorted(platforms)
    assert platforms.count("S1A") == pytest.approx(len(platforms) / 2, abs=1)


def test_tillage_lasts_a_season_and_leaves_grass_alone() -> None:
    parcels, cover = np.array([[0, 1]]), np.array([[landscape.CROP, landscape.GRASS]])
    june, july, november = (
        radar.tillage_db(parcels, cover, date(2022, month, 1), 7) for month in (6, 7, 11)
    )
    np.testing.assert_array_equal(june, july)
    assert june[0, 0] != november[0, 0]
    assert june[0, 1] == 0
