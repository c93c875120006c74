"""The one reader of configuration files: what it refuses, it refuses in one line that names the file, the place and the cause."""

import argparse
import json
import stat
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from loam.core.errors import LoamError

MOST_BYTES = 256 * 1024  # ten times config/default.yaml
MOST_DEPTH = 32
MOST_VALUES = 100_000  # once every alias stands for what it names
KEYS = {"str", "int", "merge"}  # of these kinds a key may be; land-cover codes are whole numbers
MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


def merged(files: Iterable[Path]) -> dict[str, Any]:
    """Configuration files, later over earlier ones, as Snakemake merges them.

    Raises:
        LoamError: one cannot be read.
    """
    whole: dict[str, Any] = {}
    for path in files:
        whole = over(whole, read(path))
    return whole


def over(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Settings over others: sections are merged key by key, everything else is replaced."""
    out = dict(base)
    for key, value in new.items():
        out[key] = (
            over(out[key], value)
            if isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
            else value
        )
    return out


def read(path: Path) -> dict[str, Any]:
    """Read one configuration file, YAML or JSON.

    Raises:
        LoamError: it is no text in UTF-8, no YAML, too large, names a key twice, refers to itself, or holds no keys.
    """
    text = _text(path)
    try:
        value = _parsed(text)
    except _Fault as fault:
        msg = f"{path}: {fault}"
        raise LoamError(msg) from None
    if isinstance(value, dict):
        return value
    if value is None:
        msg = f"{path}: is empty; a configuration names at least area and run, as config/demo.yaml does"
    else:
        msg = f"{path}: holds a {_kind(value)} and no keys; write settings as `key: value`, as config/default.yaml does"
    raise LoamError(msg)


def require_bounded(raw: Any) -> None:
    """Stop where settings, wherever they come from, are no section, refer to themselves or stand for more values than any file has.

    Raises:
        LoamError: one of these.
    """
    if not isinstance(raw, Mapping):
        msg = f"a configuration is a section with keys, not a {type(raw).__name__}; config/default.yaml shows every key"
        raise LoamError(msg)
    waiting, seen = [(raw, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        parts = (
            value.values()
            if isinstance(value, Mapping)
            else value
            if isinstance(value, list | tuple)
            else ()
        )
        seen += len(parts)
        if depth > MOST_DEPTH or seen > MOST_VALUES:
            msg = f"the configuration refers to itself, is deeper than {MOST_DEPTH} levels or holds more than {MOST_VALUES} values"
            raise LoamError(msg)
        waiting.extend((part, depth + 1) for part in parts)


def check_command_line(arguments: list[str]) -> None:
    """Read what Snakemake's `--configfile` and `--config` name before Snakemake does, which answers in tracebacks.

    Args:
        arguments: of Snakemake's command line.

    Raises:
        LoamError: one cannot be read.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", type=Path, default=[])
    parser.add_argument("--config", "-C", nargs="*", default=[])
    try:
        given, _ = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return  # Snakemake says what is missing
    for path in given.configfile:
        read(path)
    for entry in given.config:
        _check_setting(entry)


def _check_setting(entry: str) -> None:
    name, mark, text = entry.partition("=")
    if not mark:
        msg = f"--config {entry}: is no setting; write name=value"
        raise LoamError(msg)
    try:
        _parsed(text)
    except _Fault as fault:
        if fault.about_structure:  # all else Snakemake takes as text
            msg = f"--config {name}: {fault}"
            raise LoamError(msg) from None


class _Fault(Exception):
    """What is wrong with a text, and on which line."""

    def __init__(
        self, reason: str, mark: yaml.Mark | None = None, *, about_structure: bool = True
    ) -> None:
        super().__init__(f"line {mark.line + 1}: {reason}" if mark else reason)
        self.about_structure = about_structure


def _text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            msg = f"{path}: is {'a folder' if stat.S_ISDIR(status.st_mode) else 'no regular file'}; name the configuration file itself"
            raise LoamError(msg)
        if status.st_size > MOST_BYTES:
            msg = f"{path}: has {status.st_size} bytes, more than the {MOST_BYTES} of any configuration; name the configuration file itself"
            raise LoamError(msg)
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        msg = f"{path}: cannot be read as YAML ({reason}); name the files of --configfile"
        raise LoamError(msg) from None
    return _decoded(content, path)


def _decoded(content: bytes, path: Path) -> str:
    kind = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if kind is None and b"\0" in content:
        kind = "UTF-16" if content.count(b"\0") > len(content) // 4 else "a binary file"
    try:
        if kind is None:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        kind = f"no UTF-8 (byte 0x{content[error.start]:02x} on line {line})"
    msg = f"{path}: is {kind}; save the configuration as text in UTF-8"
    raise LoamError(msg)


def _parsed(text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:  # as Snakemake does: JSON may be indented by tabs, YAML may not
            return json.loads(text, object_pairs_hook=_pairs)
        except (ValueError, RecursionError):
            pass  # a mapping of YAML in braces
    try:
        return _value(_Loader(text))
    except yaml.MarkedYAMLError as error:
        raise _Fault(_problem(error), error.problem_mark, about_structure=False) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        msg = f"line {line}: character U+{int(error.character):04X} is no text; remove it"
        raise _Fault(msg, about_structure=False) from None


def _value(loader: "_Loader") -> Any:
    try:
        root = loader.get_single_node()
        _count(root, {}, [])
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        msg = f"key '{twice}' is given twice; keep one"
        raise _Fault(msg)
    return out


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "cannot be read as YAML"
    if "'\\t'" in problem:
        return "a tab; YAML is indented by blanks, replace the tab by them"
    if "another document" in problem or "single document" in (error.context or ""):
        return "a second document begins (---); keep one"
    return f"cannot be read as YAML ({error.context + ', ' if error.context else ''}{problem}); mend it, or put texts in quotes"


def _count(node: yaml.Node | None, known: dict[int, int], parents: list[int]) -> int:
    """Values below a node, each alias counted as what it stands for.

    Raises:
        _Fault: they are too many, or a node lies within itself.
    """
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) in parents:
        msg = "refers to itself by an alias (*); write the value out"
        raise _Fault(msg, node.start_mark)
    if id(node) not in known:
        parts = (
            [each for pair in node.value for each in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        known[id(node)] = 1 + sum(_count(each, known, [*parents, id(node)]) for each in parts)
    if known[id(node)] > MOST_VALUES:
        msg = f"holds more than {MOST_VALUES} values, each alias (*) counted as what it stands for; keep the settings alone"
        raise _Fault(msg, node.start_mark)
    return known[id(node)]


class _Loader(yaml.SafeLoader):
    """YAML as Snakemake reads it, less what is ambiguous: keys given twice, keys that are no words, values that are no values."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth, self.flattened = 0, set[int]()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node, as deep as any configuration is."""
        if self.depth > MOST_DEPTH:
            msg = f"is nested deeper than {MOST_DEPTH} levels; close the brackets"
            raise _Fault(msg, self.peek_event().start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Construct a value; one that the library cannot build, as a day that no calendar has, is named."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
            what = "date" if node.tag.endswith("timestamp") else node.tag.rpartition(":")[2]
            reason = str(error).partition(";")[0]
            msg = f"{str(node.value)[:40]} is no {what} ({reason}); correct it, or put it in quotes where it is text"
            raise _Fault(msg, node.start_mark) from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what `<<` names, after a look for keys given twice: the last would win in silence."""
        first: dict[tuple[str, Hashable], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                msg = "a key is a list or a mapping; keys are words"
                raise _Fault(msg, key.start_mark)
            if (kind := key.tag.rpartition(":")[2]) not in KEYS:
                msg = f"key {key.value or 'null'} is a {kind} in YAML; put it in quotes, or name the key that is meant"
                raise _Fault(msg, key.start_mark)
            name = (key.tag, key.value)
            if name in first and id(node) not in self.flattened:
                msg = f"key '{key.value}' is given twice, first on line {first[name]}; keep one"
                raise _Fault(msg, key.start_mark)
            first[name] = key.start_mark.line + 1
        self.flattened.add(id(node))  # an aliased mapping comes again, with what was merged into it
        super().flatten_mapping(node)


def _kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "single value"
