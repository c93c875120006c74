"""Files cut short or empty are found by the step that reads them, and named with what makes them again."""

import errno
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from helpers import REPOSITORY, days

from loam.core import raster
from loam.core.errors import LoamError
from loam.runtime.command_line import main
from loam.runtime.damage import damage, explain

Layer = Callable[..., xr.DataArray]


@pytest.fixture
def made(tmp_path: Path, layer: Layer) -> dict[str, Path]:
    """One good file of every kind that steps leave for others, with enough in it to be cut."""
    values = np.random.default_rng(0).random((3, 12, 16)).astype(np.float32)
    cube = layer(values, days("2022-01-01", 3), units="1", long_name="moisture").to_dataset(
        name="ssm"
    )
    raster.write_zarr(cube.odc.assign_crs("EPSG:32618"), tmp_path / "ssm.zarr", {"time": 1})
    raster.write_cog(
        cube.isel(time=0, drop=True).odc.assign_crs("EPSG:32618"), tmp_path / "batch/scene.tif", {}
    )
    cube.drop_vars("spatial_ref").to_netcdf(tmp_path / "weather.nc")
    pd.DataFrame({"value": values.ravel()}).to_parquet(tmp_path / "samples.parquet")
    (tmp_path / "splits.json").write_text(json.dumps({"dates": list(range(100))}))
    (tmp_path / "scenes.csv").write_text("scene,track\nS1A,A004\n")
    with zipfile.ZipFile(tmp_path / "0.ckpt", "w") as file:
        file.writestr("data", values.tobytes())
    paths = [path for path in tmp_path.iterdir() if path.name != "batch"]
    return {path.suffix: path for path in [*paths, tmp_path / "batch/scene.tif"]}


KINDS = [".zarr", ".tif", ".nc", ".parquet", ".json", ".csv", ".ckpt"]


def largest(path: Path) -> Path:
    """The file, or the largest one of a folder: its data."""
    return (
        max(
            (each for each in path.rglob("*") if each.is_file()),
            key=lambda each: each.stat().st_size,
        )
        if path.is_dir()
        else path
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_a_file_cut_short_or_empty_is_damaged_and_a_whole_one_is_not(
    made: dict[str, Path], kind: str, share: float
) -> None:
    assert damage(made[kind]) is None
    content = largest(made[kind]).read_bytes()
    largest(made[kind]).write_bytes(content[: int(share * len(content))])
    assert damage(made[kind])
    line = explain(RuntimeError("anything"), {"ssm": made[kind], "threads": 2})
    assert line is not None
    assert line.startswith(f"{made[kind]}: is not whole (")
    assert "; if it is yours replace it, and if Loam made it remove it" in line
    assert line.endswith(
        f"remove it (rm -r {made[kind]}) and run the same snakemake command again, which makes it again"
    )


def test_a_folder_of_scenes_names_the_scene(made: dict[str, Path]) -> None:
    made[".tif"].write_bytes(b"")
    assert damage(made[".tif"].parent) == "scene.tif: it is empty"


def test_a_fault_of_the_code_is_no_damage(made: dict[str, Path]) -> None:
    assert (
        explain(TypeError("a bug"), {"inputs": list(made.values()), "out": Path("nowhere.zarr")})
        is None
    )


def test_a_step_names_its_broken_input(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    samples = tmp_path / "samples.parquet"
    pd.DataFrame({"split": ["time"] * 500}).to_parquet(samples)
    samples.write_bytes(samples.read_bytes()[:-40])
    assert (
        main(["score", "--samples", str(samples), "--out", str(tmp_path / "scores.parquet")]) == 1
    )
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith(f"loam score: {samples}: is not whole (")
    assert not list(tmp_path.glob("scores*"))


def test_what_fails_leaves_the_earlier_file_and_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("earlier")
    with pytest.raises(ValueError, match="half-way"), raster.atomic_write(target) as partial:
        partial.write_text("half")
        raise ValueError("half-way")
    assert target.read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    with raster.atomic_write(target) as partial:
        partial.write_text("new")
    assert target.read_text() == "new"


def test_a_folder_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with raster.atomic_write(tmp_path / "a.zarr") as partial:
            partial.mkdir()
            (partial / text).touch()
    assert [path.name for path in (tmp_path / "a.zarr").iterdir()] == ["new"]


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(
            LoamError, match=r"a\.json: cannot be written, the disk is full; free some space"
        ),
        raster.atomic_write(tmp_path / "a.json"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x.ckpt")
        except OSError as error:
            raise RuntimeError("the writer failed") from error
    except RuntimeError as error:
        assert (
            explain(error, {})
            == "x.ckpt: the disk is full; free some space and run the same command again"
        )


def test_a_killed_writer_leaves_no_file_under_the_target_name(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from loam.core.raster import atomic_write\n"
        "with atomic_write(Path('a.json')) as partial: partial.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY / "src")},
        check=False,
    )
    assert done.returncode == -9
    assert not (tmp_path / "a.json").exists()


def test_a_missing_input_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "score",
                "--samples",
                str(tmp_path / "nowhere.parquet"),
                "--out",
                str(tmp_path / "scores.parquet"),
            ]
        )
        == 1
    )
    assert capfd.readouterr().err.startswith(
        f"loam score: {tmp_path}/nowhere.parquet: does not exist; name a file that is there"
    )
