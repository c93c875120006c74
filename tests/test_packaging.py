"""The lock holds what pyproject.toml pins, and nothing of one machine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import yaml
from helpers import REPOSITORY
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
LOCK = pins((REPOSITORY / "requirements.lock").read_text().splitlines())


def ranges(lines: list[str]) -> dict[str, SpecifierSet]:
    return {canonical(each.name): each.specifier for each in map(Requirement, lines)}


def test_the_lock_pins_what_pyproject_allows() -> None:
    wanted = ranges(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert not {name for name in wanted if LOCK[name] not in wanted[name]}


def test_pyproject_pins_nothing() -> None:
    wanted = ranges(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert not {name for name, allowed in wanted.items() if not allowed or "==" in str(allowed)}


def test_the_lock_installs_anywhere() -> None:
    for line in (REPOSITORY / "requirements.lock").read_text().splitlines():
        # No path, no address, no local build.
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_every_import_is_a_declared_dependency() -> None:
    import ast
    import sys

    # Parts of rasterio and odc-geo.
    declared = set(ranges(PROJECT["dependencies"])) | {
        "affine",
        "pyproj",
    }
    declared |= {"pyrosar"}  # of envs/snap.yaml alone
    distribution = {
        "sklearn": "scikit-learn",
        "odc": "odc-geo",
        "cf_xarray": "cf-xarray",
        "yaml": "pyyaml",
    }
    for path in (REPOSITORY / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in (
                {name.split(".")[0] for name in names if name}
                - set(sys.stdlib_module_names)
                - {"loam"}
            ):
                assert canonical(distribution.get(name, name)) in declared, f"{path.name}: {name}"


def environment(name: str) -> dict[str, str]:
    """What an environment takes from pip."""
    given = yaml.safe_load((REPOSITORY / "envs" / name).read_text())["dependencies"]
    return pins(next(part["pip"] for part in given if isinstance(part, dict)))


def test_environments_name_the_versions_of_the_lock() -> None:
    locked, needed = LOCK, ranges(PROJECT["dependencies"])
    starts_jobs, learns = {"snakemake", "snakemake-executor-plugin-slurm"}, {"torch", "lightning"}
    assert environment("gpu.yaml").items() <= locked.items()
    assert environment("gpu.yaml").keys() == needed.keys() - starts_jobs
    assert (
        environment("loam.yaml").items()
        == {
            name: pin for name, pin in environment("gpu.yaml").items() if name not in learns
        }.items()
    )


def test_only_rules_that_learn_have_the_environment_that_does() -> None:
    rules = "".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
    found = re.findall(r"rule (\w+):(?:(?!rule \w+:).)*?envs/gpu.yaml", rules, re.S)
    assert sorted(found) == ["predict", "predict_date", "train"]


def test_a_wheel_brings_defaults_styles_and_the_command(tmp_path: Path) -> None:
    """Built here and unpacked elsewhere: the settings load, and the command plans a run, without a checkout."""
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
    ]
    source = tmp_path / "source"
    source.mkdir()
    for name in ("src", "config", "resources"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    subprocess.run([*build, str(tmp_path), str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    (points,) = (tmp_path / "site").glob("*.dist-info/entry_points.txt")
    assert "loam = loam.runtime.command_line:main" in points.read_text()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "loam",
            "plan",
            "--configfile",
            str(REPOSITORY / "config/demo.yaml"),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("demo: ")
    assert (tmp_path / "site/loam/shipped/resources/styles/ssm.qml").is_file()
    assert (tmp_path / "site/loam/shipped/config/schema.json").is_file()
