"""The polynomials of a view against exact geometry, one point at a time."""

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.optimize import brentq

from loam.core.errors import LoamError
from loam.sar.annotation import Annotation, GroundRange, StateVectors
from loam.sar.geometry import View, image_grid, look_at, zero_doppler
from loam.sar.kernels import (
    EAST,
    METRIC,
    NORTH,
    RANGE,
    SPEED,
    TIME,
    UP,
    ground_range,
    row_of,
    value_of,
)
from loam.sar.orbit import Orbit, fit_orbit

EPOCH = np.datetime64("2022-03-01T22:50:00", "ns")
BOX = GeoBox.from_bbox((330000, 4290000, 370000, 4330000), "EPSG:32618", resolution=20)
TO_SPACE = Transformer.from_crs("EPSG:32618", "EPSG:4978", always_xy=True)


def space(x: float, y: float, h: float) -> np.ndarray:
    return np.array(TO_SPACE.transform(x, y, h))


@pytest.fixture(scope="module")
def orbit() -> Orbit:
    """A straight-ish path 700 km up and 500 km to the west, northward at 7.5 km/s, bent as an orbit is."""
    centre = space(350000, 4310000, 0)
    up = centre / np.linalg.norm(centre)
    east = np.cross([0, 0, 1], up)
    east /= np.linalg.norm(east)
    north = np.cross(up, east)
    seconds = np.arange(-70, 80, 10.0)
    place = (
        centre
        + up * 700e3
        - east * 500e3
        + seconds[:, None] * 7500 * north
        - 0.5 * seconds[:, None] ** 2 * 8.0 * up
    )
    return fit_orbit(
        StateVectors(
            EPOCH + (seconds * 1e9).astype("timedelta64[ns]"), place, place * 0, "annotation"
        ),
        EPOCH,
        "test",
    )


@pytest.fixture(scope="module")
def view(orbit: Orbit) -> View:
    """40 km of ground from -50 to 900 m."""
    return look_at(BOX, (-50, 900), orbit)


def at(view: View, field: int, x: float, y: float, h: float) -> float:
    place = [
        (value - middle) / half
        for value, middle, half in zip((x, y, h), view.centre, view.half, strict=True)
    ]
    return float(value_of(row_of(view.fields, place[1]), field, place[0], place[2]))


SPOTS = [
    tuple(spot)
    for spot in np.random.default_rng(4).uniform(
        (330000, 4290000, -50), (370000, 4330000, 900), (12, 3)
    )
]


@pytest.mark.parametrize("spot", SPOTS)
def test_time_and_range_are_exact_to_a_millionth_of_a_pixel(
    view: View, orbit: Orbit, spot: tuple[float, float, float]
) -> None:
    place = space(*spot)

    def ahead(time: float) -> float:
        position, velocity, _ = orbit.at(np.array(time))
        return float((place - position) @ velocity)

    time = brentq(ahead, -60, 60, xtol=1e-13)
    distance = np.linalg.norm(place - orbit.at(np.array(time))[0])
    assert abs(at(view, TIME, *spot) - time) < 1e-6 * 1.5e-3
    assert abs(at(view, RANGE, *spot) - distance) < 1e-5


@pytest.mark.parametrize("spot", SPOTS[:4])
def test_area_and_incidence_of_a_tilted_facet(
    view: View, orbit: Orbit, spot: tuple[float, float, float]
) -> None:
    """Against the cross product of the facet's edges in space."""
    x, y, h = spot
    slope_x, slope_y, edge = 0.31, -0.18, 2.0

    def corner(i: float, j: float) -> np.ndarray:
        return space(x + i * edge, y + j * edge, h + slope_x * i * edge + slope_y * j * edge)

    area = np.cross(corner(0.5, 0) - corner(-0.5, 0), corner(0, 0.5) - corner(0, -0.5))
    sight = zero_doppler(space(*spot), orbit)[2]
    lit = at(view, UP, *spot) + slope_x * at(view, EAST, *spot) + slope_y * at(view, NORTH, *spot)
    np.testing.assert_allclose(lit * edge**2, area @ sight, rtol=1e-6)
    aa, bb, cc, ab, ac, bc = (at(view, METRIC + k, *spot) for k in range(6))
    size = (
        aa
        + slope_x**2 * bb
        + slope_y**2 * cc
        + 2 * slope_x * ab
        + 2 * slope_y * ac
        + 2 * slope_x * slope_y * bc
    )
    np.testing.assert_allclose(np.sqrt(size) * edge**2, np.linalg.norm(area), rtol=1e-6)


