"""The products themselves: read as ESA's are, by xarray-sentinel, by sarsen and by hand, and compared with what went in."""

import hashlib
import re
import warnings
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
import sarsen
import xarray_sentinel
import xmlschema
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.interpolate import BarycentricInterpolator
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from xarray_sentinel import esa_safe

from loam.core.errors import LoamError
from loam.twin.echo import Target
from loam.twin.noise import BETA_LUT
from loam.twin.safe import Options, View, look_at, write_pass
from loam.twin.sight import local_incidence

LIGHT = 299_792_458.0
BOX = GeoBox.from_bbox((329000, 4289000, 334000, 4294000), "EPSG:32618", resolution=20)
WHEN = datetime(2022, 3, 4, 22, 50, 7)
NAME = re.compile(
    r"^S1[AC]_IW_GRDH_1S[DS]V_\d{8}T\d{6}_\d{8}T\d{6}_(\d{6})_([0-9A-F]{6})_[0-9A-F]{4}\.SAFE$"
)
QUIET = Options(looks=np.inf, noise_db=-np.inf)
TARGETS = tuple(
    Target(330600 + 450.0 * i + 3 * j, 4290600 + 450.0 * j - 5 * i, 1e6)
    for i in range(5)
    for j in range(5)
)


@pytest.fixture(scope="module")
def view() -> View:
    """Hills of 400 m."""
    hills = gaussian_filter(np.random.default_rng(0).standard_normal(BOX.shape), 15)
    return look_at(
        BOX,
        400 * (hills - hills.min()) / np.ptp(hills),
        incidence_deg=37.0,
        ascending=True,
        relative_orbit=4,
    )


def _gamma0(vv: float, vh: float | None = None) -> dict[str, np.ndarray]:
    return {
        name: np.full(BOX.shape, value)
        for name, value in (("vv", vv), ("vh", vh))
        if value is not None
    }


def _write(
    folder: Path, view: View, gamma0: dict[str, np.ndarray], options: Options, seed: int = 1
) -> list[Path]:
    return write_pass(folder, view, gamma0, WHEN, "S1A", options, np.random.default_rng(seed))


def _numbers(path: Path, band: str = "vv") -> np.ndarray:
    with (
        warnings.catch_warnings(action="ignore"),
        rasterio.open(next(path.glob(f"measurement/*-{band}-*.tiff"))) as file,
    ):
        return file.read(1).astype(float)


def _xml(path: Path, pattern: str) -> ET.Element:
    return ET.parse(next(path.glob(pattern))).getroot()


def _values(element: ET.Element, tag: str) -> np.ndarray:
    return np.array(element.findtext(tag).split(), float)


def _noise_from_xml(root: ET.Element, shape: tuple[int, int]) -> np.ndarray:
    """Read the noise tables by hand, in both formats."""
    old = root.find("noiseVectorList") is not None
    vectors = root.findall(".//noiseVector" if old else ".//noiseRangeVector")
    rows = [
        np.interp(
            np.arange(shape[1]),
            _values(v, "pixel"),
            _values(v, "noiseLut" if old else "noiseRangeLut"),
        )
        for v in vectors
    ]
    lines = [int(v.findtext("line")) for v in vectors]
    noise = np.stack(
        [np.interp(np.arange(shape[0]), lines, column) for column in np.array(rows).T], axis=1
    )
    for block in root.iterfind(".//noiseAzimuthVector"):
        first, last = (int(block.findtext(f"{end}RangeSample")) for end in ("first", "last"))
        noise[:, first : last + 1] *= np.interp(
            np.arange(shape[0]), _values(block, "line"), _values(block, "noiseAzimuthLut")
        )[:, None]
    return noise


