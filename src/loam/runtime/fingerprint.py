"""Fingerprint of a step's code: a real edit reruns the step; a comment, a docstring or the wording of a message does not."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from loam.runtime.commands import COMMANDS

PACKAGE = Path(__file__).parents[1]
CONFIG = "loam.config"
# What these hold reaches a step as its parameters, or changes no value; of the configuration, what its classes do is looked at apart.
UNTRACKED = {"loam", "loam.core.errors", "loam.core.integrity", "loam.core.atomic_write"}
UNTRACKED_PACKAGES = ("loam.config", "loam.runtime")
# Parts of a syntax tree that say nothing, or not the same under every Python.
SILENT = {"type_params", "type_comment", "type_ignores", "kind", "ctx"}
LOGGED = {"debug", "info", "warning", "error", "exception", "critical", "warn"}


def fingerprint(step: str) -> str:
    """Hash of the code a step runs: its module, all modules of the package that this imports, and what their sections of settings do.

    Args:
        step: name of the rule, `detect_change`.
    """
    module = COMMANDS[step.replace("_", "-")].partition(":")[0]
    digest = hashlib.sha256()
    sections: set[str] = set()
    for name in sorted(_reachable(module)):
        digest.update(_code(name).encode())
        sections |= _settings(name)
    for code in _behaviour(sections):
        digest.update(code.encode())
    return digest.hexdigest()[:16]


def _reachable(module: str) -> set[str]:
    """The module and everything of the package that it imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in UNTRACKED and not name.startswith(UNTRACKED_PACKAGES):
            found.add(name)
            waiting.extend(_imports(name))
    return found


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text())


def _path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
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
def _settings(module: str) -> set[str]:
    """Names of the configuration module that a module uses."""
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(CONFIG):
            names.update(alias.name for alias in node.names)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "config"
        ):
            names.add(node.attr)
    return names


def _behaviour(names: set[str]) -> Iterator[str]:
    """Code of what some names of the configuration do, and of what this uses: methods, properties, functions, constants.

    Fields and validators are left out: values reach a step as its parameters, as validators have left them.
    """
    pieces = _pieces()
    found: set[str] = set()
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        if name in pieces and name not in found:
            found.add(name)
            waiting.extend(pieces[name][1])
    for name in sorted(found):
        if pieces[name][0]:
            yield f"{name}:{pieces[name][0]}"


@cache
def _pieces() -> dict[str, tuple[str, frozenset[str]]]:
    """Of every name of the configuration module: code of what it does, and names that it uses."""
    out: dict[str, tuple[str, frozenset[str]]] = {}
    for node in _statements(CONFIG):
        if isinstance(node, ast.ClassDef):
            does = [
                each
                for each in node.body
                if isinstance(each, ast.FunctionDef) and not _validates(each)
            ]
            types = [each.annotation for each in node.body if isinstance(each, ast.AnnAssign)]
            names = frozenset().union(*map(_loaded, [*node.bases, *types, *does]))
            out[node.name] = ("".join(map(plain, does)), names)
        elif isinstance(node, ast.FunctionDef):
            out[node.name] = (plain(node), frozenset(_loaded(node)))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names = frozenset(
                _loaded(node.value)
            )  # of a type: what it may hold is checked before, and does nothing
            out[node.targets[0].id] = (
                "" if names & {"Annotated", "Literal"} else plain(node.value),
                names,
            )
    return out


def _statements(package: str) -> Iterator[ast.stmt]:
    """Statements of all modules of a package; parsed each time, because `plain` changes what it is given."""
    for path in sorted(PACKAGE.joinpath(*package.split(".")[1:]).glob("*.py")):
        yield from ast.parse(path.read_text()).body


def _validates(function: ast.FunctionDef) -> bool:
    return any(
        "validator" in name for decorator in function.decorator_list for name in _loaded(decorator)
    )


@cache
def _code(module: str) -> str:
    """Code of a module without comments, docstrings, positions and the wording of messages."""
    return plain(ast.parse(_path(module).read_text()))


def plain(node: ast.AST) -> str:
    """A syntax tree as text, the same under every Python, without docstrings and what only makes messages; the tree is changed."""
    return _text(_without_messages(node))


def _text(node: object) -> str:
    if isinstance(node, ast.AST):
        parts = [(name, getattr(node, name, None)) for name in node._fields if name not in SILENT]
        return f"{type(node).__name__}({','.join([f'{name}={_text(value)}' for name, value in parts if value not in (None, [])])})"
    return f"[{','.join([_text(each) for each in node])}]" if isinstance(node, list) else repr(node)


def _without_messages(tree: ast.AST) -> ast.AST:
    """The tree without docstrings, texts of exceptions and lines of the log, and without what was made for these alone."""
    before = _loaded(tree)
    tree = _Silenced().visit(tree)
    removed = True
    while removed and (unused := before - _loaded(tree)):
        remover = _Unused(unused)
        tree = remover.visit(tree)
        removed = remover.removed
    return tree


def _loaded(tree: ast.AST) -> set[str]:
    """Names that are read, and attributes, which a method may be known by."""
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if type(node) is ast.Name and type(node.ctx) is ast.Load}
    return names | {node.attr for node in nodes if type(node) is ast.Attribute}


class _Silenced(ast.NodeTransformer):
    """Takes away docstrings, texts of exceptions and lines of the log."""

    def visit(self, node: ast.AST) -> Any:
        """Without a docstring, where it has one."""
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
        return super().visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Of what class it is counts, not what it says."""
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Nothing, for a line of the log or on standard error."""
        called = node.value.func if isinstance(node.value, ast.Call) else None
        if isinstance(called, ast.Attribute) and _tells(called):
            return None
        return self.generic_visit(node)


def _tells(called: ast.Attribute) -> bool:
    names = _loaded(called) - {called.attr}
    logs = called.attr in LOGGED and bool(names & {"log", "logger", "logging", "warnings"})
    return logs or (called.attr == "write" and "stderr" in names)


class _Unused(ast.NodeTransformer):
    """Takes away variables of functions, and private functions, that only messages have used."""

    def __init__(self, names: set[str]) -> None:
        """Remember which names nothing reads any more."""
        self.names, self.depth, self.removed = names, 0, False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        """Nothing, for a private function that is not called any more."""
        if node.name in self.names and node.name.startswith("_"):
            self.removed = True
            return None
        self.depth += 1
        node = self.generic_visit(node)  # type: ignore[assignment]  # the same node
        self.depth -= 1
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        """Nothing, for a variable that is not read any more."""
        target = node.targets[0]
        gone = (
            isinstance(target, ast.Name)
            and target.id in self.names
            and (self.depth > 0 or target.id.startswith("_"))
        )
        self.removed |= gone
        return None if gone else node
