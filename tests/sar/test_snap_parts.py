"""Backend `snap`, what needs neither pyroSAR nor SNAP: outputs, heights, arguments, messages, the environment for users."""

import ast
import logging
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from helpers import REPOSITORY
from odc.geo.geobox import GeoBox
from sar import snap_environment, stub_snap
from sar.snap_backend import BOX, SETTINGS, write

from loam.core.errors import LoamError
from loam.sar.snap import explain_failure, find_gpt, point_pyrosar_at
from loam.sar.snap_outputs import collect_outputs, pixel_offset
from loam.sar.snap_workflow import DEM_NODATA, geocode_arguments, write_snap_dem


@pytest.fixture
def outputs(tmp_path: Path):
    """Write what pyroSAR would, on a grid."""

    def make(on: GeoBox, **layers: np.ndarray) -> Path:
        shape = (on.shape.y, on.shape.x)
        rows, columns = np.indices(shape)
        given = {
            "VV_gamma0-rtc": 0.1 + columns / 1000,
            "VH_gamma0-rtc": 0.01 + rows / 1000,
            "localIncidenceAngle": 30.0 + rows,
        } | layers
        for name, values in given.items():
            write(
                tmp_path / f"S1A__IW___D_20210119T031653_{name}.tif",
                values.astype(np.float32),
                on,
                0,
            )
        codes = layers.get("layoverShadowMask", columns % 4)
        write(
            tmp_path / "S1A__IW___D_20210119T031653_layoverShadowMask.tif",
            codes.astype(np.uint8),
            on,
            255,
        )
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
    assert [data[name].dtype for name in ("vv", "vh", "incidence", "mask")] == ["float32"] * 3 + [
        "uint8"
    ]
    assert all({"units", "long_name"} <= layer.attrs.keys() for layer in data.data_vars.values())


def test_zero_and_what_lies_beyond_the_output_is_no_observation(outputs) -> None:
    part = BOX[4:8, 2:20]  # beyond the grid on the right
    power = np.ones(part.shape)
    power[1, 3] = 0
    data = collect_outputs(
        outputs(part, **{"VH_gamma0-rtc": power, "layoverShadowMask": np.zeros(part.shape)}),
        BOX,
        ("vv", "vh"),
        "scene",
    )
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


def test_outputs_between_the_pixels_are_averaged_and_masks_reach_all_they_touch(
    outputs, caplog: pytest.LogCaptureFixture
) -> None:
    between = BOX.pad(4).translate_pix(0.5, 0)
    codes = np.zeros(between.shape)
    codes[:, 10] = 1  # half a pixel to the right of column 6
    power = np.repeat(np.arange(1.0, between.shape.x + 1)[None], between.shape.y, axis=0)
    with caplog.at_level(logging.WARNING, "loam"):
        data = collect_outputs(
            outputs(between, **{"VV_gamma0-rtc": power, "layoverShadowMask": codes}),
            BOX,
            ("vv",),
            "scene",
        )
    assert "do not lie on the target grid" in caplog.text
    np.testing.assert_allclose(
        data["vv"], np.broadcast_to(np.arange(BOX.shape.x) + 4.5, BOX.shape), rtol=1e-6
    )
    flagged = np.isin(np.arange(BOX.shape.x), (6, 7))
    np.testing.assert_array_equal(data["mask"], np.broadcast_to(np.where(flagged, 2, 0), BOX.shape))


@pytest.mark.parametrize(
    ("native", "offset"),
    [
        (BOX.pad(2), (-2, -2)),
        (BOX.translate_pix(3, 1), (1, 3)),
        (BOX.translate_pix(0.005, 0), (0, 0)),
        (BOX.translate_pix(0.1, 0), None),
        (BOX.zoom_to(resolution=10), None),
        (GeoBox(BOX.shape, BOX.transform, "EPSG:32617"), None),
    ],
)
def test_offset_of_a_raster_whose_pixels_coincide(
    native: GeoBox, offset: tuple[int, int] | None
) -> None:
    assert pixel_offset(native, BOX) == offset


