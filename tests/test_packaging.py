"""The lock holds what pyproject.toml pins, and nothing of one machine."""

import re
import tomllib

import yaml
from helpers import REPOSITORY


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


def test_the_lock_holds_every_pin() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = pins(project["dependencies"] + project["optional-dependencies"]["dev"])
    locked = pins((REPOSITORY / "requirements.lock").read_text().splitlines())
    assert wanted.items() <= locked.items()


def test_the_lock_installs_anywhere() -> None:
    for line in (REPOSITORY / "requirements.lock").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), (
            line
        )  # no path, no address, no local build


def test_every_import_is_a_declared_dependency() -> None:
    import ast
    import sys

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = set(pins(project["dependencies"])) | {
        "affine",
        "pyproj",
        "yaml",
    }  # parts of rasterio, odc-geo and snakemake
    declared |= {"pyrosar"}  # of envs/snap.yaml alone
    distribution = {"sklearn": "scikit-learn", "odc": "odc-geo", "cf_xarray": "cf-xarray"}
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
    locked = pins((REPOSITORY / "requirements.lock").read_text().splitlines())
    needed = pins(
        tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    )
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
