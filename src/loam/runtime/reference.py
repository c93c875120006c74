"""Reference page of the commands and of the files that they write, made from the steps themselves and the rules of the workflow."""

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from loam.runtime.command_line import named, takes
from loam.runtime.commands import COMMANDS, GIVEN

HEAD = """# Commands and files

This page is generated from the steps and the rules of the workflow: run `make reference` after a change there.

Each step is a rule of the workflow and a command: `python -m loam detect-change --help`. The workflow calls them; call one yourself to
try a step alone. Files are options of their own. Settings come as one JSON object through `--params`, by the names below, in
the form that [Settings](settings.md) describes.
"""
SINGLE = {"threads": "whole number", "member": "whole number"}


def page(rules: Path) -> str:
    """The page in Markdown.

    Args:
        rules: folder of the workflow's rules (`*.smk`).
    """
    steps = {name: named(target) for name, target in COMMANDS.items()}
    lines = [HEAD, "## Files", "", "| file | written by |", "|---|---|"]
    for file, rule in sorted(_files(rules)):
        command = rule.replace("_", "-")
        lines.append(f"| `{file}` | [{command}](#{command}) |")
    lines += ["", "## Commands", ""]
    for name, step in steps.items():
        lines += [f"### {name}", "", *_about(step, set(GIVEN.get(name, {}))), ""]
    return "\n".join(lines)


def _files(rules: Path) -> Iterator[tuple[str, str]]:
    """Every file that a rule or checkpoint writes, with its name."""
    text = "\n".join(path.read_text() for path in sorted(rules.glob("*.smk")))
    each = r"^ *(?:rule|checkpoint) (\w+):\n(.*?)(?=^ *(?:rule|checkpoint) |\Z)"
    for rule, body in re.findall(each, text, re.S | re.M):
        written = re.search(r"^ +output:\n(.*?)^ +(?:log|params|threads):", body, re.S | re.M)
        for file in dict.fromkeys(_paths(written[1] if written else "", text)):
            yield re.sub(r"\{\{?(\w+)\}?\}", r"<\1>", file), rule


def _paths(output: str, text: str) -> Iterator[str]:
    """Paths of a rule's output, those of the workflow's constants too; a Zarr that is named by its metadata by its folder."""
    for name, key in re.findall(r'\b([A-Z]{3,})\b(?:\["(\w+)"\])?', output):
        assigned = re.search(
            rf"^{name} = (.*?)(?=^\S+ =|^\S+:|^def |^rule |\n\n)", text, re.S | re.M
        )
        value = assigned[1] if assigned else ""
        output += re.sub(rf'.*"{key}": ("[^"]+").*', r"\1", value, flags=re.S) if key else value
    for path in re.findall(r'"(<(?:results|resources)>/[^"]+)"', output):
        yield path.removesuffix("/zarr.json")


def _about(step: Callable[..., None], given: set[str]) -> Iterator[str]:
    """Summary of a step, and a table of what it takes but for what it is given from elsewhere."""
    text = inspect.getdoc(step) or ""
    summary, _, told = text.partition("Args:")
    meanings = _meanings(told)
    yield _plain(" ".join(summary.split()))
    yield ""
    yield "| option or setting | is | meaning |"
    yield "|---|---|---|"
    hints = typing.get_type_hints(step)
    for name in [each for each in inspect.signature(step).parameters if each not in given]:
        hint = hints[name]
        as_option = takes(name, hint) is not None
        key = f"`--{name.replace('_', '-')}`" if as_option else f"`{name}` in `--params`"
        yield f"| {key} | {_kind(name, hint)} | {_plain(meanings.get(name, ''))} |"


def _meanings(told: str) -> dict[str, str]:
    """Text of every argument in the section `Args` of a docstring."""
    section = re.split(r"\n\n|\n\w+:\n", told)[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.M)
    return {name: " ".join(text.split()).rstrip(".") for name, text in found}


def _kind(name: str, hint: Any) -> str:
    if name in SINGLE:
        return SINGLE[name]
    kinds = {Path: "file", list[Path]: "files", Path | None: "file, may be empty"}
    return kinds.get(
        hint,
        "settings" if inspect.isclass(hint) and hint.__module__.startswith("loam") else "value",
    )


def _plain(text: str) -> str:
    """Text that a table and Markdown take as it is."""
    return re.sub(r"<(?![/\w]*>`)", "&lt;", text).replace("|", r"\|")


if __name__ == "__main__":
    Path("docs/commands.md").write_text(page(Path("workflow/rules")), encoding="utf-8")
