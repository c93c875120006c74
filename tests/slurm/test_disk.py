"""A disk that fills up while a COG, a Zarr and a checkpoint are written: one line, the earlier file untouched, and on again."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm.cluster import Cluster
from slurm.conftest import Run, SlurmHouse
from small_scene import House

SMALL_DISK = "size=1m"
CASES = {
    "COG": ("write_maps", "--out", "results/small/maps"),
    "Zarr": ("detect_change", "--out", "results/small/moisture/ssm.zarr"),
    "checkpoint": ("train", "--out", "results/small/learning/sequence/0.ckpt"),
}


@pytest.fixture
def disk(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", SMALL_DISK, "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def command(house: House, rule: str) -> list[str]:
    """The command of a rule as Snakemake prints it."""
    done = house.small("-n", "--forcerun", rule, "--printshellcmds")
    line = re.search(rf"python -m loam {rule.replace('_', '-')} .*", done.stdout + done.stderr)
    assert line, done.stderr
    words = shlex.split(line.group(0))
    return [sys.executable, *words[1 : words.index("2>")]]  # without its log


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", CASES)
def test_a_full_disk_is_named_and_costs_nothing_that_was_there(
    ran: tuple[SlurmHouse, Run], disk: Path, kind: str
) -> None:
    rule, option, where = CASES[kind]
    house = ran[0]
    words = command(house, rule)
    targets = [word for word in words if word.startswith(where)]
    moved = [
        str(disk / Path(word).name) if word in targets or word.endswith("/0.csv") else word
        for word in words
    ]
    assert option in moved
    earlier = disk / Path(targets[0]).name
    earlier.write_bytes(b"an earlier result")
    # Room for a little, for none of the three.
    (disk / "ballast").write_bytes(b"0" * (1024 - 24) * 1024)
    run = {
        "cwd": house.folder,
        "capture_output": True,
        "text": True,
        "env": os.environ | {"PYTHONPATH": str(house.folder / "src")},
    }
    failed = subprocess.run(moved, check=False, **run)  # type: ignore[call-overload]
    assert failed.returncode == 1, failed.stderr
    assert "the disk is full" in failed.stderr.splitlines()[-1], failed.stderr
    assert "free some space and run the same command again" in failed.stderr
    assert contents(disk).keys() == {"ballast", earlier.name}  # nothing half-written stays
    assert earlier.read_bytes() == b"an earlier result"
    (disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
    assert subprocess.run(moved, check=False, **run).returncode == 0  # type: ignore[call-overload]
    assert earlier.is_dir() or earlier.read_bytes() != b"an earlier result"
