"""Real Sentinel-1 metadata: two products of two processors, their tables, geometry and timing."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.ndimage import map_coordinates

from loam.config.base import Grid
from loam.config.sar import Flatten, Heights
from loam.config.sources import Dem
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.sar.annotation import read_annotation
from loam.sar.calibration import (
    noise_on,
    read_calibration,
    read_noise,
    require_noise_units,
    table_on,
)
from loam.sar.flatten import flatten_pass
from loam.sar.geometry import image_grid, look_at, zero_doppler
from loam.sar.heights import Terrain, prepare_heights, read_terrain
from loam.sar.image import Image
from loam.sar.kernels import ground_range
from loam.sar.orbit import fit_orbit
from loam.sar.product import read_product, require_whole
from loam.sar.safe import Safe
from loam.sar.speckle import local_mean, quegan_yu
from loam.sar.terrain import image_positions, simulated_beta

LIGHT = 299_792_458.0


@pytest.fixture(scope="module")
def rome(real_data: Path) -> Path:
    """S1B over Rome, IPF 3.40, VV; its measurement is all zeros."""
    return next((real_data / "s1_grd/sarsen").glob("*.SAFE"))


@pytest.fixture(scope="module")
def zipped(real_data: Path) -> Path:
    """S1A, IPF 3.31, VV and VH; without measurement."""
    return next((real_data / "s1_grd/pyrosar").glob("*.zip"))


@pytest.fixture(params=[("rome", "vv"), ("zipped", "vv"), ("zipped", "vh")], ids="-".join)
def image(request: pytest.FixtureRequest) -> tuple[Safe, str]:
    """A product and one of its polarisations."""
    name, polarisation = request.param
    return Safe(request.getfixturevalue(name)), polarisation


def text_of(safe: Safe, pattern: str) -> str:
    """A file's text, found and read without Loam."""
    if safe.path.is_dir():
        (path,) = safe.path.glob(pattern.replace("(", "").replace(")", ""))
        return path.read_text()
    with zipfile.ZipFile(safe.path) as archive:
        (name,) = [
            name for name in archive.namelist() if re.search(pattern.replace("*", ".*"), name)
        ]
        return archive.read(name).decode()


def nodes(text: str, tag: str) -> list[tuple[int, int, float]]:
    """Line, pixel and value of every node of a table, by regular expressions."""
    rows = re.findall(
        rf"<line>(-?\d+)</line>\s*<pixel[^>]*>([^<]*)</pixel>.*?<{tag}[^>]*>([^<]*)</{tag}>",
        text,
        re.S,
    )
    return [
        (int(line), int(pixel), float(value))
        for line, pixels, values in rows
        for pixel, value in zip(pixels.split(), values.split(), strict=True)
    ]


def test_calibration_tables_are_those_of_the_file(image: tuple[Safe, str]) -> None:
    safe, polarisation = image
    text = text_of(safe, f"annotation/calibration/calibration-*-{polarisation}-*")
    rng = np.random.default_rng(0)
    for quantity in ("betaNought", "sigmaNought", "gamma"):
        known, table = nodes(text, quantity), read_calibration(safe, polarisation, quantity)
        for line, pixel, value in (known[i] for i in rng.integers(0, len(known), 100)):
            if line >= 0:
                assert table_on(table, np.array([line]), np.array([pixel]))[0, 0] == pytest.approx(
                    value, rel=1e-6
                )


def test_between_its_nodes_a_table_is_bilinear(image: tuple[Safe, str]) -> None:
    from scipy.interpolate import RegularGridInterpolator

    safe, polarisation = image
    table = read_calibration(safe, polarisation, "sigmaNought")
    common = table.pixels[0]
    assert all(np.array_equal(common, pixels) for pixels in table.pixels)
    reference = RegularGridInterpolator((table.lines, common), np.stack(table.values))
    rng = np.random.default_rng(1)
    lines, pixels = np.sort(rng.integers(0, 16000, 100)), np.sort(rng.integers(0, 25000, 100))
    found = table_on(table, lines, pixels)
    expected = reference(
        np.stack(np.meshgrid(lines, pixels, indexing="ij"), axis=-1).reshape(-1, 2)
    ).reshape(100, 100)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_noise_is_range_times_azimuth_in_the_units_of_the_image(image: tuple[Safe, str]) -> None:
    safe, polarisation = image
    text = text_of(safe, f"annotation/calibration/noise-*-{polarisation}-*")
    known, noise = nodes(text, "noiseRangeLut"), read_noise(safe, polarisation)
    blocks = []
    for block in re.findall(r"<noiseAzimuthVector>(.*?)</noiseAzimuthVector>", text, re.S):
        limits = {
            tag: int(value) for tag, value in re.findall(r"<(first\w+|last\w+)>(\d+)</", block)
        }
        lines, values = (
            re.search(rf"<{tag}[^>]*>([^<]*)<", block)[1].split()
            for tag in ("line", "noiseAzimuthLut")
        )  # type: ignore[index]
        blocks.append((limits, np.array(lines, float), np.array(values, float)))
    assert len(blocks) == 3
    rng = np.random.default_rng(2)
    for line, pixel, value in (known[i] for i in rng.integers(0, len(known), 100)):
        if line < 0 or line >= 16700:
            continue
        ((_, lines, values),) = [
            each
            for each in blocks
            if each[0]["firstRangeSample"] <= pixel <= each[0]["lastRangeSample"]
        ]
        expected = value * np.interp(line, lines, values)
        assert noise_on(noise, np.array([line]), np.array([pixel]))[0, 0] == pytest.approx(
            expected, rel=1e-6
        )
    require_noise_units(noise, read_calibration(safe, polarisation, "sigmaNought"), "product")