def test_a_missing_output_is_named_with_what_there_is(outputs) -> None:
    folder = outputs(BOX)
    next(folder.glob("*localIncidenceAngle.tif")).unlink()
    with pytest.raises(
        LoamError,
        match=r"S1A_x\.zip: .* wrote no localIncidenceAngle \(it wrote: .*_VH_gamma0-rtc\.tif, .*; run gpt on",
    ):
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
    assert (given["infile"], given["externalDEMApplyEGM"]) == (
        [str(path.resolve()) for path in slices],
        True,
    )
    around = BOX.extent.to_crs("EPSG:4326").boundingbox
    assert given["shapefile"] == pytest.approx(
        {"xmin": around.left, "xmax": around.right, "ymin": around.bottom, "ymax": around.top}
    )


@pytest.mark.parametrize(
    "box",
    [
        GeoBox.from_bbox((8, 49, 9, 50), "EPSG:4326", resolution=0.01),
        GeoBox((4, 4), rasterio.Affine(20, 0, 0, 0, -10, 0), "EPSG:32618"),
    ],
)
def test_a_grid_that_snap_cannot_make_is_refused(box: GeoBox) -> None:
    with pytest.raises(LoamError, match="SNAP needs a projected CRS and square pixels"):
        geocode_arguments([Path("a.zip")], box, Path("dem.tif"), True, SETTINGS, ("vv",))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "INFO: x\nError: [NodeId: Terrain-Flattening] Tile cache is full.\n[a_tmp1.xml] failed with return code 1",
            "S1A.zip: gpt failed in Terrain-Flattening (Tile cache is full.)",
        ),
        (
            "Error: [NodeId: Terrain-Correction] Java heap space\n[a_tmp1.xml] failed with return code 1",
            "S1A.zip: gpt failed in Terrain-Correction (Java heap space); raise sar.snap.memory_mb",
        ),
        (
            "Traceback\nRuntimeError: No intersection with source product boundary x\n",
            "S1A.zip: SNAP's output cannot be had (RuntimeError: No intersection with source product boundary x)",
        ),
    ],
)
def test_a_failure_is_one_line(text: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "out.log").write_text(text)
    assert (
        explain_failure("S1A.zip", tmp_path / "out.log", [["Read"], ["Calibration"]])
        == f"{line}; read {tmp_path / 'out.log'}"
    )


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


def test_a_python_without_pyrosar_is_told_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyroSAR", None)
    with pytest.raises(
        LoamError, match=r"Python has no pyroSAR; run Snakemake with --sdm conda \(envs/snap.yaml\)"
    ):
        point_pyrosar_at(tmp_path / "bin/gpt")


def test_the_environment_holds_what_the_room_imports_in_the_locked_versions() -> None:
    given = yaml.safe_load((REPOSITORY / "envs/snap.yaml").read_text())["dependencies"]
    versions = dict(line.split("=", 1) for line in given if re.fullmatch(r"[\w-]+=[\d.]+", line))
    lock = dict(
        line.lower().split("==") for line in (REPOSITORY / "requirements.lock").read_text().split()
    )
    for name, version in versions.items():
        if name not in ("python", "pyrosar"):
            assert lock[name].startswith(f"{version}."), name
    assert versions["pyrosar"] == snap_environment.PYROSAR[0].partition("==")[2]
    source = REPOSITORY / "src/loam"
    modules = [
        *source.glob("sar/*.py"),
        source / "runtime/command_line.py",
        *source.glob("config/*.py"),
        *(source / f"core/{name}.py" for name in ("errors", "grid", "raster")),
    ]
    imported = set()
    for node in (node for path in modules for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    packages = (
        {name.partition(".")[0].lower() for name in imported}
        - set(sys.stdlib_module_names)
        - {"loam"}
    )
    assert {
        {"odc": "odc-geo", "yaml": "pyyaml"}.get(name, name) for name in packages
    } <= versions.keys()
