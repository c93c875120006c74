"""Who may import whom, and how large things may grow."""

import ast
import importlib
from pathlib import Path

import pytest
from helpers import REPOSITORY

from loam.runtime.commands import COMMANDS

SOURCE = REPOSITORY / "src/loam"
MODULES = sorted(SOURCE.rglob("*.py"))
ROOMS = {
    "acquire",
    "twin",
    "sources",
    "sar",
    "moisture",
    "covariates",
    "samples",
    "learning",
    "evaluation",
    "products",
}
# What is no stage: the core knows nothing but itself, the configuration the core, and only what runs the stages knows them by name.
MAY_IMPORT = {
    "__init__": set(),
    "__main__": {"runtime"},
    "core": {"core"},
    "config": {"core", "config"},
    "runtime": {"core", "config", "runtime"},
}
ONLY = {
    "requests": {"acquire"},
    "urllib3": {"acquire"},
    "sarsen": {"sar"},
    "pyroSAR": {"sar"},
    "torch": {"learning"},
    "lightning": {"learning"},
    "snakemake": set(),
}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_stage_imports_only_itself_the_core_and_the_configuration(path: Path) -> None:
    own = {name.split(".")[1] for name in imports(path) if name.startswith("loam.")} - {
        "__version__"
    }
    assert own <= MAY_IMPORT.get(room(path), {"core", "config", room(path)})


def test_the_ground_floor_holds_packages_only() -> None:
    loose = {path.name for path in SOURCE.glob("*.py")}
    assert loose == {"__init__.py", "__main__.py"}
    assert {
        path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()
    } == ROOMS | MAY_IMPORT.keys() - {"__main__", "__init__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_libraries_stay_in_their_room(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    assert not {library for library in used & set(ONLY) if room(path) not in ONLY[library]}


def test_the_snakefile_imports_little() -> None:
    """Configuration and provenance parse in a blink: no array library comes with them."""
    heavy = "[m for m in ('numpy', 'xarray', 'torch', 'pandas') if m in sys.modules]"
    ours = "loam.config, loam.config.yaml_file, loam.runtime.inputs, loam.runtime.resources"
    ours += ", loam.runtime.run_registry, loam.runtime.fingerprint"
    code = f"import sys; import {ours}; print({heavy})"
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(REPOSITORY / "src")},
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_leads_to_a_documented_step(command: str) -> None:
    module, _, name = COMMANDS[command].partition(":")
    step = getattr(importlib.import_module(module), name)
    assert name == command.replace("-", "_")
    assert step.__doc__


def test_every_rule_that_runs_a_step_is_named_like_its_command() -> None:
    import re

    for path in (REPOSITORY / "workflow/rules").glob("*.smk"):
        for name, body in re.findall(
            r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.S | re.M
        ):
            called = re.findall(r"python -m loam ([\w-]+)", body)
            assert called in ([], [name.replace("_", "-")]), f"{path.name}: {name}"
            assert not re.search(r"^    (script|run):", body, re.M)


def functions() -> list[tuple[str, int, bool]]:
    """Name, lines of code without docstring, and whether it is public, of every function."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                found.append(
                    (
                        f"{path.relative_to(SOURCE)}:{node.name}",
                        lines,
                        not node.name.startswith("_"),
                    )
                )
    return found


def test_functions_are_short_and_modules_too() -> None:
    lengths = sorted(lines for _, lines, _ in functions())
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[int(0.9 * len(lengths))] <= 30
    assert {
        str(path): n for path in MODULES if (n := len(path.read_text().splitlines())) > 420
    } == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_public_functions_of_many_arguments_say_what_each_is(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        names = [each.arg for each in given if each.arg not in {"self", "cls"}]
        told = (ast.get_docstring(node) or "").partition("Args:")[2]
        unsaid = [name for name in names if f"    {name}: " not in told]
        step = node.name.replace("_", "-") in COMMANDS
        assert (len(names) < 4 and not step) or not unsaid, f"{path.name}: {node.name}: {unsaid}"
