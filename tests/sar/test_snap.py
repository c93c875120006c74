"""Backend `snap` through pyroSAR, which is real where it can be installed, and a stand-in for SNAP, which cannot be had."""

import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from helpers import REPOSITORY
from odc.geo.geobox import GeoBox
from odc.geo.geom import point
from sar import snap_environment, stub_snap
from sar.snap_backend import BOX, SETTINGS, Backend, write

from loam.twin.safe import Options, look_at, write_pass


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    try:
        python = snap_environment.make_environment()
    except snap_environment.CannotBeMade as reason:
        pytest.skip(f"no environment with pyroSAR: {reason}")
    running = Backend(python, tmp_path_factory.mktemp("snap"))
    yield running
    assert running.process.stdin
    running.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def passes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """SAFE folders of one pass of the twin over flat ground, whole and in two slices, and of an old processor."""
    ground = BOX.pad(120)
    view = look_at(
        ground,
        np.full(ground.shape, 50.0),
        incidence_deg=37.0,
        ascending=True,
        relative_orbit=4,
        inset_m=1000.0,
    )
    gamma0 = {"vv": np.full(ground.shape, 0.1), "vh": np.full(ground.shape, 0.02)}

    def written(**options: Any) -> list[Path]:
        folder, rng = tmp_path_factory.mktemp("safe"), np.random.default_rng(1)
        return write_pass(
            folder, view, gamma0, datetime(2022, 1, 1, 22, 50), "S1A", Options(**options), rng
        )

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
        products: list[Any] | None = None,
        stub: dict[str, str] | None = None,
        polarisations: tuple[str, ...] = ("vv", "vh"),
        box: GeoBox = BOX,
        **cfg: Any,
    ) -> dict[str, Any]:
        backend.calls.unlink(missing_ok=True)
        wide = box.pad(60)
        write(tmp_path / "dem.tif", np.full(wide.shape, 50, dtype=np.float32), wide, np.nan)
        grid = {
            "shape": list(box.shape.yx),
            "transform": list(box.transform[:6]),
            "crs": f"EPSG:{box.crs.epsg}",
        }
        return backend.ask(
            do="flatten",
            out=tmp_path / "out.npz",
            products=products or [product],
            box=grid,
            dem=tmp_path / "dem.tif",
            geoid_applied=True,
            cfg=asdict(SETTINGS) | {"gpt": backend.gpt} | cfg,
            polarisations=polarisations,
            scratch=tmp_path / "scratch",
            threads=2,
            stub=stub,
        )

    return run


def nodes(scratch: Path) -> dict[str, tuple[list[str], dict[str, str | None]]]:
    """Sources and parameters of every node of the workflow that pyroSAR wrote, in order."""
    (path,) = scratch.glob("out/*_proc.xml")
    found = {}
    for node in ET.parse(path).getroot().findall("node"):
        sources = [source.attrib["refid"] for source in node.iterfind("sources/*")]
        found[node.attrib["id"]] = (
            sources,
            {item.tag: item.text for item in node.find("parameters")},
        )
    return found


