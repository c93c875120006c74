"""Another workflow uses Loam as a module, from its own folder, and adds a rule after the maps."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers import REPOSITORY
from small_scene import SMALL, House, jobs

from loam.config.yaml_file import over, read


class Caller:
    """A folder with a workflow that is not Loam's."""

    def __init__(self, folder: Path, prefix: str | None = None, **changes: object) -> None:
        self.folder = folder
        shutil.copy(Path(__file__).with_name("Snakefile"), folder / "Snakefile")
        loam = over(over(read(REPOSITORY / "config/demo.yaml"), SMALL), changes)
        path = str(REPOSITORY / "workflow/Snakefile")
        settings = {"loam": path, "prefix": prefix, "moisture": loam}
        (folder / "config.yaml").write_text(yaml.safe_dump(settings))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )


def planned(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.M)
    return {name: int(number) for name, number in rows}


@pytest.mark.parametrize("prefix", [None, "moisture"])
def test_a_dry_run_plans_loam_and_the_callers_rule(tmp_path: Path, prefix: str | None) -> None:
    plan = planned(Caller(tmp_path, prefix).run("-n"))
    assert {"loam_make_twin", "loam_find_scenes", "loam_train", "wettest_day"} <= plan.keys()
    assert all(name.startswith("loam_") for name in plan.keys() - {"wettest_day", "total"})
    shown = Caller(tmp_path, prefix).run("-n").stdout
    assert f"output: {prefix + '/' if prefix else ''}resources/" in shown


def test_it_comes_from_a_repository_by_tag(tmp_path: Path) -> None:
    """Snakemake fetches the rules alone; the code is that of the Loam which is installed."""
    repository, caller = tmp_path / "loam", tmp_path / "caller"
    for name in ("workflow", "envs"):
        shutil.copytree(REPOSITORY / name, repository / name)
    commands = (["init", "-q"], ["add", "."], ["commit", "-qm", "Rules"], ["tag", "v1"])
    for command in commands:
        who = ["-c", "user.name=Loam", "-c", "user.email=loam@example.org"]
        subprocess.run(["git", *who, *command], cwd=repository, check=True)
    shutil.rmtree(repository / "workflow")  # what is fetched is the tag's, not what lies there
    caller.mkdir()
    run = Caller(caller, "moisture")
    settings = yaml.safe_load((caller / "config.yaml").read_text())
    settings["loam"] = f"git+file://{repository}/workflow/Snakefile@v1"
    (caller / "config.yaml").write_text(yaml.safe_dump(settings))
    plan = planned(run.run("-n"))
    assert {"loam_make_twin", "loam_train", "loam_write_maps", "wettest_day"} <= plan.keys()


def test_files_of_the_user_keep_their_place(tmp_path: Path) -> None:
    """A prefix is for what Loam makes: a file that the configuration names lies where it says."""
    dem = tmp_path / "dem.tif"
    dem.write_bytes(b"looked at when the first job starts")
    done = Caller(tmp_path, "moisture", sources={"dem": {"path": "dem.tif"}}).run("-n")
    assert re.search(r"input: .*\bdem\.tif", done.stdout), done.stdout + done.stderr
    assert "moisture/dem.tif" not in done.stdout


def test_the_callers_rule_runs_after_the_maps(house: House, tmp_path: Path) -> None:
    """Of the finished small scene only what differs for the caller is made: maps, with their style elsewhere."""
    for name in ("results", "resources", ".snakemake"):
        subprocess.run(["cp", "-a", f"{house.folder / name}", str(tmp_path)], check=True)
    shutil.rmtree(tmp_path / "results/small/maps")
    done = Caller(tmp_path).run()
    ran = jobs(done)
    assert ran["wettest_day"] == 1
    assert ran["loam_write_maps"] == len(list((tmp_path / "results/small/maps").glob("*.tif")))
    assert ran.keys() <= {"loam_write_maps", "loam_draw_maps", "loam_maps", "wettest_day"}
    assert (tmp_path / (tmp_path / "wettest_day.txt").read_text()).is_file()
    assert "the caller starts" in done.stdout
    assert not list((tmp_path / ".snakemake/loam").glob("*"))


def test_the_callers_own_jobs_are_left_to_snakemake(tmp_path: Path) -> None:
    done = Caller(tmp_path).run("failing")
    assert done.returncode != 0
    assert not (tmp_path / "half.txt").exists()
    assert not (tmp_path / ".snakemake/loam").exists()


def test_a_fault_in_loams_settings_is_the_callers_error(tmp_path: Path) -> None:
    done = Caller(tmp_path, learning={"members": 0}).run("-n")
    assert done.returncode == 1
    assert "learning.members" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
