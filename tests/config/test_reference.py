"""The schema and the page of the settings: up to date, true to what the loader takes, useful in an editor."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from helpers import REPOSITORY

from loam.config import reference
from loam.config.root import Config

DEFAULT = REPOSITORY / "config/default.yaml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return reference.schema(DEFAULT)


def faults(schema: dict[str, Any], text: str) -> list[str]:
    """What an editor underlines; dates are text, as JSON has no other."""
    given = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(given)]


def settings(shape: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every setting of a schema, below every section of fixed keys."""
    for name, inner in reference.fixed_keys(shape).items():
        key = f"{path}.{name}".lstrip(".")
        if reference.fixed_keys(inner):
            yield from settings(inner, key)
        else:
            yield key, inner


def test_files_are_those_that_make_reference_writes(tmp_path) -> None:
    reference.write(DEFAULT, tmp_path / "schema.json", tmp_path / "settings.md")
    for made, name in (("schema.json", "config/schema.json"), ("settings.md", "docs/settings.md")):
        assert (tmp_path / made).read_text() == (REPOSITORY / name).read_text(), (
            f"{name} is out of date; run make reference"
        )


@pytest.mark.parametrize("name", sorted(path.name for path in DEFAULT.parent.glob("*.yaml")))
def test_our_own_configurations_keep_to_the_schema(schema: dict[str, Any], name: str) -> None:
    assert faults(schema, (DEFAULT.parent / name).read_text()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning: {train: {epoch: 5}}", "'epoch' was unexpected"),
        ("grid: {resolution_m: -3}", "is not valid under any"),
        ("sar: {backend: gamma}", "'gamma' is not one of"),
        ("period: {start: 2021}", "2021 is not of type 'string'"),
        ("learning: {experiments: {mine: {architecture: lstm}}}", "is not valid under any"),
    ],
)
def test_an_editor_underlines_what_the_loader_refuses(
    schema: dict[str, Any], text: str, said: str
) -> None:
    assert any(said in fault for fault in faults(schema, text)), faults(schema, text)


@pytest.mark.parametrize(
    "text",
    [
        "grid: {resolution_m: '${RESOLUTION}'}",
        "learning: {train: {patience: null}, experiments: {sequence: null}}",
        "learning: {experiments: {sequence: {days: 30}}}",  # the other keys come from the defaults
        "{}",
    ],
)
def test_an_editor_leaves_alone_what_the_loader_takes(schema: dict[str, Any], text: str) -> None:
    assert faults(schema, text) == []


def test_every_setting_says_what_it_means_and_its_default(schema: dict[str, Any]) -> None:
    defaults = yaml.safe_load(DEFAULT.read_text())
    for key, shape in settings(schema):
        value = defaults
        for name in key.split("."):
            value = value[name]
        assert shape["description"], key
        assert json.dumps(shape["default"]) == json.dumps(value, default=str), key


def test_a_setting_of_default_yaml_is_documented_there_alone() -> None:
    """A second text beside the type would come to say something else."""
    bare = Config.model_json_schema()
    shape = reference.resolved(bare, bare["$defs"])
    assert [key for key, inner in settings(shape) if "description" in inner] == []


def test_comments_belong_to_their_own_key() -> None:
    text = "a: # of a\n  b: 'x#y'   # of a.b\n  c: 2\nd: 1 # of d\n"
    assert reference.comments(text) == {"a": "of a", "a.b": "of a.b", "d": "of d"}
