"""Orbit and zero-Doppler geometry, against other ways to the same numbers."""

import numpy as np
import pytest
from pyproj import Transformer
from scipy.optimize import brentq

from loam.twin.orbit import CYCLE_S, Orbit, earth_fixed, locate, orbit_over

PLACES = [(-76.9, 38.8), (12.0, 42.0), (150.0, -35.0), (10.0, 65.0)]
ORBITS = [
    (place, angle, ascending)
    for place in PLACES
    for angle, ascending in ((37.0, True), (41.0, False))
]


@pytest.mark.parametrize(("place", "angle", "ascending"), ORBITS)
def test_the_point_is_seen_to_the_right_at_the_asked_angle(
    place: tuple[float, float], angle: float, ascending: bool
) -> None:
    orbit = orbit_over(*place, angle, ascending)
    point, normal = earth_fixed(*place)
    satellite, speed = orbit.state(0.0)
    sight = satellite - point
    assert np.rad2deg(np.arccos(sight @ normal / np.linalg.norm(sight))) == pytest.approx(
        angle, abs=1e-9
    )
    assert sight @ speed == pytest.approx(0, abs=1)  # of 6e9
    assert (point - satellite) @ np.cross(speed, satellite) > 0
    assert (speed[2] > 0) == ascending


def test_the_orbit_is_that_of_sentinel_1() -> None:
    orbit = orbit_over(-76.9, 38.8, 37.0, True)
    times = np.linspace(-80, 80, 17)
    place, speed = orbit.state(times)
    assert np.linalg.norm(place, axis=1) == pytest.approx(6378137 + 693e3, abs=500)
    # Of the real product S1A_IW_GRDH_1SDV_20210119T031653: 7592 m/s in the Earth-fixed frame, at 44 degrees north.
    assert np.linalg.norm(speed, axis=1) == pytest.approx(7592, rel=0.003)
    later, earlier = (orbit.state(times + step)[0] for step in (0.01, -0.01))
    np.testing.assert_allclose((later - earlier) / 0.02, speed, atol=1e-4)
    np.testing.assert_allclose(orbit.state(CYCLE_S)[0], orbit.state(0.0)[0], atol=1e-3)


def test_northernmost_latitude_is_that_of_the_inclination() -> None:
    place, _ = Orbit(0.0, 0.3).state(np.linspace(0, 6000, 20001))
    assert np.rad2deg(
        np.arcsin(place[:, 2] / np.linalg.norm(place, axis=1))
    ).max() == pytest.approx(180 - 98.18, abs=0.001)


def test_zero_doppler_is_where_the_distance_is_least(rng: np.random.Generator) -> None:
    orbit = orbit_over(12.0, 42.0, 37.0, True)
    lon, lat, height = (
        12 + rng.uniform(-0.1, 0.1, 20),
        42 + rng.uniform(-0.1, 0.1, 20),
        rng.uniform(0, 3000, 20),
    )
    points = np.stack(
        Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(lon, lat, height),
        axis=1,
    )
    time_s, slant = locate(points, orbit)
    for point, time, distance in zip(points, time_s, slant, strict=True):
        root = brentq(
            lambda t, point=point: (point - orbit.state(t)[0]) @ orbit.state(t)[1],
            -20,
            20,
            xtol=1e-13,
        )
        assert time == pytest.approx(root, abs=1e-9)
        assert distance == pytest.approx(np.linalg.norm(point - orbit.state(root)[0]), abs=1e-6)
        assert all(
            np.linalg.norm(point - orbit.state(root + step)[0]) > distance for step in (-1e-3, 1e-3)
        )


def test_points_of_the_ellipsoid_are_those_of_proj(rng: np.random.Generator) -> None:
    lon, lat, height = (
        rng.uniform(-180, 180, 50),
        rng.uniform(-80, 80, 50),
        rng.uniform(-100, 8000, 50),
    )
    base, normal = earth_fixed(lon, lat)
    expected = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(
        lon, lat, height
    )
    np.testing.assert_allclose((base + height[:, None] * normal).T, expected, atol=1e-6)