def test_tie_points_lie_where_the_annotation_says(image: tuple[Safe, str]) -> None:
    """Zero-Doppler time, slant range and pixel of ESA's 210 tie points, from our orbit and solver alone."""
    safe, polarisation = image
    annotation = read_annotation(safe, polarisation)
    orbit = fit_orbit(annotation.orbit, annotation.first_line, str(safe.path))
    text = text_of(safe, f"annotation/s1*-{polarisation}-*xml")
    grid = re.search(r"<geolocationGridPointList.*?</geolocationGridPointList>", text, re.S)
    assert grid is not None
    ties = {
        tag: np.array(re.findall(rf"<{tag}>([^<]*)</{tag}>", grid[0]), float)
        for tag in ("latitude", "longitude", "height", "slantRangeTime", "line", "pixel")
    }
    times = np.array(
        re.findall(r"<azimuthTime>([^<]*)</azimuthTime>", grid[0]), dtype="datetime64[ns]"
    )
    place = np.stack(
        Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(
            ties["longitude"], ties["latitude"], ties["height"]
        )
    )
    time, distance, _ = zero_doppler(place, orbit)
    assert np.abs(distance - ties["slantRangeTime"] * LIGHT / 2).max() < 0.001
    seconds = (times - orbit.epoch) / np.timedelta64(1, "s")
    assert np.abs(time - seconds).max() / annotation.line_interval_s < 0.002
    image_of = image_grid(annotation, orbit.epoch)
    ground = [
        ground_range(*pair, image_of.record_s, image_of.start_m, image_of.coefficients)[0]
        for pair in zip(time, distance, strict=True)
    ]
    assert np.abs(np.array(ground) / annotation.range_spacing_m - ties["pixel"]).max() < 0.05
    # ESA's own offset.
    assert (
        np.abs((time - image_of.first_line_s) / annotation.line_interval_s - ties["line"]).max()
        < 0.25
    )


def test_what_real_products_lack_is_named(rome: Path, zipped: Path) -> None:
    product = read_product(rome)
    assert (product.track, product.platform, product.orbit, product.polarisations) == (
        "D022",
        "S1B",
        30148,
        ("vh", "vv"),
    )
    require_whole(product, ("vv",), thermal_noise=True)
    with pytest.raises(LoamError, match=r"annotation/\*-vh-\*.xml is missing"):
        require_whole(product, ("vv", "vh"), thermal_noise=True)
    other = read_product(zipped)
    assert (other.platform, other.orbit, other.relative_orbit) == ("S1A", 36201, 79)
    with pytest.raises(LoamError, match=r"measurement/\*-vv-\*.tiff is missing"):
        require_whole(other, ("vv", "vh"), thermal_noise=True)


def test_incidence_at_tie_points(rome: Path) -> None:
    """ESA measures incidence from the Earth's radius, we from the normal of the ground: the same line of sight, 0.03 degree apart."""
    text = text_of(Safe(rome), "annotation/s1*-vv-*xml")
    lon, lat, height, angle = (
        np.array(re.findall(rf"<{tag}>([^<]*)</{tag}>", text), float)[:210]
        for tag in ("longitude", "latitude", "height", "incidenceAngle")
    )
    annotation = read_annotation(Safe(rome), "vv")
    orbit = fit_orbit(annotation.orbit, annotation.first_line, str(rome))
    place = np.stack(
        Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True).transform(lon, lat, height)
    )
    sight = zero_doppler(place, orbit)[2]
    radius = place / np.linalg.norm(place, axis=0)
    np.testing.assert_allclose(
        np.rad2deg(np.arccos((radius * sight).sum(axis=0))), angle, atol=1e-6
    )
    to_map = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    cfg = Flatten(thermal_noise=True, border_noise=False, block_px=512)
    for tie in (45, 110, 150):
        x, y = to_map.transform(lon[tie], lat[tie])
        box = GeoBox((9, 9), Affine(20, 0, x - 90, 0, -20, y + 90), "EPSG:32633")
        scene = flatten_pass(
            [read_product(rome)],
            ("vv",),
            None,
            Terrain(box, 2, 5, np.full((39, 39), height[tie], np.float32)),
            cfg,
            1,
        )
        east, north = np.deg2rad(lon[tie]), np.deg2rad(lat[tie])
        normal = np.array(
            [np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)]
        )
        assert float(scene["incidence"][4, 4]) == pytest.approx(
            np.rad2deg(np.arccos(normal @ sight[:, tie])), abs=0.001
        )
        assert np.isnan(scene["vv"].values).all()
        assert (scene["mask"].values & 1 == 1).all()


