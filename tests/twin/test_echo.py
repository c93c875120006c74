"""Power in the image, against formulas for planes; impulse response; speckle."""

from dataclasses import replace

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from loam.twin import echo
from loam.twin.echo import Target, bright_points, clutter, speckle
from loam.twin.frame import make_frame
from loam.twin.orbit import locate
from loam.twin.safe import View, look_at

BOX = GeoBox.from_bbox((330000, 4290000, 333200, 4293200), "EPSG:32618", resolution=20)
VIEWS = [(37.0, True), (41.0, False)]


def _tilted(east: float, north: float, angle: float, ascending: bool) -> View:
    """A plane that rises by so many metres per metre."""
    x, y = (BOX.coords[name].values for name in ("x", "y"))
    heights = 300 + east * (x - x.mean())[None, :] + north * (y - y.mean())[:, None]
    return look_at(BOX, heights, incidence_deg=angle, ascending=ascending, inset_m=1000)


@pytest.mark.parametrize(("angle", "ascending"), VIEWS)
@pytest.mark.parametrize(("east", "north"), [(0, 0), (0.2, 0), (-0.3, 0.1), (0.1, -0.4), (0, 0.5)])
def test_a_plane_is_as_bright_as_the_projection_cosine_says(
    angle: float, ascending: bool, east: float, north: float
) -> None:
    """Beta nought is gamma nought times cos(local incidence) / cos(projection angle) (Ulander 1996, eq. 6 with sigma = gamma cos)."""
    view = _tilted(east, north, angle, ascending)
    middle = view.relief.point(331600, 4291600)
    sides = [
        view.relief.point(331600 + 50 * (axis == 0), 4291600 + 50 * (axis == 1)) - middle
        for axis in (0, 1)
    ]
    normal = np.cross(*sides) / np.linalg.norm(np.cross(*sides))
    time, _ = locate(middle[None], view.frame.orbit)
    satellite, speed = (values[0] for values in view.frame.orbit.state(time))
    look = (satellite - middle) / np.linalg.norm(satellite - middle)
    slant_plane = np.cross(look, speed / np.linalg.norm(speed))
    expected = 0.1 * (normal @ look) / abs(normal @ slant_plane)
    image = clutter(view.facets, np.full((1, *BOX.shape), 0.1), view.frame)[0]
    line, pixel = (
        int(value[0]) for value in view.frame.line_pixel(*locate(middle[None], view.frame.orbit))
    )
    around = image[line - 8 : line + 9, pixel - 8 : pixel + 9]
    assert around.mean() == pytest.approx(expected, rel=2e-3)
    assert around.std() < 2e-3 * around.mean()  # no pattern of facets


def test_power_is_kept_whatever_the_terrain(rng: np.random.Generator) -> None:
    """The sum over the image is the sum over the facets: layover and shadow move power, they make none."""
    bumps = 60 * np.sin(np.arange(160) / 9)[:, None] * np.sin(np.arange(160) / 7)[None, :]
    view = look_at(BOX, bumps, incidence_deg=37, ascending=True, inset_m=0)
    # So that nothing is cut off.
    frame = replace(view.frame, first_s=view.frame.first_s - 0.1, lines=view.frame.lines + 140)
    gamma0 = rng.uniform(0.01, 1, (1, *BOX.shape))
    facets = replace(
        view.facets, line=view.facets.line + 0.1 / frame.interval_s, pixel=view.facets.pixel + 30
    )
    total = (facets.weight * np.kron(gamma0[0], np.ones((4, 4)))).sum()
    assert clutter(facets, gamma0, replace(frame, pixels=frame.pixels + 60)).sum() == pytest.approx(
        total, rel=1e-5
    )


def test_impulse_response_has_the_resolution_and_its_centre_in_place() -> None:
    view = _tilted(0, 0, 37.0, True)
    target = Target(331607.0, 4291613.0, 1000.0)
    line, pixel = (
        value[0]
        for value in view.frame.line_pixel(
            *locate(view.relief.point(target.x, target.y)[None], view.frame.orbit)
        )
    )
    image = bright_points([target], view.relief, view.frame).astype(float)
    lines, pixels = np.indices(image.shape)
    assert (image * lines).sum() / image.sum() == pytest.approx(line, abs=1e-3)
    assert (image * pixels).sum() / image.sum() == pytest.approx(pixel, abs=1e-3)
    length = np.diff(view.frame.slant_range(line, pixel + np.array([-0.5, 0.5])))[0]
    # Power over the area of pixels is the cross section.
    assert image.sum() * length * 10 == pytest.approx(1000, rel=1e-4)
    spread = ((image * (lines - line) ** 2).sum(), (image * (pixels - pixel) ** 2).sum())
    widths = 2.3548 * 10 * np.sqrt(np.array(spread) / image.sum())
    np.testing.assert_allclose(widths, [22, 20], rtol=0.01)


@pytest.mark.parametrize("looks", [1.0, 2.5, 4.4, 9.0])
def test_speckle_has_mean_one_and_the_asked_looks(looks: float, rng: np.random.Generator) -> None:
    noise = speckle((600, 600), looks, rng).astype(float)
    assert noise.mean() == pytest.approx(1, abs=0.015)
    assert noise.mean() ** 2 / noise.var() == pytest.approx(looks, rel=0.05)
    third = ((noise - noise.mean()) ** 3).mean() / noise.std() ** 3
    assert third == pytest.approx(2 / np.sqrt(looks), rel=0.15)  # as of a gamma distribution


def test_speckle_is_correlated_as_the_resolution_says(rng: np.random.Generator) -> None:
    noise = speckle((800, 800), 4.4, rng) - 1
    size = 800 * 800
    spectrum = np.abs(np.fft.rfft2(noise)) ** 2
    correlation = np.fft.irfft2(spectrum)[:12, :12] / size / noise.var()
    for row, width in zip((correlation[:, 0], correlation[0]), (2.2, 2.0), strict=True):
        # Integral over both sides.
        assert 2 * row.sum() - 1 == pytest.approx(1.25 * width, rel=0.05)
    # 100 m: so many cells of the resolution, about, and looks each.
    cells = noise.reshape(80, 10, 80, 10).mean(axis=(1, 3)) + 1
    assert cells.mean() ** 2 / cells.var() == pytest.approx(
        4.4 * 100 / (1.25**2 * 2.2 * 2.0), rel=0.2
    )
    assert speckle((3, 3), np.inf, rng).tolist() == np.ones((3, 3)).tolist()


def test_frame_of_ground_range_is_the_way_along_the_ellipsoid() -> None:
    view = _tilted(0, 0, 37.0, True)
    frame = make_frame(view.relief, view.frame.orbit, 0)
    pixels = np.arange(0, frame.pixels, 1)
    ties = frame.tie_points(np.array([0, frame.lines // 2, frame.lines - 1]), pixels)
    from pyproj import Geod

    for number in range(3):
        lon, lat = ties["longitude"][number], ties["latitude"][number]
        _, _, distance = Geod(ellps="WGS84").inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
        np.testing.assert_allclose(distance, 10, atol=1e-4)
    columns = frame.tie_points(
        np.array([frame.lines // 2, frame.lines // 2 + 1]), np.array([frame.pixels // 2])
    )
    _, _, step = Geod(ellps="WGS84").inv(
        *columns["longitude"][:1, 0],
        *columns["latitude"][:1, 0],
        *columns["longitude"][1:, 0],
        *columns["latitude"][1:, 0],
    )
    assert step == pytest.approx(10, rel=2e-4)
    assert echo.PAD >= 3
