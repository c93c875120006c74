"""Backend `snap`, as far as it can be tested without SNAP: pyroSAR is real where it can be installed, SNAP is a stand-in."""

import json
import logging
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from helpers import REPOSITORY
from odc.geo.geobox import GeoBox
from sar import snap_environment, stub_snap

from loam.errors import LoamError
from loam.sar.snap import SnapSettings, explain_failure, find_gpt, point_pyrosar_at
from loam.sar.snap_outputs import collect_outputs, pixel_offset
from loam.sar.snap_workflow import DEM_NODATA, geocode_arguments, write_snap_dem

SETTINGS = SnapSettings(
    thermal_noise=True, border_noise=True, gpt=None, memory_mb=8000, cache_mb=4000, operators_per_call=5,
    dem_resampling="BILINEAR_INTERPOLATION", image_resampling="BILINEAR_INTERPOLATION",
)  # fmt: skip
# Its pixels lie on no round numbers, so that they coincide with SNAP's only when SNAP is told.
BOX = GeoBox.from_bbox((330007, 4290003, 330327, 4290243), "EPSG:32618", resolution=20, anchor="floating")


# What needs no pyroSAR: outputs, heights, arguments, messages.


def write(path: Path, values: np.ndarray, on: GeoBox, nodata: float) -> None:
    profile = {"driver": "GTiff", "count": 1, "height": values.shape[0], "width": values.shape[1], "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, crs=on.crs.to_wkt(), transform=on.transform, nodata=nodata) as band:
        band.write(values, 1)


@pytest.fixture
def outputs(tmp_path: Path):
    """Write what pyroSAR would, on a grid."""

    def make(on: GeoBox, **layers: np.ndarray) -> Path:
        shape = (on.shape.y, on.shape.x)
        rows, columns = np.indices(shape)
        given = {
            "VV_gamma0-rtc": 0.1 + columns / 1000, "VH_gamma0-rtc": 0.01 + rows / 1000, "localIncidenceAngle": 30.0 + rows,
        } | layers  # fmt: skip
        for name, values in given.items():
            write(tmp_path / f"S1A__IW___D_20210119T031653_{name}.tif", values.astype(np.float32), on, 0)
        codes = layers.get("layoverShadowMask", columns % 4)
        write(tmp_path / "S1A__IW___D_20210119T031653_layoverShadowMask.tif", codes.astype(np.uint8), on, 255)
        return tmp_path

    return make


def test_outputs_are_cut_to_the_grid_without_being_touched(outputs) -> None:
    larger = BOX.pad(3, 5)
    data = collect_outputs(outputs(larger), BOX, ("vv", "vh"), "scene")
    rows, columns = np.indices(BOX.shape)
    assert data.odc.geobox == BOX
    np.testing.assert_array_equal(data["vv"], (0.1 + (columns + 3) / 1000).astype(np.float32))
    np.testing.assert_array_equal(data["vh"], (0.01 + (rows + 5) / 1000).astype(np.float32))
    np.testing.assert_array_equal(data["incidence"], 30 + rows + 5)
    np.testing.assert_array_equal(data["mask"], np.array([0, 2, 4, 6])[(columns + 3) % 4])
    assert [data[name].dtype for name in ("vv", "vh", "incidence", "mask")] == ["float32"] * 3 + ["uint8"]
    assert all({"units", "long_name"} <= layer.attrs.keys() for layer in data.data_vars.values())


def test_zero_and_what_lies_beyond_the_output_is_no_observation(outputs) -> None:
    part = BOX[4:8, 2:20]  # beyond the grid on the right
    power = np.ones(part.shape)
    power[1, 3] = 0
    data = collect_outputs(outputs(part, **{"VH_gamma0-rtc": power, "layoverShadowMask": np.zeros(part.shape)}), BOX, ("vv", "vh"), "scene")
    seen = np.zeros(BOX.shape, dtype=bool)
    seen[4:8, 2:] = True
    np.testing.assert_array_equal(np.isfinite(data["vv"]), seen)
    np.testing.assert_array_equal(np.isfinite(data["incidence"]), seen)
    seen[5, 5] = False
    np.testing.assert_array_equal(np.isfinite(data["vh"]), seen)
    np.testing.assert_array_equal(data["mask"], np.where(seen, 0, 1))


def test_an_output_elsewhere_is_all_missing(outputs) -> None:
    data = collect_outputs(outputs(BOX.translate_pix(100, 0)), BOX, ("vv", "vh"), "scene")
    assert np.isnan(data["vv"]).all()
    assert (data["mask"] == 1).all()


def test_outputs_between_the_pixels_are_averaged_and_masks_reach_all_they_touch(outputs, caplog: pytest.LogCaptureFixture) -> None:
    between = BOX.pad(4).translate_pix(0.5, 0)
    codes = np.zeros(between.shape)
    codes[:, 10] = 1  # half a pixel to the right of column 6
    power = np.repeat(np.arange(1.0, between.shape.x + 1)[None], between.shape.y, axis=0)
    with caplog.at_level(logging.WARNING, "loam"):
        data = collect_outputs(outputs(between, **{"VV_gamma0-rtc": power, "layoverShadowMask": codes}), BOX, ("vv",), "scene")
    assert "do not lie on the target grid" in caplog.text
    np.testing.assert_allclose(data["vv"], np.broadcast_to(np.arange(BOX.shape.x) + 4.5, BOX.shape), rtol=1e-6)
    flagged = np.isin(np.arange(BOX.shape.x), (6, 7))
    np.testing.assert_array_equal(data["mask"], np.broadcast_to(np.where(flagged, 2, 0), BOX.shape))


@pytest.mark.parametrize(("native", "offset"), [
    (BOX.pad(2), (-2, -2)),
    (BOX.translate_pix(3, 1), (1, 3)),
    (BOX.translate_pix(0.005, 0), (0, 0)),
    (BOX.translate_pix(0.1, 0), None),
    (BOX.zoom_to(resolution=10), None),
    (GeoBox(BOX.shape, BOX.transform, "EPSG:32617"), None),
])  # fmt: skip
def test_offset_of_a_raster_whose_pixels_coincide(native: GeoBox, offset: tuple[int, int] | None) -> None:
    assert pixel_offset(native, BOX) == offset


def test_a_missing_output_is_named_with_what_there_is(outputs) -> None:
    folder = outputs(BOX)
    next(folder.glob("*localIncidenceAngle.tif")).unlink()
    with pytest.raises(LoamError, match=r"S1A_x\.zip: .* wrote no localIncidenceAngle \(it wrote: .*_VH_gamma0-rtc\.tif, .*; run gpt on"):
        collect_outputs(folder, BOX, ("vv", "vh"), "S1A_x.zip")


def test_heights_reach_snap_in_degrees_with_voids_as_a_number(tmp_path: Path) -> None:
    wide = BOX.pad(20)
    rows, _ = np.indices(wide.shape)
    heights = 100.0 + rows
    heights[:4] = np.nan
    write(tmp_path / "dem.tif", heights.astype(np.float32), wide, np.nan)
    with rasterio.open(write_snap_dem(tmp_path / "dem.tif", tmp_path / "out.tif")) as out:
        assert (out.crs.to_epsg(), out.nodata, out.dtypes) == (4326, DEM_NODATA, ("float32",))
        x, y = BOX.to_crs("EPSG:4326").extent.centroid.coords[0]
        (at_centre,) = next(out.sample([(x, y)]))
        assert at_centre == pytest.approx(100 + (wide.shape.y - 1) / 2, abs=0.6)
        (in_void,) = next(out.sample([(x, out.bounds.top - out.res[1])]))
        assert in_void == DEM_NODATA


def test_arguments_for_several_slices_and_heights_above_the_sea() -> None:
    slices = [Path("a.zip"), Path("b.zip")]
    given = geocode_arguments(slices, BOX, Path("dem.tif"), False, SETTINGS, ("vv",))
    assert (given["infile"], given["externalDEMApplyEGM"]) == ([str(path.resolve()) for path in slices], True)
    around = BOX.extent.to_crs("EPSG:4326").boundingbox
    assert given["shapefile"] == pytest.approx({"xmin": around.left, "xmax": around.right, "ymin": around.bottom, "ymax": around.top})


@pytest.mark.parametrize("box", [
    GeoBox.from_bbox((8, 49, 9, 50), "EPSG:4326", resolution=0.01),
    GeoBox((4, 4), rasterio.Affine(20, 0, 0, 0, -10, 0), "EPSG:32618"),
])  # fmt: skip
def test_a_grid_that_snap_cannot_make_is_refused(box: GeoBox) -> None:
    with pytest.raises(LoamError, match="SNAP needs a projected CRS and square pixels"):
        geocode_arguments([Path("a.zip")], box, Path("dem.tif"), True, SETTINGS, ("vv",))


@pytest.mark.parametrize(("text", "line"), [
    ("INFO: x\nError: [NodeId: Terrain-Flattening] Tile cache is full.\n[a_tmp1.xml] failed with return code 1",
     "S1A.zip: gpt failed in Terrain-Flattening (Tile cache is full.)"),
    ("Error: [NodeId: Terrain-Correction] Java heap space\n[a_tmp1.xml] failed with return code 1",
     "S1A.zip: gpt failed in Terrain-Correction (Java heap space); raise sar.snap.memory_mb"),
    ("Traceback\nRuntimeError: No intersection with source product boundary x\n",
     "S1A.zip: SNAP's output cannot be had (RuntimeError: No intersection with source product boundary x)"),
])  # fmt: skip
def test_a_failure_is_one_line(text: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "out.log").write_text(text)
    assert explain_failure("S1A.zip", tmp_path / "out.log", [["Read"], ["Calibration"]]) == f"{line}; read {tmp_path / 'out.log'}"


def test_a_gpt_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LoamError, match=r"no gpt is on PATH; install SNAP \(see envs/snap.yaml\)"):
        find_gpt(None)
    with pytest.raises(LoamError, match=r"sar.snap.gpt = '/no/gpt': no such program"):
        find_gpt("/no/gpt")
    (tmp_path / "gpt").touch(mode=0o755)
    with pytest.raises(LoamError, match="no SNAP installation"):
        find_gpt(None)
    gpt = stub_snap.install(tmp_path / "snap", sys.executable)
    (tmp_path / "link").symlink_to(gpt)
    assert find_gpt(str(tmp_path / "link")) == gpt


