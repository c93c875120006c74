"""Local incidence, layover and shadow, against formulas and against rays traced in another way."""

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.ndimage import gaussian_filter

from loam.twin.orbit import earth_fixed, locate, orbit_over
from loam.twin.relief import Relief
from loam.twin.sight import look_around

BOX = GeoBox.from_bbox((330000, 4290000, 334000, 4294000), "EPSG:32618", resolution=20)
TARGET = GeoBox.from_bbox((331000, 4291000, 333000, 4293000), "EPSG:32618", resolution=40)
TO_MAP = Transformer.from_crs("EPSG:4978", "EPSG:32618", always_xy=True)
TO_LON_LAT = Transformer.from_crs("EPSG:32618", "EPSG:4326", always_xy=True)
VIEWS = [(37.0, True), (41.0, False)]


def _orbit(angle: float, ascending: bool):
    return orbit_over(*TO_LON_LAT.transform(332000, 4292000), angle, ascending)


def _mountains(relief_m: float) -> Relief:
    field = gaussian_filter(np.random.default_rng(4).standard_normal(BOX.shape), 8)
    return Relief(BOX, (field - field.min()) / np.ptp(field) * relief_m)


@pytest.mark.parametrize(("angle", "ascending"), VIEWS)
@pytest.mark.parametrize("slope", [0, 20, -20])
def test_incidence_of_a_plane_is_that_of_its_normal(
    angle: float, ascending: bool, slope: float
) -> None:
    """Slopes to the east, in a local frame of east, north and up turned by the map's convergence."""
    orbit = _orbit(angle, ascending)
    x = BOX.coords["x"].values
    relief = Relief(BOX, np.tile(np.tan(np.deg2rad(slope)) * (x - 332000), (BOX.shape.y, 1)))
    spot = GeoBox.from_bbox((331990, 4291990, 332010, 4292010), "EPSG:32618", resolution=20)
    lon, lat = TO_LON_LAT.transform([332000, 332001], [4292000, 4292000])
    (here, beside), (up, _) = earth_fixed(np.array(lon), np.array(lat))
    east = (beside - here) / np.linalg.norm(beside - here)
    normal = np.cos(np.deg2rad(slope)) * up - np.sin(np.deg2rad(slope)) * east
    look = orbit.state(0.0)[0] - here
    expected = np.rad2deg(np.arccos(normal @ look / np.linalg.norm(look)))
    assert look_around(relief, orbit, spot).incidence_deg[0, 0] == pytest.approx(expected, abs=0.02)
    if slope == 0:
        assert expected == pytest.approx(angle, abs=1e-3)


def test_gentle_hills_have_neither_layover_nor_shadow() -> None:
    sight = look_around(_mountains(150), _orbit(37.0, True), TARGET)
    assert sight.incidence_deg.shape == sight.layover.shape == TARGET.shape
    assert not sight.layover.any()
    assert not sight.shadow.any()


@pytest.mark.parametrize(("angle", "ascending"), VIEWS)
def test_shadow_is_where_a_straight_line_to_the_satellite_meets_ground(
    angle: float, ascending: bool
) -> None:
    relief, orbit = _mountains(1500), _orbit(angle, ascending)
    shadow = look_around(relief, orbit, TARGET).shadow
    x, y = np.meshgrid(TARGET.coords["x"].values, TARGET.coords["y"].values)
    points = _surface(relief, x, y)
    satellites = orbit.state(locate(points, orbit)[0])[0]
    ray = satellites - points
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    blocked = np.zeros(x.shape, bool)
    for step in np.arange(7.0, 2200.0, 7.0):
        east, north, height = TO_MAP.transform(*np.moveaxis(points + step * ray, -1, 0))
        blocked |= height < relief.spline.ev(*relief.places(east, north))
    assert 0.01 < blocked.mean() < 0.3
    assert (blocked != shadow).mean() < 0.004


@pytest.mark.parametrize(("angle", "ascending"), VIEWS)
def test_layover_is_where_ground_of_the_same_time_has_the_same_range(
    angle: float, ascending: bool
) -> None:
    relief, orbit = _mountains(900), _orbit(angle, ascending)
    layover = look_around(relief, orbit, TARGET).layover
    x, y = np.meshgrid(TARGET.coords["x"].values, TARGET.coords["y"].values)
    time_s, slant = locate(_surface(relief, x, y), orbit)
    folded = np.zeros(x.shape, bool)
    # About across the track; the time is put right below.
    away = np.deg2rad(90 - 12 if ascending else 270 + 12)
    for sign in (-1, 1):
        for step in sign * np.arange(10.0, 1500.0, 10.0):
            east, north = x + step * np.sin(away), y + step * np.cos(away)
            for _ in range(
                2
            ):  # along the track until the time is that of the point: 6.77 km of ground a second
                late = (locate(_surface(relief, east, north), orbit)[0] - time_s) * 6770
                flown = np.deg2rad(-12 if ascending else 192)
                east, north = east - late * np.sin(flown), north - late * np.cos(flown)
            folded |= (locate(_surface(relief, east, north), orbit)[1] - slant) * sign < 0
    assert 0.02 < folded.mean() < 0.5
    assert (folded != layover).mean() < 0.01


def _surface(relief: Relief, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    base, up = earth_fixed(*TO_LON_LAT.transform(x, y))
    return base + relief.spline.ev(*relief.places(x, y))[..., None] * up