def test_the_workflow_has_these_operators_in_this_order_with_these_parameters(
    flatten, product, scene, tmp_path
) -> None:
    assert "error" not in (answer := flatten()), answer
    workflow = nodes(tmp_path / "scratch")
    region = workflow["Subset"][1].pop("geoRegion")
    dem = {
        "demName": "External DEM",
        "externalDEMFile": str(tmp_path / "scratch/dem.tif"),
        "externalDEMNoDataValue": "-32768.0",
        "externalDEMApplyEGM": "false",
        "demResamplingMethod": "BILINEAR_INTERPOLATION",
        "nodataValueAtSea": "true",
    }
    changed = {
        "Read": {"file": str(product), "formatName": "SENTINEL-1"},
        "Remove-GRD-Border-Noise": {"selectedPolarisations": "VV,VH"},
        "Calibration": {
            "sourceBands": "Intensity_VV,Intensity_VH",
            "outputSigmaBand": "false",
            "outputBetaBand": "true",
        },
        "ThermalNoiseRemoval": {"selectedPolarisations": "VV,VH"},
        "Apply-Orbit-File": {"orbitType": "Sentinel Precise (Auto Download)"},
        "Subset": {"region": f"0,0,{scene['samples']},{scene['lines']}", "copyMetadata": "true"},
        "Multilook": {"sourceBands": "Beta0_VV,Beta0_VH", "nRgLooks": "2", "nAzLooks": "2"},
        "Terrain-Flattening": dem
        | {"sourceBands": "Beta0_VV,Beta0_VH", "oversamplingMultiple": "2"},
        "Terrain-Correction": dem
        | {
            "sourceBands": "Gamma0_VV,Gamma0_VH",
            "imgResamplingMethod": "BILINEAR_INTERPOLATION",
            "pixelSpacingInMeter": "20.0",
            "mapProjection": f"EPSG:{BOX.crs.epsg}",
            "alignToStandardGrid": "true",
            "standardGridOriginX": str(BOX.transform.c + 10),
            "standardGridOriginY": str(BOX.transform.f - 10),
            "saveLocalIncidenceAngle": "true",
            "saveLayoverShadowMask": "true",
        },
        "Write": {
            "file": str(tmp_path / "scratch/work" / workflow_name(tmp_path)),
            "formatName": "ENVI",
        },
    }
    order = list(changed)
    assert list(workflow) == order
    assert [sources for sources, _ in workflow.values()] == [[], *([name] for name in order[:-1])]
    for name, (_, parameters) in workflow.items():
        expected = stub_snap.OPERATORS[name] | changed[name]
        assert parameters == {
            key: value for key, value in expected.items() if key != "geoRegion"
        }, name
    corners = np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", region), dtype=float)
    around = BOX.extent.to_crs("EPSG:4326").boundingbox
    np.testing.assert_allclose(
        [*corners.min(axis=0), *corners.max(axis=0)],
        np.array(around.bbox) + np.array([-1, -1, 1, 1]) / 100,
        atol=1e-5,
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
    assert (correction["demResamplingMethod"], correction["imgResamplingMethod"]) == (
        "BICUBIC_INTERPOLATION",
        "NEAREST_NEIGHBOUR",
    )
    assert correction["sourceBands"] == "Gamma0_VH"


def test_slices_are_calibrated_apart_and_assembled_in_order_of_time(
    flatten, passes, tmp_path
) -> None:
    answer = flatten(products=[os.path.relpath(path) for path in passes["slices"]])
    assert answer["on_grid"]
    workflow = nodes(tmp_path / "scratch")
    assert [workflow[name][1]["file"] for name in ("Read", "Read (2)")] == [
        str(path) for path in passes["slices"]
    ]
    assert workflow["SliceAssembly"] == (
        ["ThermalNoiseRemoval", "ThermalNoiseRemoval (2)"],
        {"selectedPolarisations": "VV,VH"},
    )
    assert workflow["Remove-GRD-Border-Noise (2)"][0] == ["Read (2)"]
    assert workflow["Apply-Orbit-File"][0] == ["SliceAssembly"]
    assert np.isfinite(np.load(tmp_path / "out.npz")["vv"]).any()


def test_outputs_lie_on_the_grid_pixel_by_pixel(flatten, backend, tmp_path) -> None:
    answer = flatten()
    assert (answer["on_grid"], answer["orbit"]) == (True, "precise")
    data = np.load(tmp_path / "out.npz")
    x, y = (
        np.floor(axis.values / 20).astype(int)
        for axis in (BOX.coordinates["x"], BOX.coordinates["y"])
    )
    rows, columns = np.meshgrid(y, x, indexing="ij")
    for name, band in {
        "vv": "Gamma0_VV",
        "vh": "Gamma0_VH",
        "incidence": "localIncidenceAngle",
    }.items():
        expected = np.vectorize(
            lambda column, row, band=band: stub_snap.value_at(band, column, row)
        )(columns, rows)
        np.testing.assert_array_equal(
            data[name], np.where(expected == 0, np.nan, expected).astype(np.float32), name
        )
    assert [path.name for path in (tmp_path / "scratch").iterdir() if path.is_dir()] == ["out"]
    missing = (columns - rows) % 16 == 0
    np.testing.assert_array_equal(
        data["mask"], np.array([0, 2, 4, 6])[(columns + rows) % 4] + missing
    )
    assert missing.any()
    calls = [json.loads(line) for line in backend.calls.read_text().splitlines()]
    assert calls == [["-e", "-J-Xmx8000m", "-c", "4000M", "-q", "2", "-x"]] * 2


def test_border_noise_of_old_products_is_removed_by_snap_and_not_in_the_product(
    flatten, passes, tmp_path
) -> None:
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
    assert line == (
        f"{product.name}: gpt failed in Terrain-Flattening (Source product should first be calibrated to beta0); read {kept}"
    )
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
    assert line.startswith(
        f"{product.name}: SNAP ended without an error but wrote no layoverShadowMask (it wrote: S1"
    )
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
    assert flatten(polarisations=("vv", "hh"))["error"].startswith(
        f"{product}: polarisation HH is missing"
    )
    stray = tmp_path / "stray.zip"
    stray.write_text("no zip")
    assert flatten(products=[stray])["error"].startswith(
        f"{stray}: pyroSAR cannot read it as a Sentinel-1 product ("
    )


def test_the_snap_that_pyrosar_remembers_gives_way_to_the_one_named(
    flatten, backend, tmp_path
) -> None:
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
    path = product
    if zipped:
        path = Path(
            shutil.make_archive(str(tmp_path / product.stem), "zip", product.parent, product.name)
        )
    scene = backend.ask(do="identify", product=path)
    found = {
        name: scene[name]
        for name in (
            "sensor",
            "acquisition_mode",
            "product",
            "orbit",
            "polarizations",
            "spacing",
            "track",
        )
    }
    assert found == {
        "sensor": "S1A",
        "acquisition_mode": "IW",
        "product": "GRD",
        "orbit": "A",
        "polarizations": ["VV", "VH"],
        "spacing": [10.0, 10.0],
        "track": 4,
    }
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
    folder = (
        Path(os.environ.get("LOAM_REAL_DATA") or REPOSITORY.parent / "shared/data").resolve()
        / "s1_grd"
    )
    product = next(folder.glob(name), None)
    if product is None:
        pytest.skip(f"no {name} in {folder}; set LOAM_REAL_DATA to a folder with real observations")
    scene = backend.ask(do="identify", product=product)
    backend.seed_orbit(scene)
    extent = scene["extent"]
    centre = point(
        (extent["xmin"] + extent["xmax"]) / 2, (extent["ymin"] + extent["ymax"]) / 2, "EPSG:4326"
    ).to_crs("utm")
    (x, y), crs = centre.coords[0], centre.crs
    answer = flatten(
        products=[product],
        box=GeoBox.from_bbox((x, y, x + 400, y + 300), crs, resolution=20, anchor="floating"),
    )
    assert answer["on_grid"], answer
