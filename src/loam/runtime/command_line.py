"""Command line: `python -m loam detect-change --stack … --out … --params '{…}'`. One command per step."""

import argparse
import difflib
import importlib
import inspect
import json
import logging
import re
import sys
import types
import typing
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from loam.core.errors import LoamError
from loam.runtime.commands import COMMANDS, GIVEN


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Whatever stops it is one line on standard error, with exit status 1, or 2 for the command line itself."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] in (["-h"], ["--help"]):
        print(f"usage: python -m loam COMMAND --help\ncommands: {', '.join(COMMANDS)}")
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(_no_command(arguments), file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("loam").setLevel(logging.INFO)
    values: dict[str, Any] = {}
    try:
        step = named(COMMANDS[arguments[0]])
        given = {name: named(target) for name, target in GIVEN.get(arguments[0], {}).items()}
        values = _parse(step, arguments, set(given)) | given
        with _cores(values.get("threads", 1)):
            step(**values)
    except LoamError as error:
        line = str(error)
    except KeyboardInterrupt:
        line = "stopped from the keyboard"
    except Exception as error:
        from loam.runtime.damage import last_words

        line = last_words(error, values, arguments[0])
    else:
        return 0
    print(f"loam {arguments[0]}: {line}", file=sys.stderr)
    return 1


def named(target: str) -> Callable[..., Any]:
    """The function that a text such as `loam.samples.splits:make_splits` names."""
    module, _, name = target.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _no_command(arguments: list[str]) -> str:
    near = difflib.get_close_matches(arguments[0], COMMANDS, n=1) if arguments else []
    reason = (
        f"{arguments[0]!r} is no command{f'; did you mean {near[0]}?' if near else ''}"
        if arguments
        else "no command is named"
    )
    return f"loam: {reason}; `python -m loam --help` lists them"


def _cores(threads: int) -> AbstractContextManager[Any]:
    """Let dask use the cores that the job was given, and no more: it would take all that the node has, and memory for each."""
    import dask

    return dask.config.set(num_workers=threads)


def _parse(
    step: Callable[..., None], arguments: list[str], given_names: set[str]
) -> dict[str, Any]:
    """Turn the command line into the step's arguments, by its annotations; those that are given otherwise are left out.

    A `Path` is an option with one file, `Path | None` one that may be empty, `list[Path]` one with many; `threads` and
    `member` are numbers. Everything else comes as JSON through `--params`, keyed by argument, and is checked by pydantic.
    """
    hints = {
        name: hint
        for name, hint in typing.get_type_hints(step).items()
        if name not in {"return", *given_names}
    }
    parser = _Parser(prog=f"loam {arguments[0]}", description=inspect.getdoc(step))
    settings = {name for name, hint in hints.items() if _add_option(parser, name, hint) is False}
    if settings:
        text = f"JSON object with: {', '.join(sorted(settings))}; given more than once, they are joined"
        parser.add_argument(
            "--params", type=_json_object, action="append", required=True, help=text
        )
    values = {
        name: _folder_of_zarr(value)
        for name, value in vars(parser.parse_args(arguments[1:])).items()
    }
    given = {key: value for part in values.pop("params", []) for key, value in part.items()}
    if unknown := sorted(given.keys() - settings):
        msg = f"--params: '{unknown[0]}' is none of {', '.join(sorted(settings))}; remove it"
        raise LoamError(msg)
    return values | {name: _validated(name, hints[name], given) for name in settings}


class _Parser(argparse.ArgumentParser):
    """Answers in one line, where argparse prints how everything is used."""

    def error(self, message: str) -> typing.NoReturn:
        """Stop with exit status 2."""
        self.exit(
            2,
            f"{self.prog}: {LoamError(message)}; `python -m {self.prog} --help` lists the options\n",
        )


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"is no JSON ({error})"
        raise argparse.ArgumentTypeError(msg) from None
    if not isinstance(value, dict):
        msg = f"is a {type(value).__name__}, not a JSON object: give {{argument: settings}}"
        raise argparse.ArgumentTypeError(msg)
    return value


def _whole_number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text) if re.fullmatch(r"\d{1,9}", text) else -1
        if value < least:
            msg = f"{text!r} is no whole number from {least} on"
            raise argparse.ArgumentTypeError(msg)
        return value

    return number


def _folder_of_zarr(value: Any) -> Any:
    """A Zarr may be named by the metadata of its group, as the workflow names the stack: it stands for its folder."""
    return value.parent if isinstance(value, Path) and value.name == "zarr.json" else value


def takes(name: str, hint: Any) -> dict[str, Any] | None:
    """How the command line takes an argument of a step by itself, as `add_argument` wants it; None: through `--params`.

    Args:
        name: of the argument.
        hint: its annotation.
    """
    if hint is Path:
        return {"type": Path, "required": True}
    if hint == list[Path]:
        return {"type": Path, "nargs": "*", "default": []}
    if typing.get_origin(hint) is types.UnionType and Path in typing.get_args(hint):
        return {"type": Path, "nargs": "?", "default": None}
    if name in {"threads", "member"}:
        return {"type": _whole_number(1 if name == "threads" else 0), "default": 1}
    return None


def _add_option(parser: argparse.ArgumentParser, name: str, hint: Any) -> bool:
    taken = takes(name, hint)
    if taken is not None:
        parser.add_argument("--" + name.replace("_", "-"), **taken)
    return taken is not None


def _validated(name: str, hint: Any, given: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter, ValidationError

    from loam.config.faults import explained

    if name not in given:
        msg = f"--params: '{name}' is missing; give it as a key of the JSON object"
        raise LoamError(msg)
    try:
        return TypeAdapter(hint).validate_json(json.dumps(given[name]))
    except ValidationError as error:
        msg = f"--params: {explained(error, hint, name)}"
        raise LoamError(msg) from None