def test_ground_that_the_satellite_does_not_pass_is_refused(orbit: Orbit) -> None:
    far = GeoBox.from_bbox((330000, 5290000, 331000, 5291000), "EPSG:32618", resolution=20)
    with pytest.raises(LoamError, match="does not pass the area"):
        look_at(far, (0, 100), orbit)


def test_ground_range_changes_linearly_between_records() -> None:
    records, start = np.array([0.0, 1.0, 2.0]), np.array([800e3, 800e3, 800e3])
    coefficients = np.array([[0.0, 1.7, 1e-6], [100.0, 1.7, 1e-6], [20.0, 1.8, 1e-6]])
    for time, offset, rate in (
        (-3.0, 0, 1.7),
        (0.1, 10, 1.7),
        (1.0, 100, 1.7),
        (1.75, 40, 1.775),
        (5.0, 20, 1.8),
    ):
        found, slope = ground_range(time, 810e3, records, start, coefficients)
        assert found == pytest.approx(offset + rate * 10e3 + 1e-6 * 10e3**2)
        assert slope == pytest.approx(rate + 2e-6 * 10e3)


@pytest.mark.parametrize(("lateness", "shift"), [(0.09, 0.09), (0.0, 0.0), (0.4, 0.0)])
def test_records_stamped_late_count_from_the_tie_points_rows(lateness: float, shift: float) -> None:
    second = np.timedelta64(1_000_000_000, "ns")
    rows = EPOCH + np.arange(0, 25, 3) * second
    records = EPOCH + ((np.arange(28) - 2 + lateness) * 1e9).astype("timedelta64[ns]")
    ranges = GroundRange(records, np.full(28, 8e5), np.zeros((28, 3)))
    vectors = StateVectors(rows, np.zeros((9, 3)), np.zeros((9, 3)), "annotation")
    ties = np.concatenate([rows + np.timedelta64(part, "us") for part in (0, 23, 480)])
    annotation = Annotation(
        EPOCH, 1.5e-3, 10.0, 16000, 25000, vectors, ranges, np.zeros(1), np.zeros(1), ties
    )
    grid = image_grid(annotation, EPOCH)
    np.testing.assert_allclose(grid.record_s, np.arange(28) - 2 + lateness - shift, atol=0.001)


def test_lines_sweep_over_the_ground_at_the_speed_of_their_spacing(
    view: View, orbit: Orbit
) -> None:
    """Two places whose times differ by 0.1 s along the lines' normal are 0.1 s times the speed apart."""
    x, y, h = 350000.0, 4310000.0, 120.0
    rates = [
        (at(view, TIME, x + dx, y + dy, h) - at(view, TIME, x - dx, y - dy, h)) / 200
        for dx, dy in ((100, 0), (0, 100))
    ]
    step = 0.1 / np.hypot(*rates)
    ahead = x + step * rates[0] / np.hypot(*rates), y + step * rates[1] / np.hypot(*rates)
    assert at(view, TIME, *ahead, h) - at(view, TIME, x, y, h) == pytest.approx(0.1, rel=1e-3)
    length = np.linalg.norm(space(*ahead, h) - space(x, y, h))
    assert at(view, SPEED, x, y, h) == pytest.approx(length / 0.1, rel=2e-3)