@pytest.fixture(scope="module")
def product(view: View, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VV and VH with speckle and noise."""
    return _write(tmp_path_factory.mktemp("product"), view, _gamma0(0.1, 0.02), Options())[0]


@pytest.fixture(scope="module")
def points(view: View, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright points on dark ground."""
    return _write(
        tmp_path_factory.mktemp("points"), view, _gamma0(1e-7), replace(QUIET, targets=TARGETS)
    )[0]


def test_names_and_manifest_follow_esa(product: Path) -> None:
    orbit, datatake = NAME.match(product.name).groups()
    root = _xml(product, "manifest.safe")
    assert (int(orbit) - 73) % 175 + 1 == 4 == int(root.findtext(".//{*}relativeOrbitNumber"))
    assert int(root.findtext(".//{*}missionDataTakeID")) == int(datatake, 16)
    # By the orbits since the real S1A_..._20210119T031653_..._036201_..., 175 in 12 days.
    assert int(orbit) == pytest.approx(
        36201 + (WHEN - datetime(2021, 1, 19, 3, 17)).total_seconds() / 86400 / 12 * 175, abs=88
    )
    listed = {}
    for entry in root.iterfind(".//dataObject/byteStream"):
        path = product / entry.find("fileLocation").get("href")
        assert int(entry.get("size")) == path.stat().st_size
        assert (
            entry.findtext("checksum")
            == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        )
        listed[path.resolve()] = entry
    assert set(listed) | {(product / "manifest.safe").resolve()} == {
        path.resolve() for path in product.rglob("*") if path.is_file()
    }
    assert len(listed) == 8


@pytest.mark.parametrize("ipf", ["003.40", "002.72"])
def test_tables_are_valid_by_esas_schemas(view: View, tmp_path: Path, ipf: str) -> None:
    (path,) = _write(tmp_path, view, _gamma0(0.1), replace(QUIET, ipf=ipf))
    # Xarray-sentinel has the schemas of 3.40 only.
    kinds = ("calibration", "noise") if ipf == "003.40" else ("calibration",)
    for kind in kinds:
        schema = xmlschema.XMLSchema(str(esa_safe.SENTINEL1_SCHEMAS[kind]))
        schema.validate(str(next(path.glob(f"annotation/calibration/{kind}-*.xml"))))


def test_annotation_is_valid_but_for_the_telemetry_it_leaves_out(product: Path) -> None:
    schema = xmlschema.XMLSchema(str(esa_safe.SENTINEL1_SCHEMAS["annotation"]))
    faults = {
        error.path.split("/")[3]
        for error in schema.iter_errors(str(next(product.glob("annotation/*-vh-*.xml"))))
    }
    assert faults == {
        "qualityDataList",
        "downlinkInformationList",
        "rawDataAnalysisList",
        "replicaInformationList",
    }


def test_xarray_sentinel_reads_every_group(product: Path, view: View) -> None:
    sizes = {}
    for group in (
        "",
        "/gcp",
        "/orbit",
        "/calibration",
        "/noise_range",
        "/noise_azimuth",
        "/coordinate_conversion",
        "/attitude",
        "/azimuth_fm_rate",
        "/dc_estimate",
    ):
        data = xarray_sentinel.open_sentinel1_dataset(product, group=f"IW/VV{group}")
        sizes[group] = dict(data.sizes)
        assert data.attrs["relative_orbit_number"] == 4
        assert data.attrs["pass"] == "ASCENDING"
    for band in ("VV", "VH"):
        image = xarray_sentinel.open_sentinel1_dataset(product, group=f"IW/{band}").measurement
        np.testing.assert_array_equal(image, _numbers(product, band.lower()))
    assert sizes[""] == {"azimuth_time": view.frame.lines, "ground_range": view.frame.pixels}
    assert sizes["/gcp"] == {"azimuth_time": 10, "slant_range_time": 21}
    assert sizes["/orbit"]["azimuth_time"] == 17
    assert sizes["/coordinate_conversion"]["degree"] == 9


def _seconds(text: str) -> float:
    return (datetime.fromisoformat(text) - WHEN).total_seconds()


def _line_pixel(root: ET.Element, point: np.ndarray) -> tuple[float, float]:
    """Geolocate by nothing but the annotation: state vectors, a root finder, the range polynomials."""
    states = root.findall(".//orbit")
    times = np.array([_seconds(state.findtext("time")) for state in states])
    paths = [
        BarycentricInterpolator(
            times, [[float(s.findtext(f"{part}/{axis}")) for axis in "xyz"] for s in states]
        )
        for part in ("position", "velocity")
    ]
    time = brentq(lambda t: (point - paths[0](t)) @ paths[1](t), -30, 30, xtol=1e-12)
    slant = np.linalg.norm(point - paths[0](time))
    records = root.findall(".//coordinateConversion/coordinateConversionList/coordinateConversion")
    ground = [
        np.polynomial.Polynomial(_values(r, "srgrCoefficients"))(slant - float(r.findtext("sr0")))
        for r in records
    ]
    first, interval = (
        _seconds(root.findtext(".//productFirstLineUtcTime")),
        float(root.findtext(".//azimuthTimeInterval")),
    )
    when = [_seconds(record.findtext("azimuthTime")) for record in records]
    return (time - first) / interval, float(np.interp(time, when, ground)) / float(
        root.findtext(".//rangePixelSpacing")
    )


def test_point_targets_are_where_the_annotation_says(points: Path, view: View) -> None:
    root, image = _xml(points, "annotation/*.xml"), _numbers(points) ** 2
    lines, pixels = np.indices(image.shape)
    to_earth = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    to_degrees = Transformer.from_crs("EPSG:32618", "EPSG:4979", always_xy=True)
    for target in TARGETS:
        height = float(view.relief.spline.ev(*view.relief.places(target.x, target.y)))
        lon, lat, _ = to_degrees.transform(target.x, target.y, 0.0)
        line, pixel = _line_pixel(root, np.array(to_earth.transform(lon, lat, height)))
        near = (np.abs(lines - line) < 4) & (np.abs(pixels - pixel) < 4)
        power = np.where(near, image, 0)
        assert (power * lines).sum() / power.sum() == pytest.approx(line, abs=0.02)
        assert (power * pixels).sum() / power.sum() == pytest.approx(pixel, abs=0.02)


def test_tie_points_and_range_polynomials_agree(product: Path) -> None:
    root = _xml(product, "annotation/*-vv-*.xml")
    to_earth = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    ties = root.findall(".//geolocationGridPoint")
    assert len(ties) == 210
    for tie in ties[::13]:
        lon, lat, height = (
            float(tie.findtext(name)) for name in ("longitude", "latitude", "height")
        )
        line, pixel = _line_pixel(root, np.array(to_earth.transform(lon, lat, height)))
        # Times have whole microseconds: 0.7 thousandths of a line.
        assert line == pytest.approx(int(tie.findtext("line")), abs=2e-3)
        assert pixel == pytest.approx(int(tie.findtext("pixel")), abs=1e-4)
    record = root.find(".//coordinateConversionList/coordinateConversion")
    there = np.polynomial.Polynomial(_values(record, "grsrCoefficients"))(np.linspace(0, 5000, 11))
    back = np.polynomial.Polynomial(_values(record, "srgrCoefficients"))(
        there - float(record.findtext("sr0"))
    )
    np.testing.assert_allclose(back, np.linspace(0, 5000, 11), atol=1e-5)
    with (
        warnings.catch_warnings(action="ignore"),
        rasterio.open(next(product.glob("measurement/*-vv-*.tiff"))) as file,
    ):
        gcps, crs = file.gcps
    assert crs.to_epsg() == 4326
    np.testing.assert_allclose(
        [(g.row, g.col, g.x) for g in gcps],
        [[float(t.findtext(n)) for n in ("line", "pixel", "longitude")] for t in ties],
    )


def _flattened(
    path: Path, view: View, target: GeoBox, folder: Path, **how: object
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correct for terrain with sarsen: its x, y (which runs north) and values."""
    x, y = (target.coords[name].values for name in ("x", "y"))
    heights = view.relief.spline(
        view.relief.places(x[:1], y)[0], view.relief.places(x, y[:1])[1]
    ).astype(np.float32)
    profile = {"driver": "GTiff", "height": y.size, "width": x.size, "count": 1, "dtype": "float32"}
    with rasterio.open(
        folder / "dem.tif", "w", **profile, crs="EPSG:32618", transform=target.affine
    ) as file:
        file.write(heights, 1)
    product = sarsen.Sentinel1SarProduct(str(path), measurement_group="IW/VV")
    found = sarsen.terrain_correction(
        product, str(folder / "dem.tif"), str(folder / "out.tif"), interp_method="linear", **how
    )
    return found.x.values, found.y.values, found.values


def test_sarsen_finds_the_points_where_they_stand(points: Path, view: View, tmp_path: Path) -> None:
    target = GeoBox.from_bbox((330400, 4290400, 332800, 4292800), "EPSG:32618", resolution=5)
    x, y, image = _flattened(points, view, target, tmp_path)
    misses = []
    for point in TARGETS:
        rows, columns = np.abs(y - point.y) < 70, np.abs(x - point.x) < 70
        power = image[np.ix_(rows, columns)].astype(float)
        power = np.where(power > 0.05 * power.max(), power, 0)
        misses.append(
            [
                (power.sum(0) * x[columns]).sum() / power.sum() - point.x,
                (power.sum(1) * y[rows]).sum() / power.sum() - point.y,
            ]
        )
    assert len(misses) == 25
    assert np.abs(np.mean(misses, axis=0)).max() < 0.1  # [m]
    assert np.sqrt(np.mean(np.square(misses))) < 0.5


def test_sarsen_flattens_constant_gamma0(view: View, tmp_path: Path) -> None:
    """An implementation that knows nothing of this one finds the terrain's brightness where it is, and as strong."""
    (path,) = _write(tmp_path, view, _gamma0(0.1), QUIET)
    target = GeoBox.from_bbox((329400, 4289400, 333600, 4293600), "EPSG:32618", resolution=10)
    image = _flattened(path, view, target, tmp_path, correct_radiometry="gamma_bilinear")[2][::-1]
    angle = local_incidence(view.relief, view.frame.orbit, target)
    inner = np.s_[100:-100, 100:-100]
    db = 10 * np.log10(image[inner].astype(float) / 0.1)
    assert np.abs(db.mean()) < 0.05
    # Sarsen's own: its simulated brightness comes from the heights' pixels as points.
    assert db.std() < 0.4
    assert np.abs(np.polyfit(angle[inner].ravel(), db.ravel(), 1)[0]) < 0.01
    assert np.ptp(angle[inner]) > 30


def test_calibration_is_that_of_the_angle(product: Path) -> None:
    root, about = (
        _xml(product, "annotation/calibration/calibration-*-vv-*.xml"),
        _xml(product, "annotation/*-vv-*.xml"),
    )
    vector, ties = root.find(".//calibrationVector"), about.findall(".//geolocationGridPoint")[:21]
    angle = np.deg2rad(
        np.interp(
            _values(vector, "pixel"),
            *([float(t.findtext(n)) for t in ties] for n in ("pixel", "incidenceAngle")),
        )
    )
    assert set(_values(vector, "betaNought")) == {BETA_LUT}
    np.testing.assert_allclose(
        _values(vector, "sigmaNought"), BETA_LUT / np.sqrt(np.sin(angle)), rtol=1e-5
    )
    np.testing.assert_allclose(
        _values(vector, "gamma"), BETA_LUT / np.sqrt(np.tan(angle)), rtol=1e-5
    )


@pytest.mark.parametrize("ipf", ["003.40", "002.72"])
def test_an_empty_scene_is_the_noise_of_its_tables(view: View, tmp_path: Path, ipf: str) -> None:
    (path,) = _write(tmp_path, view, _gamma0(0.0), Options(looks=np.inf, ipf=ipf))
    numbers, root = _numbers(path), _xml(path, "annotation/calibration/noise-*.xml")
    assert (root.find("noiseVectorList") is not None) == (ipf == "002.72")
    assert len(root.findall(".//noiseAzimuthVector")) == (0 if ipf == "002.72" else 2)
    np.testing.assert_allclose(numbers, np.sqrt(_noise_from_xml(root, numbers.shape)), atol=0.51)
    # Noise-equivalent sigma nought, as in Sentinel-1's annual performance reports: -22 dB at the least.
    nesz = 10 * np.log10(numbers.mean() ** 2 / BETA_LUT**2 * np.sin(np.deg2rad(37)))
    assert -28 < nesz < -23


def test_speckled_noise_has_the_mean_of_its_tables_and_the_looks(
    view: View, tmp_path: Path
) -> None:
    (path,) = _write(tmp_path, view, _gamma0(0.0), Options(looks=4.4))
    ratio = _numbers(path) ** 2 / _noise_from_xml(
        _xml(path, "annotation/calibration/noise-*.xml"), _numbers(path).shape
    )
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.mean() ** 2 / ratio.var() == pytest.approx(4.4, rel=0.06)


def test_mean_of_flat_ground_is_its_gamma0(tmp_path: Path) -> None:
    flat = look_at(
        BOX, np.zeros(BOX.shape), incidence_deg=41.0, ascending=False, relative_orbit=106
    )
    path = _write(tmp_path, flat, _gamma0(0.1, 0.004), Options())[0]
    for band, gamma0 in (("vv", 0.1), ("vh", 0.004)):
        numbers = _numbers(path, band)
        noise = _noise_from_xml(
            _xml(path, f"annotation/calibration/noise-*-{band}-*.xml"), numbers.shape
        )
        table = _values(
            _xml(path, f"annotation/calibration/calibration-*-{band}-*.xml").find(
                ".//calibrationVector"
            ),
            "gamma",
        )
        pixel = _values(
            _xml(path, f"annotation/calibration/calibration-*-{band}-*.xml").find(
                ".//calibrationVector"
            ),
            "pixel",
        )
        found = (numbers**2 - noise) / np.interp(np.arange(numbers.shape[1]), pixel, table) ** 2
        assert found[numbers > 0].mean() == pytest.approx(gamma0, rel=0.01)


def test_slices_together_are_the_whole_pass(view: View, tmp_path: Path) -> None:
    (whole,) = _write(tmp_path / "whole", view, _gamma0(0.1), Options())
    early, late = _write(tmp_path / "slices", view, _gamma0(0.1), Options(slices=2))
    np.testing.assert_array_equal(
        np.concatenate([_numbers(early), _numbers(late)]), _numbers(whole)
    )
    tables = [
        _noise_from_xml(_xml(path, "annotation/calibration/noise-*.xml"), _numbers(path).shape)
        for path in (early, late, whole)
    ]
    np.testing.assert_allclose(np.concatenate(tables[:2]), tables[2], rtol=2e-4)
    one, two = (_xml(path, "annotation/*.xml") for path in (early, late))
    gap = _seconds(two.findtext(".//productFirstLineUtcTime")) - _seconds(
        one.findtext(".//productLastLineUtcTime")
    )
    assert gap == pytest.approx(float(one.findtext(".//azimuthTimeInterval")), abs=2e-6)
    assert [
        int(_xml(path, "manifest.safe").findtext(".//{*}sliceNumber")) for path in (early, late)
    ] == [1, 2]


def test_border_noise_is_low_and_stays_at_the_edge(view: View, tmp_path: Path) -> None:
    clean, dirty = (
        _numbers(
            _write(
                tmp_path / str(px), view, _gamma0(0.1), replace(QUIET, ipf="002.72", border_px=px)
            )[0]
        )
        for px in (0, 40)
    )
    np.testing.assert_array_equal(clean[:, 40:-40], dirty[:, 40:-40])
    assert dirty[:, :20].mean() < 0.1 * clean[:, :20].mean()
    assert 0 < dirty[:, -20:].mean() < 0.1 * clean[:, -20:].mean()


def test_one_polarisation_is_a_product_too(view: View, tmp_path: Path) -> None:
    (path,) = _write(tmp_path, view, _gamma0(0.1), QUIET)
    assert "_1SSV_" in path.name
    assert len(list(path.rglob("*.xml"))) == 3


def test_backscatter_of_another_size_is_refused(view: View, tmp_path: Path) -> None:
    with pytest.raises(LoamError, match="give both on one grid"):
        _write(tmp_path, view, {"vv": np.ones((3, 3))}, QUIET)
    with pytest.raises(LoamError, match="give vv, or vv and vh"):
        _write(tmp_path, view, {"hh": np.ones(BOX.shape)}, QUIET)
