"""What was there before stays, whoever dies: the step with status 1, the step by kill -9, Snakemake with it."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zarr
from helpers import REPOSITORY
from small_scene import House

from loam.core import atomic_write as replacing
from loam.core.raster import atomic_write, open_dataset

SNAKEFILE = f"""
import sys
sys.path.insert(0, "{REPOSITORY}/src")
from loam.runtime import run_registry
stop, check_inputs = sys.exit, lambda: None
run_registry.begin()
rule make:
    output: "made.txt", directory("made.zarr")
    params: version=config["version"]
    shell: "PYTHONPATH={REPOSITORY}/src {sys.executable} step.py {{params.version}} {{output}}"
rule use:
    input: "made.txt"
    output: "used.txt"
    shell: "cp {{input}} {{output}}"
include: "{REPOSITORY}/workflow/rules/hooks.smk"
RULES = ""  # these rules stand for Loam's
"""
STEP = """
import os, signal, sys
from pathlib import Path
from loam.core.atomic_write import take_place
version, text, folder = sys.argv[1], *map(Path, sys.argv[2:])
fault, new = os.environ.get("FAULT"), Path("new")
new.mkdir()
(new / "chunk").write_text(version)
take_place(new, folder)
new.write_text(version)
if fault == "both":
    above = os.getppid()
    if "snakemake" not in Path(f"/proc/{above}/cmdline").read_text().split("step.py")[0]:  # a shell is between
        above = int(Path(f"/proc/{above}/stat").read_text().rpartition(")")[2].split()[1])
    assert "snakemake" in Path(f"/proc/{above}/cmdline").read_text()
    os.kill(above, signal.SIGKILL)
new.unlink() if fault else take_place(new, text)
if fault in {"both", "kill"}:
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(fault == "exit")
"""


def snakemake(
    folder: Path, version: int, *arguments: str, fault: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-c1",
        "used.txt",
        "--rerun-incomplete",
        "--nolock",
        *arguments,
    ]
    environment = os.environ | {"FAULT": fault}
    return subprocess.run(
        [*command, "--config", f"version={version}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_failing_rerun_leaves_what_was_there_and_knows_that_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "step.py").write_text(STEP)
    assert snakemake(tmp_path, 1).returncode == 0
    for fault, *options in (("exit", "--keep-incomplete"), ("exit",), ("kill",), ("both",)):
        assert snakemake(tmp_path, 2, *options, fault=fault).returncode != 0
        assert [(tmp_path / name).read_text() for name in ("made.txt", "used.txt")] == ["1", "1"]
        assert (tmp_path / "made.zarr/chunk").read_text() == "2"  # written whole before the fault
        planned = snakemake(tmp_path, 2, "-n", "--quiet", "rules")
        assert re.search(r"^make +1$", planned.stdout + planned.stderr, re.M), fault
    assert snakemake(tmp_path, 2).returncode == 0
    assert [(tmp_path / name).read_text() for name in ("made.txt", "used.txt")] == ["2", "2"]
    assert "Nothing to be done" in snakemake(tmp_path, 2, "-n").stdout


# Put into `take_place`, where all is computed and nothing has its name yet.
FAULT = """
    import signal, sys
    how = os.environ.get("FAULT", "")
    if how and sys.argv[1] in os.environ["FAULTY"].split():
        os.kill(os.getpid(), signal.SIGKILL) if how == "kill" else sys.exit(1)
"""
FAULTY = ("stack_scenes", "train", "predict", "predict_date", "write_maps")


@pytest.mark.slow
def test_steps_that_die_leave_the_last_good_products_and_the_same_command_goes_on(
    copied: House,
) -> None:
    results, stack = (
        copied.folder / "results/small",
        copied.folder / "resources/small/gamma0/stack.zarr",
    )
    kept = [
        results / "learning/sequence/0.ckpt",
        results / "maps/2023-08-30.tif",
        results / "maps/2023-08-31.tif",
    ]
    before = [path.read_bytes() for path in kept]
    dates = open_dataset(stack).sizes["time"]
    shutil.rmtree(stack / "digest")  # so that stack_scenes writes all of it
    copied.edit(
        "src/loam/core/atomic_write.py",
        "    if not new.is_dir() and not path.is_dir():",
        FAULT + "    if not new.is_dir() and not path.is_dir():",
    )

    def run(rules: tuple[str, ...], how: str) -> subprocess.CompletedProcess[str]:
        named = " ".join(rules).replace("_", "-")
        return copied.run(
            "--configfile",
            "config/demo.yaml",
            "small.yaml",
            "--keep-going",
            "--allowed-rules",
            *rules,
            "-R",
            *rules,
            FAULT=how,
            FAULTY=named,
        )

    for rule, how in itertools.product(FAULTY, ("kill", "exit")):
        done = run((rule,), how)
        assert done.returncode == 1
        assert set(re.findall(r"Error in rule (\w+):", done.stdout + done.stderr)) == {rule}
        assert [path.read_bytes() for path in kept] == before
        assert open_dataset(results / "learning/sequence/0.zarr")["ssm"].notnull().any()
        assert zarr.open_group(stack, mode="r")["vv"].shape[0] == dates
    assert {*FAULTY} <= copied.planned()
    assert run(FAULTY, "").returncode == 0
    assert open_dataset(stack).sizes["time"] == dates


def test_the_lock_of_a_killed_run_goes_and_that_of_a_living_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json
    import socket

    from loam.runtime import run_registry

    monkeypatch.chdir(tmp_path)
    run_registry.LOCKS.mkdir(parents=True)
    lock = run_registry.LOCKS / "0.input.lock"
    lock.touch()
    run_registry.unlock()
    assert lock.exists()  # nobody is known to have died
    for pid, started, stays in (
        (os.getpid(), run_registry._started(os.getpid()), True),
        (1, "0", False),
    ):
        (run_registry.RUNS / "one").mkdir(parents=True, exist_ok=True)
        owner = {"host": socket.gethostname(), "pid": pid, "started": started}
        (run_registry.RUNS / "one" / run_registry.OWNER).write_text(json.dumps(owner))
        run_registry.unlock()
        assert lock.exists() == stays


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_is_there_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool
) -> None:
    """Stopped at each call that changes names: the older or the newer folder is there, at once or when writing starts again."""
    if not exchange:
        monkeypatch.setattr(replacing, "_exchange", lambda *_: False)
    path = tmp_path / "a.zarr"
    for stop_after in range(4):
        for text, limit in (("old", 99), ("new", stop_after)):
            _write(path, text, limit)
        replacing.recover(path)
        assert [each.name for each in path.iterdir()] in (["old"], ["new"])
        assert not (tmp_path / "a.zarr.earlier").exists()


def _write(path: Path, text: str, limit: int) -> None:
    """Write a folder, and die at the call after `limit` ones that change names."""
    calls = 0
    rename, real = Path.rename, replacing.remove

    def counted(function):
        def call(*arguments):
            nonlocal calls
            calls += 1
            if calls > limit:
                raise KeyboardInterrupt
            return function(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", counted(rename))
        patch.setattr(replacing, "remove", counted(real))
        try:
            with atomic_write(path) as partial:
                partial.mkdir()
                (partial / text).touch()
        except KeyboardInterrupt:
            pass
