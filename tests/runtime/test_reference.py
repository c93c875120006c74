"""The page of commands and files: up to date, and whole."""

import re

import pytest
from helpers import REPOSITORY

from loam.runtime import reference
from loam.runtime.commands import COMMANDS


@pytest.fixture(scope="module")
def page() -> str:
    return reference.page(REPOSITORY / "workflow/rules")


def test_it_is_up_to_date(page: str) -> None:
    assert (REPOSITORY / "docs/commands.md").read_text() == page, "run `make reference`"


def test_every_command_is_there_and_every_argument_has_a_meaning(page: str) -> None:
    assert re.findall(r"^### (\S+)$", page, re.M) == list(COMMANDS)
    commands = page.partition("## Commands")[2]
    assert not re.findall(r"^\| `.* \|  \|$", commands, re.M)


def test_every_rule_that_writes_is_named_with_its_files(page: str) -> None:
    texts = [path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk")]
    rules = re.findall(r"python -m loam ([\w-]+)", "".join(texts))
    files = page.partition("## Commands")[0]
    linked = set(re.findall(r"\(#([\w-]+)\)", files))
    assert linked == set(rules)
    assert "`<resources>/gamma0/stack.zarr` | [stack-scenes]" in files
    assert "`<resources>/soil/properties.zarr` | [import-soil]" in files
