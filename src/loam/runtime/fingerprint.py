"""Fingerprint of a step's code: a real edit reruns the step; a comment, a docstring or the wording of a message does not."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from loam.runtime.commands import COMMANDS, GIVEN

PACKAGE = Path(__file__).parents[1]
CONFIG = "loam.config"
# What these hold reaches a step as its parameters, or changes no value; of the configuration, what its classes do is looked at apart.
UNTRACKED = {"loam", "loam.core.errors", "loam.core.integrity", "loam.core.atomic_write"}
UNTRACKED_PACKAGES = ("loam.config", "loam.runtime")
# Parts of a syntax tree that say nothing, or not the same under every Python.
SILENT = {"type_params", "type_comment", "type_ignores", "kind", "ctx"}
LOGGED = {"debug", "info", "warning", "error", "exception", "critical", "warn"}
# The name under which statements stand that a module runs when it is imported.
ON_IMPORT = "<import>"

Place = tuple[str, str]  # module, and name of a function, class or constant in it


def fingerprint(step: str) -> str:
    """Hash of the code a step runs: its function, and every function, class and constant of the package that this reaches.

    Args:
        step: name of the rule, `detect_change`.
    """
    digest = hashlib.sha256()
    pieces, sections = reachable(step.replace("_", "-"))
    for place in sorted(pieces):
        digest.update(f"{':'.join(place)}:{_pieces(place[0])[place[1]][0]}".encode())
    for code in _behaviour(sections):
        digest.update(code.encode())
    return digest.hexdigest()[:16]


def reachable(command: str) -> tuple[set[Place], set[str]]:
    """Pieces of code that a command's step and what it is given reach, and names of the configuration that these use.

    Args:
        command: name of the command, `detect-change`.
    """
    found: set[Place] = set()
    sections: set[str] = set()
    targets = [COMMANDS[command], *GIVEN.get(command, {}).values()]
    waiting = [(module, name) for module, _, name in (each.partition(":") for each in targets)]
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        found.add(place)
        module, name = place
        waiting.append((module, ON_IMPORT))
        for used in _pieces(module)[name][1]:
            for target, called in _resolved(module, used):
                if target == CONFIG or target.startswith(CONFIG + "."):
                    sections.add(called)
                elif target not in UNTRACKED and not target.startswith(UNTRACKED_PACKAGES):
                    waiting.append((target, called))
    return found, sections


def _resolved(module: str, used: str) -> list[Place]:
    """Where a name lies that a module's code uses, dotted where it is an attribute of another; nothing where it is not of the package."""
    name, _, attribute = used.partition(".")
    if name in _pieces(module):
        return [(module, name)]
    target = _imports(module).get(name)
    if target is None:
        return []
    home, _, own = target.rpartition(".")
    if _is_module(target):  # all of it where it is handed on whole
        attribute = attribute.partition(".")[0]
        if target.startswith(CONFIG):
            return [(target, attribute)]
        names = _pieces(target)
        return _resolved(target, attribute) or [(target, each) for each in names]
    if home.startswith(CONFIG):
        return [(home, own)]
    return _resolved(home, own)


def _is_module(name: str) -> bool:
    return _path(name).exists()


def _path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _imports(module: str) -> dict[str, str]:
    """What names of a module stand for, by any import statement of the package's, inside functions too."""
    names: dict[str, str] = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    return {name: target for name, target in names.items() if target.startswith("loam.")}


def _tree(module: str) -> ast.Module:
    """Syntax tree of a module; parsed each time, because `plain` changes what it is given."""
    return ast.parse(_path(module).read_text())


@cache
def _pieces(module: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Of every function, class and constant of a module: its code, and the names that it uses, in its attributes too.

    What runs when the module is imported stands under `ON_IMPORT`.
    """
    code: dict[str, str] = {ON_IMPORT: ""}
    uses: dict[str, set[str]] = {ON_IMPORT: set()}
    for node in _tree(module).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for name in _bound(node) or [ON_IMPORT]:
            text = plain(node)
            code[name] = code.get(name, "") + text
            uses[name] = uses.get(name, set()) | _used(node)
    return {name: (code[name], frozenset(uses[name])) for name in code}


def _bound(node: ast.stmt) -> list[str]:
    """Names that a statement of a module binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    each = [part for target in targets for part in getattr(target, "elts", [target])]
    return [part.id for part in each if isinstance(part, ast.Name)]


def _used(tree: ast.AST) -> set[str]:
    """Names that a tree reads, attributes of names as `name.attribute`, and texts that may be names of types."""
    names = set(_loaded(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
            names.discard(node.value.id)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value.isidentifier()
        ):
            names.add(node.value)
    alone = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    within = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return names | {node.id for node in alone if id(node) not in within}


def _behaviour(names: set[str]) -> Iterator[str]:
    """Code of what some names of the configuration do, and of what this uses: methods, properties, functions, constants.

    Fields and validators are left out: values reach a step as its parameters, as validators have left them.
    """
    pieces = _settings()
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
def _settings() -> dict[str, tuple[str, frozenset[str]]]:
    """Of every name of the configuration: code of what it does, and names that it uses."""
    out: dict[str, tuple[str, frozenset[str]]] = {}
    modules = sorted(PACKAGE.joinpath(*CONFIG.split(".")[1:]).glob("*.py"))
    for node in [node for path in modules for node in ast.parse(path.read_text()).body]:
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
            # Of a type: what it may hold is checked before, and does nothing.
            names = frozenset(_loaded(node.value))
            of_type = names & {"Annotated", "Literal"}
            out[node.targets[0].id] = ("" if of_type else plain(node.value), names)
    return out


def _validates(function: ast.FunctionDef) -> bool:
    return any(
        "validator" in name for decorator in function.decorator_list for name in _loaded(decorator)
    )


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
