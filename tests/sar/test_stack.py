"""The stack grows by what is new, and what stays is not touched."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from helpers import odc_coords
from odc.geo.geobox import GeoBox

from loam.config.base import Grid
from loam.core.errors import LoamError
from loam.core.flags import Mask, layer_attributes
from loam.core.raster import open_dataset, write_cog
from loam.sar import stack as module
from loam.sar.backends import digest
from loam.sar.stack import stack_scenes

GRID = Grid(aoi=(330000, 4290000, 330320, 4290240), crs="EPSG:32618", resolution_m=20)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 4 dates and 8 pixels, so that a small stack has many."""
    monkeypatch.setattr(module, "CHUNKS", {"time": 4, "y": 8, "x": 8})
    monkeypatch.setattr(module, "ROWS", 8)


def write_scene(
    folder: Path, box: GeoBox, day: int, level: float | None = None, track: str = "A004"
) -> Path:
    """One scene with a level of its own, NaN in a corner."""
    folder.mkdir(parents=True, exist_ok=True)
    power = np.full(box.shape, day / 100 if level is None else level, dtype=np.float32)
    power[0, 0] = np.nan
    mask = np.where(np.isnan(power), int(Mask.NO_OBSERVATION), 0).astype(np.uint8)
    data = xr.Dataset(
        {
            "vv": (("y", "x"), power, layer_attributes("vv")),
            "incidence": (
                ("y", "x"),
                np.full(box.shape, 38.5, np.float32),
                layer_attributes("incidence"),
            ),
            "mask": (("y", "x"), mask, layer_attributes("mask")),
        },
        coords=odc_coords(box),
    )
    time = np.datetime64("2022-01-01T22:50:01.250", "ns") + np.timedelta64(day, "D")
    tags = {"time": str(time), "track": track, "platform": "S1A", "digest": digest(data)}
    path = folder / f"S1A_{day:03d}_{track}.tif"
    write_cog(data.odc.assign_crs(box.crs), path, tags)
    return path


def held(path: Path) -> dict[str, int]:
    """When each chunk file was written [ns]."""
    return {
        str(file.relative_to(path)): file.stat().st_mtime_ns
        for file in path.glob("*/c/**/*")
        if file.is_file()
    }


@pytest.fixture
def ten(tmp_path: Path, box: GeoBox) -> tuple[Path, Path]:
    """A folder of ten scenes and their stack."""
    folder = tmp_path / "A004_2022q1"
    for day in range(10):
        write_scene(folder, box, day)
    stack_scenes([folder], tmp_path / "stack.zarr", GRID, code="as written", threads=1)
    return folder, tmp_path / "stack.zarr"


def test_a_stack_is_its_scenes_in_order_of_time(tmp_path: Path, box: GeoBox) -> None:
    for day in (6, 0, 12):
        write_scene(tmp_path / "A004_2022q1", box, day)
    write_scene(tmp_path / "D106_2022q1", box, 3, track="D106")
    stack_scenes(
        [tmp_path / "A004_2022q1", tmp_path / "D106_2022q1"],
        tmp_path / "stack.zarr",
        GRID,
        code="as written",
        threads=2,
    )
    data = open_dataset(tmp_path / "stack.zarr")
    assert data.odc.geobox == box
    assert data["track"].values.tolist() == ["A004", "D106", "A004", "A004"]
    np.testing.assert_allclose(data["vv"].values[:, 3, 3], [0, 0.03, 0.06, 0.12], rtol=1e-6)
    assert str(data["time"].values[1]) == "2022-01-04T22:50:01.250000000"
    assert np.isnan(data["vv"].values[:, 0, 0]).all()
    assert data["mask"].dtype == np.uint8
    assert data["mask"].values[:, 0, 0].tolist() == [1] * 4
    assert data["vv"].attrs["units"] == "1"
    assert data.attrs["backscatter_coefficient"] == "gamma nought"
    assert zarr.open_group(tmp_path / "stack.zarr")["vv"].chunks == (4, 8, 8)


def test_a_new_scene_is_appended_and_full_chunks_stay(ten: tuple[Path, Path], box: GeoBox) -> None:
    folder, out = ten
    before = held(out)
    group = (out / "zarr.json").read_text()
    write_scene(folder, box, 11)
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    assert (
        out / "zarr.json"
    ).read_text() != group  # by this Snakemake knows that what reads the stack must run again
    data = open_dataset(out)
    np.testing.assert_allclose(data["vv"].values[:, 3, 3], [*np.arange(10) / 100, 0.11], rtol=1e-6)
    assert data["track"].values.tolist() == ["A004"] * 11
    after = held(out)
    full = [name for name in before if name.startswith("vv/c/0/") or name.startswith("vv/c/1/")]
    assert len(full) == 8
    assert all(after[name] == before[name] for name in full)
    assert all(after[name] > before[name] for name in before if name.startswith("vv/c/2/"))


