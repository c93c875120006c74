"""Fingerprint of a step's code: a real edit reruns the step, a comment or a docstring does not."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from loam.__main__ import COMMANDS

PACKAGE = Path(__file__).parent
# What these hold reaches a step as its parameters, or not at all.
UNTRACKED = {"loam", "loam.config", "loam.errors", "loam.__main__"}


def fingerprint(step: str) -> str:
    """Hash of the code a step runs: its module and all modules of the package that this imports.

    Args:
        step: name of the rule, `detect_change`.
    """
    module = COMMANDS[step.replace("_", "-")].partition(":")[0]
    digest = hashlib.sha256()
    for name in sorted(_reachable(module)):
        digest.update(_code(name).encode())
    return digest.hexdigest()[:16]


def _reachable(module: str) -> set[str]:
    """The module and everything of the package that it imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in UNTRACKED:
            found.add(name)
            waiting.extend(_imports(name))
    return found


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text())


def _path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(module: str) -> set[str]:
    """Modules of the package that are named in any import statement, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.startswith("loam.") and _path(name).exists()}


@cache
def _code(module: str) -> str:
    """Code of a module without comments, docstrings and positions."""
    tree = ast.parse(_path(module).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)