def test_a_python_without_pyrosar_is_told_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroSAR", None)
    with pytest.raises(LoamError, match=r"Python has no pyroSAR; run Snakemake with --sdm conda \(envs/snap.yaml\)"):
        point_pyrosar_at(tmp_path / "bin/gpt")


# What needs pyroSAR, in a Python of its own, and SNAP's stand-in.


class Backend:
    """pyroSAR's Python, kept running, with a home of its own."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.folder, self.python = folder, str(python)
        self.gpt = stub_snap.install(folder / "snap", self.python)
        self.calls = folder / "calls.jsonl"
        (folder / "home").mkdir()
        # Whatever asks for the network is to fail at once.
        nowhere = {f"{scheme}_proxy": "http://127.0.0.1:9" for scheme in ("http", "https")}
        place = {"HOME": str(folder / "home"), "PYTHONPATH": str(REPOSITORY / "src"), "STUB_CALLS": str(self.calls)}
        self.process = subprocess.Popen(
            [self.python, str(Path(__file__).with_name("run_snap.py"))], env=os.environ | nowhere | place, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(folder / "stderr.txt").open("w"),
        )  # fmt: skip

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request, default=str) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, (self.folder / "stderr.txt").read_text()[-3000:]
        return json.loads(line)

    def seed_orbit(self, scene: dict[str, Any], kind: str = "POE") -> Path:
        """Put an orbit file where pyroSAR looks before it asks the network."""
        day = scene["start"][:8]
        folder = self.folder / f"snap/auxdata/Orbits/Sentinel-1/{kind}ORB/{scene['sensor']}/{day[:4]}/{day[4:6]}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{scene['sensor']}_OPER_AUX_{kind}ORB_OPOD_20990101T000000_V{day}T000000_{day}T235959.EOF.zip"
        path.touch()
        return path


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    try:
        python = snap_environment.make_environment()
    except snap_environment.CannotBeMade as reason:
        pytest.skip(f"no environment with pyroSAR: {reason}")
    running = Backend(python, tmp_path_factory.mktemp("snap"))
    yield running
    assert running.process.stdin
    running.process.stdin.close()
    running.process.wait(timeout=30)


@pytest.fixture(scope="module")
def passes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """SAFE folders of one pass of the twin over flat ground, whole and in two slices, and of an old processor."""
    from datetime import datetime

    from loam.twin.safe import Options, look_at, write_pass

    ground = BOX.pad(120)
    view = look_at(ground, np.full(ground.shape, 50.0), incidence_deg=37.0, ascending=True, relative_orbit=4, inset_m=1000.0)
    gamma0 = {"vv": np.full(ground.shape, 0.1), "vh": np.full(ground.shape, 0.02)}

    def written(**options: Any) -> list[Path]:
        folder, rng = tmp_path_factory.mktemp("safe"), np.random.default_rng(1)
        return write_pass(folder, view, gamma0, datetime(2022, 1, 1, 22, 50), "S1A", Options(**options), rng)

    return {"whole": written(), "slices": written(slices=2), "old": written(ipf="002.72")}


@pytest.fixture(scope="module")
def product(passes: dict[str, list[Path]]) -> Path:
    return passes["whole"][0]


@pytest.fixture(scope="module")
def scene(backend: Backend, product: Path) -> dict[str, Any]:
    found = backend.ask(do="identify", product=product)
    backend.seed_orbit(found)
    return found


@pytest.fixture
def flatten(backend: Backend, product: Path, scene: dict[str, Any], tmp_path: Path):
    """Run the backend on the product; further settings, and orders for the stand-in, as they come."""

    def run(
        products: list[Any] | None = None, stub: dict[str, str] | None = None, polarisations: tuple[str, ...] = ("vv", "vh"),
        box: GeoBox = BOX, **cfg: Any,
    ) -> dict[str, Any]:  # fmt: skip
        backend.calls.unlink(missing_ok=True)
        wide = box.pad(60)
        write(tmp_path / "dem.tif", np.full(wide.shape, 50, dtype=np.float32), wide, np.nan)
        grid = {"shape": list(box.shape.yx), "transform": list(box.transform[:6]), "crs": f"EPSG:{box.crs.epsg}"}
        return backend.ask(
            do="flatten", out=tmp_path / "out.npz", products=products or [product], box=grid, dem=tmp_path / "dem.tif", geoid_applied=True,
            cfg=asdict(SETTINGS) | {"gpt": backend.gpt} | cfg, polarisations=polarisations, scratch=tmp_path / "scratch", threads=2,
            stub=stub,
        )  # fmt: skip

    return run


def nodes(scratch: Path) -> dict[str, tuple[list[str], dict[str, str | None]]]:
    """Sources and parameters of every node of the workflow that pyroSAR wrote, in order."""
    (path,) = scratch.glob("out/*_proc.xml")
    found = {}
    for node in ET.parse(path).getroot().findall("node"):
        sources = [source.attrib["refid"] for source in node.iterfind("sources/*")]
        found[node.attrib["id"]] = sources, {item.tag: item.text for item in node.find("parameters")}
    return found


def test_the_workflow_has_these_operators_in_this_order_with_these_parameters(flatten, product, scene, tmp_path) -> None:
    assert "error" not in (answer := flatten()), answer
    workflow = nodes(tmp_path / "scratch")
    region = workflow["Subset"][1].pop("geoRegion")
    dem = {
        "demName": "External DEM", "externalDEMFile": str(tmp_path / "scratch/dem.tif"), "externalDEMNoDataValue": "-32768.0",
        "externalDEMApplyEGM": "false", "demResamplingMethod": "BILINEAR_INTERPOLATION", "nodataValueAtSea": "true",
    }  # fmt: skip
    changed = {
        "Read": {"file": str(product), "formatName": "SENTINEL-1"},
        "Remove-GRD-Border-Noise": {"selectedPolarisations": "VV,VH"},
        "Calibration": {"sourceBands": "Intensity_VV,Intensity_VH", "outputSigmaBand": "false", "outputBetaBand": "true"},
        "ThermalNoiseRemoval": {"selectedPolarisations": "VV,VH"},
        "Apply-Orbit-File": {"orbitType": "Sentinel Precise (Auto Download)"},
        "Subset": {"region": f"0,0,{scene['samples']},{scene['lines']}", "copyMetadata": "true"},
        "Multilook": {"sourceBands": "Beta0_VV,Beta0_VH", "nRgLooks": "2", "nAzLooks": "2"},
        "Terrain-Flattening": dem | {"sourceBands": "Beta0_VV,Beta0_VH", "oversamplingMultiple": "2"},
        "Terrain-Correction": dem | {
            "sourceBands": "Gamma0_VV,Gamma0_VH", "imgResamplingMethod": "BILINEAR_INTERPOLATION", "pixelSpacingInMeter": "20.0",
            "mapProjection": f"EPSG:{BOX.crs.epsg}", "alignToStandardGrid": "true",
            "standardGridOriginX": str(BOX.transform.c + 10), "standardGridOriginY": str(BOX.transform.f - 10),
            "saveLocalIncidenceAngle": "true", "saveLayoverShadowMask": "true",
        },
        "Write": {"file": str(tmp_path / "scratch/work" / workflow_name(tmp_path)), "formatName": "ENVI"},
    }  # fmt: skip
    order = list(changed)
    assert list(workflow) == order
    assert [sources for sources, _ in workflow.values()] == [[], *([name] for name in order[:-1])]
    for name, (_, parameters) in workflow.items():
        expected = stub_snap.OPERATORS[name] | changed[name]
        assert parameters == {key: value for key, value in expected.items() if key != "geoRegion"}, name
    corners = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", region), dtype=float)
    around = BOX.extent.to_crs("EPSG:4326").boundingbox
    np.testing.assert_allclose(
        [*corners.min(axis=0), *corners.max(axis=0)], np.array(around.bbox) + np.array([-1, -1, 1, 1]) / 100, atol=1e-5
    )


def workflow_name(tmp_path: Path) -> str:
    return next(tmp_path.glob("scratch/out/*_proc.xml")).name.removesuffix("_proc.xml")


def test_what_is_switched_off_is_not_in_the_workflow(flatten, tmp_path) -> None:
    flatten(
        thermal_noise=False,
        border_noise=False,
        dem_resampling="BICUBIC_INTERPOLATION",
        image_resampling="NEAREST_NEIGHBOUR",
        polarisations=("vh",),
    )
    workflow = nodes(tmp_path / "scratch")
    assert list(workflow)[:3] == ["Read", "Calibration", "Apply-Orbit-File"]
    assert workflow["Calibration"][1]["selectedPolarisations"] == "VH"
    correction = workflow["Terrain-Correction"][1]
    assert (correction["demResamplingMethod"], correction["imgResamplingMethod"]) == ("BICUBIC_INTERPOLATION", "NEAREST_NEIGHBOUR")
    assert correction["sourceBands"] == "Gamma0_VH"


def test_slices_are_calibrated_apart_and_assembled_in_order_of_time(flatten, passes, tmp_path) -> None:
    answer = flatten(products=[os.path.relpath(path) for path in passes["slices"]])
    assert answer["on_grid"]
    workflow = nodes(tmp_path / "scratch")
    assert [workflow[name][1]["file"] for name in ("Read", "Read (2)")] == [str(path) for path in passes["slices"]]
    assert workflow["SliceAssembly"] == (["ThermalNoiseRemoval", "ThermalNoiseRemoval (2)"], {"selectedPolarisations": "VV,VH"})
    assert workflow["Remove-GRD-Border-Noise (2)"][0] == ["Read (2)"]
    assert workflow["Apply-Orbit-File"][0] == ["SliceAssembly"]
    assert np.isfinite(np.load(tmp_path / "out.npz")["vv"]).any()


def test_outputs_lie_on_the_grid_pixel_by_pixel(flatten, backend, tmp_path) -> None:
    answer = flatten()
    assert (answer["on_grid"], answer["orbit"]) == (True, "precise")
    data = np.load(tmp_path / "out.npz")
    x, y = (np.floor(axis.values / 20).astype(int) for axis in (BOX.coordinates["x"], BOX.coordinates["y"]))
    rows, columns = np.meshgrid(y, x, indexing="ij")
    for name, band in {"vv": "Gamma0_VV", "vh": "Gamma0_VH", "incidence": "localIncidenceAngle"}.items():
        expected = np.vectorize(lambda column, row, band=band: stub_snap.value_at(band, column, row))(columns, rows)
        np.testing.assert_array_equal(data[name], np.where(expected == 0, np.nan, expected).astype(np.float32), name)
    assert [path.name for path in (tmp_path / "scratch").iterdir() if path.is_dir()] == ["out"]
    missing = (columns - rows) % 16 == 0
    np.testing.assert_array_equal(data["mask"], np.array([0, 2, 4, 6])[(columns + rows) % 4] + missing)
    assert missing.any()
    calls = [json.loads(line) for line in backend.calls.read_text().splitlines()]
    assert calls == [["-e", "-J-Xmx8000m", "-c", "4000M", "-q", "2", "-x"]] * 2


def test_border_noise_of_old_products_is_removed_by_snap_and_not_in_the_product(flatten, passes, tmp_path) -> None:
    (old,) = passes["old"]
    measurements = {path: path.read_bytes() for path in old.glob("measurement/*")}
    assert flatten(products=[old])["on_grid"]
    assert "Remove-GRD-Border-Noise" in nodes(tmp_path / "scratch")
    assert measurements == {path: path.read_bytes() for path in old.glob("measurement/*")}


def test_outputs_between_the_grids_pixels_are_resampled(flatten, tmp_path) -> None:
    assert flatten(stub={"STUB_SHIFT_PX": "0.5"})["on_grid"]
    shifted = dict(np.load(tmp_path / "out.npz"))
    flatten()
    aligned = np.load(tmp_path / "out.npz")
    assert not np.array_equal(shifted["vh"], aligned["vh"], equal_nan=True)
    assert np.nanmean(shifted["vh"]) == pytest.approx(np.nanmean(aligned["vh"]), rel=0.05)


def test_a_failing_operator_is_named_and_the_log_kept(flatten, tmp_path, product) -> None:
    message = "INFO: starting\\nError: [NodeId: Terrain-Flattening] Source product should first be calibrated to beta0"
    line = flatten(stub={"STUB_FAILS_IN": "Terrain-Flattening", "STUB_MESSAGE": message})["error"]
    (kept,) = tmp_path.glob("scratch/out/*_error.log")
    assert line == (f"{product.name}: gpt failed in Terrain-Flattening (Source product should first be calibrated to beta0); read {kept}")
    assert "INFO: starting" in kept.read_text()


def test_a_gpt_that_is_killed_is_traced_to_its_operators(flatten, tmp_path, product) -> None:
    line = flatten(stub={"STUB_FAILS_IN": "Terrain-Correction", "STUB_STATUS": "-9"})["error"]
    (kept,) = tmp_path.glob("scratch/out/*_error.log")
    operators = "Multilook or Terrain-Flattening or Terrain-Correction"
    assert line == (
        f"{product.name}: gpt ended with status -9 in {operators}; give the job more memory than sar.snap.memory_mb; read {kept}"
    )


def test_an_output_that_gpt_forgot_is_missed(flatten, product) -> None:
    line = flatten(stub={"STUB_FORGETS": "layoverShadowMask"})["error"]
    assert line.startswith(f"{product.name}: SNAP ended without an error but wrote no layoverShadowMask (it wrote: S1")
    assert "\n" not in line


def test_a_scene_without_orbit_file_or_network_is_a_line(flatten, backend, scene, tmp_path) -> None:
    orbit = backend.seed_orbit(scene)
    orbit.unlink()
    try:
        line = flatten()["error"]
        assert "pyroSAR cannot prepare the workflow" in line
        assert "\n" not in line
        restituted = backend.seed_orbit(scene, "RES")
        assert flatten()["orbit"] == "restituted"
        restituted.unlink()
    finally:
        backend.seed_orbit(scene)


def test_a_missing_polarisation_and_a_stray_file_are_lines(flatten, product, tmp_path) -> None:
    assert flatten(polarisations=("vv", "hh"))["error"].startswith(f"{product}: polarisation HH is missing")
    stray = tmp_path / "stray.zip"
    stray.write_text("no zip")
    assert flatten(products=[stray])["error"].startswith(f"{stray}: pyroSAR cannot read it as a Sentinel-1 product (")


def test_the_snap_that_pyrosar_remembers_gives_way_to_the_one_named(flatten, backend, tmp_path) -> None:
    other = stub_snap.install(tmp_path / "other", backend.python)
    shared = tmp_path / "other/auxdata"
    for path in sorted(shared.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    shared.rmdir()
    shared.symlink_to(backend.folder / "snap/auxdata")
    backend.gpt.rename(backend.gpt.with_name("gone"))
    try:
        assert flatten(gpt=str(other))["on_grid"]
    finally:
        backend.gpt.with_name("gone").rename(backend.gpt)


@pytest.mark.parametrize("zipped", [False, True])
def test_pyrosar_reads_the_twins_product(backend, product, tmp_path, zipped) -> None:
    import shutil

    path = product
    if zipped:
        path = Path(shutil.make_archive(str(tmp_path / product.stem), "zip", product.parent, product.name))
    scene = backend.ask(do="identify", product=path)
    found = {name: scene[name] for name in ("sensor", "acquisition_mode", "product", "orbit", "polarizations", "spacing", "track")}
    assert found == {
        "sensor": "S1A", "acquisition_mode": "IW", "product": "GRD", "orbit": "A", "polarizations": ["VV", "VH"],
        "spacing": [10.0, 10.0], "track": 4,
    }  # fmt: skip
    assert scene["start"] <= "20220101T225000" <= scene["stop"]
    with rasterio.open(next(product.glob("measurement/*-vv-*.tiff"))) as image:
        assert (scene["samples"], scene["lines"]) == (image.width, image.height)
    around = BOX.to_crs("EPSG:4326").extent.boundingbox
    extent = scene["extent"]
    assert extent["xmin"] < around.left < around.right < extent["xmax"]
    assert extent["ymin"] < around.bottom < around.top < extent["ymax"]
    assert scene["incidence"] == pytest.approx(37, abs=0.5)


@pytest.mark.parametrize("name", ["sarsen/*.SAFE", "pyrosar/*.zip"])
def test_real_products_get_a_workflow_and_outputs(backend, flatten, name) -> None:
    from odc.geo.geom import point

    folder = Path(os.environ.get("LOAM_REAL_DATA") or REPOSITORY.parent / "shared/data").resolve() / "s1_grd"
    product = next(folder.glob(name), None)
    if product is None:
        pytest.skip(f"no {name} in {folder}; set LOAM_REAL_DATA to a folder with real observations")
    scene = backend.ask(do="identify", product=product)
    backend.seed_orbit(scene)
    extent = scene["extent"]
    centre = point((extent["xmin"] + extent["xmax"]) / 2, (extent["ymin"] + extent["ymax"]) / 2, "EPSG:4326").to_crs("utm")
    (x, y), crs = centre.coords[0], centre.crs
    answer = flatten(products=[product], box=GeoBox.from_bbox((x, y, x + 400, y + 300), crs, resolution=20, anchor="floating"))
    assert answer["on_grid"], answer


# The environment for users.


def test_the_environment_holds_what_the_room_imports_in_the_locked_versions() -> None:
    import ast

    import yaml

    given = yaml.safe_load((REPOSITORY / "envs/snap.yaml").read_text())["dependencies"]
    versions = dict(line.split("=", 1) for line in given if re.fullmatch(r"[\w-]+=[\d.]+", line))
    lock = dict(line.split("==") for line in (REPOSITORY / "requirements.lock").read_text().split())
    for name, version in versions.items():
        if name not in ("python", "pyrosar"):
            assert lock[name].startswith(f"{version}."), name
    assert versions["pyrosar"] == snap_environment.PYROSAR[0].partition("==")[2]
    source = REPOSITORY / "src/loam"
    modules = [*source.glob("sar/*.py"), *(source / f"{name}.py" for name in ("__main__", "config", "errors", "grid", "raster"))]
    imported = set()
    for node in (node for path in modules for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    packages = {name.partition(".")[0].lower() for name in imported} - set(sys.stdlib_module_names) - {"loam"}
    assert {"odc-geo" if name == "odc" else name for name in packages} <= versions.keys()