def test_extending_is_the_same_as_making_anew(
    ten: tuple[Path, Path], box: GeoBox, tmp_path: Path
) -> None:
    folder, out = ten
    for day in (10, 15, 21):
        write_scene(folder, box, day)
        stack_scenes([folder], out, GRID, code="as written", threads=1)
    stack_scenes([folder], tmp_path / "again.zarr", GRID, code="as written", threads=1)
    xr.testing.assert_identical(
        open_dataset(out).load(), open_dataset(tmp_path / "again.zarr").load()
    )


def test_nothing_new_writes_nothing(ten: tuple[Path, Path]) -> None:
    folder, out = ten
    before, group = held(out), (out / "zarr.json").read_text()
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    assert held(out) == before
    assert (out / "zarr.json").read_text() == group


def test_a_changed_or_late_scene_is_taken_in_from_its_chunk_on(
    ten: tuple[Path, Path], box: GeoBox
) -> None:
    folder, out = ten
    before = held(out)
    write_scene(folder, box, 6, level=0.5)
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    assert open_dataset(out)["vv"].values[6, 3, 3] == np.float32(0.5)
    assert all(
        time == before[name] for name, time in held(out).items() if name.startswith("vv/c/0/")
    )
    (folder / "S1A_006_A004.tif").unlink()
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    np.testing.assert_allclose(
        open_dataset(out)["vv"].values[:, 3, 3], np.delete(np.arange(10), 6) / 100, rtol=1e-6
    )


def test_a_damaged_stack_is_made_anew(ten: tuple[Path, Path]) -> None:
    folder, out = ten
    expected = open_dataset(out).load()
    (out / "time" / "zarr.json").unlink()
    shutil.rmtree(out / "digest")
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    xr.testing.assert_identical(open_dataset(out).load(), expected)


def test_dates_whose_writing_was_cut_off_are_written_again(
    ten: tuple[Path, Path], box: GeoBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between laying dates out and filling them, as a hard kill does: the next run must not take them for whole."""
    folder, out = ten
    write_scene(folder, box, 11)
    read = module._read
    monkeypatch.setattr(
        module, "_read", lambda *arguments, **options: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        stack_scenes([folder], out, GRID, code="as written", threads=1)
    monkeypatch.setattr(module, "_read", read)
    (out / "zarr.json").unlink()  # Snakemake removes what a job that failed was to write
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    np.testing.assert_allclose(
        open_dataset(out)["vv"].values[:, 3, 3], [*np.arange(10) / 100, 0.11], rtol=1e-6
    )
    assert all(open_dataset(out)["digest"].values != "")


def test_scenes_that_are_gone_leave_the_stack(ten: tuple[Path, Path]) -> None:
    """Also where those left fill whole chunks."""
    folder, out = ten
    before = held(out)
    for day in (8, 9):
        (folder / f"S1A_{day:03d}_A004.tif").unlink()
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    assert open_dataset(out).sizes["time"] == 8
    assert all(held(out)[name] == before[name] for name in before if name.startswith("vv/c/0/"))


def test_without_its_group_a_stack_is_extended_all_the_same(
    ten: tuple[Path, Path], box: GeoBox
) -> None:
    """Snakemake removes the rule's output, the group's metadata, before each job."""
    folder, out = ten
    before = held(out)
    write_scene(folder, box, 11)
    (out / "zarr.json").unlink()
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    assert open_dataset(out).sizes["time"] == 11
    assert all(held(out)[name] == before[name] for name in before if name.startswith("vv/c/0/"))


def test_an_edit_of_the_step_makes_the_stack_anew(
    ten: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = ten
    monkeypatch.setattr(
        module,
        "layer_attributes",
        lambda name: layer_attributes(name) | {"long_name": "another name"},
    )
    stack_scenes([folder], out, GRID, code="edited", threads=1)
    assert open_dataset(out)["vv"].attrs["long_name"] == "another name"


def test_a_scene_that_sees_nothing_is_left_out(ten: tuple[Path, Path], box: GeoBox) -> None:
    folder, out = ten
    write_scene(folder, box, 20, level=np.nan)
    stack_scenes([folder], out, GRID, code="as written", threads=1)
    assert open_dataset(out).sizes["time"] == 10


def test_scenes_that_do_not_belong_together_are_refused(
    ten: tuple[Path, Path], box: GeoBox, tmp_path: Path
) -> None:
    folder, out = ten
    write_scene(tmp_path / "other", box, 3, track="D106")
    with pytest.raises(LoamError, match="has the time of"):
        stack_scenes([folder, tmp_path / "other"], out, GRID, code="as written", threads=1)
    write_scene(tmp_path / "small", box[:4, :4], 30)
    with pytest.raises(LoamError, match="lies on another grid"):
        stack_scenes([tmp_path / "small"], out, GRID, code="as written", threads=1)
    with pytest.raises(LoamError, match="no scene sees the area"):
        stack_scenes([tmp_path / "none"], out, GRID, code="as written", threads=1)