@pytest.mark.parametrize("tie", [45, 110, 150, 167])
def test_level_ground_is_flattened_as_the_tables_do(rome: Path, tie: int) -> None:
    """On the ellipsoid, gamma nought over beta nought is the ratio of ESA's own tables."""
    text = text_of(Safe(rome), "annotation/s1*-vv-*xml")
    lon, lat, line, pixel = (
        np.array(re.findall(rf"<{tag}>([^<]*)</{tag}>", text), float)[:210]
        for tag in ("longitude", "latitude", "line", "pixel")
    )
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(
        lon[tie], lat[tie]
    )
    box = GeoBox((60, 60), Affine(20, 0, x - 600, 0, -20, y + 600), "EPSG:32633")
    facets = Terrain(box, 2, 0, np.zeros((121, 121), np.float32)).facets(
        slice(0, 60), slice(0, 60), 0
    )
    image = Image(read_product(rome), ("vv",), None, thermal_noise=False, border_noise=False)
    view = look_at(box, (0.0, 0.0), image.orbit)
    lines, pixels = image_positions(facets, view, image.grid)
    first = int(lines.mean()) // 2 * 2 - 10, int(pixels.mean()) // 2 * 2 - 10
    area = simulated_beta(
        facets.packed(), np.zeros((60, 60), np.uint8), 2, view, image.grid, (*first, 20, 20), 2
    )[2:-3, 2:-3]
    at = np.array([line[tie]]), np.array([pixel[tie]])
    beta, gamma = (
        table_on(read_calibration(Safe(rome), "vv", name), *at)[0, 0]
        for name in ("betaNought", "gamma")
    )
    error_db = 10 * np.log10(1 / area.mean() / (beta / gamma) ** 2)
    print(f"\nlevel ground at pixel {pixel[tie]:.0f}: {error_db:.3f} dB from the tables")
    assert abs(error_db) < 0.06


def test_heights_over_rome(real_data: Path, tmp_path: Path) -> None:
    """A geographic DEM with a geoid's height: at its own posts it is met, with that height added."""
    grid = Grid(aoi=(292000, 4650000, 295000, 4653000), crs="EPSG:32633", resolution_m=20)
    path = real_data / "s1_grd/sarsen/Rome-30m-DEM.tif"
    prepare_heights(
        path,
        None,
        tmp_path / "heights.tif",
        Dem(path="Rome", geoid=48.0),
        grid,
        Heights(facet_m=10, margin_m=1000),
    )
    terrain = read_terrain(tmp_path / "heights.tif", target_grid(grid, None))
    with rasterio.open(path) as file, rasterio.open(tmp_path / "heights.tif") as made:
        rows, columns = np.meshgrid([150, 160, 170], [150, 160, 200], indexing="ij")
        lon, lat = file.transform @ (columns.ravel() + 0.5, rows.ravel() + 0.5)
        x, y = Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True).transform(lon, lat)
        column, row = ~made.transform @ (x, y)
        found = map_coordinates(terrain.heights_m, (row - 0.5, column - 0.5), order=3)
        np.testing.assert_allclose(
            found, file.read(1)[rows.ravel(), columns.ravel()] + 48.0, atol=0.3
        )


def test_the_speckle_filter_on_a_real_image(real_data: Path) -> None:
    """One real date among nine that share its ground: where the ground is even, speckle goes and the mean stays."""
    with rasterio.open(
        real_data / "s1_grd/pyrosar/S1A__IW___A_20150309T173017_VV_grd_mli_geo_norm_db.tif"
    ) as file:
        decibel = file.read(1).astype(float)
    power = np.where(decibel > -90, 10 ** (decibel / 10), np.nan)
    ground = local_mean(power, 7)
    rng = np.random.default_rng(0)
    others = ground * rng.gamma(4.4, 1 / 4.4, (9, *ground.shape))
    filtered = quegan_yu(
        np.concatenate([others, power[None]]).astype(np.float32), np.full(10, "A044"), 7, True
    )[-1]
    assert np.array_equal(np.isnan(filtered), np.isnan(power))
    size = 15
    rows, columns = (n // size * size for n in power.shape)
    before, after = (
        values[:rows, :columns]
        .reshape(rows // size, size, columns // size, size)
        .swapaxes(1, 2)
        .reshape(-1, size * size)
        for values in (power, filtered)
    )
    whole = np.isfinite(before).all(axis=1)
    before, after = before[whole], after[whole]
    variation = before.std(axis=1) / before.mean(axis=1)
    even = variation < np.quantile(variation, 0.1)
    looks = [
        float(np.median((each[even].mean(axis=1) / each[even].std(axis=1)) ** 2))
        for each in (before, after)
    ]
    factor = after[even].mean() / before[even].mean()
    print(
        f"\nreal VV: {even.sum()} even windows, looks {looks[0]:.1f} to {looks[1]:.1f}, mean times {factor:.4f}"
    )
    assert even.sum() >= 5
    # What is left is the ground's own texture, which the filter keeps.
    assert looks[1] > 2.5 * looks[0]
    assert abs(factor - 1) < 0.01
