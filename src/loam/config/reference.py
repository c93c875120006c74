"""JSON schema and reference page of the settings, made from `config/default.yaml` and the types of `Config`.

A setting is documented once: by the comment beside it in `config/default.yaml`. Where keys are free (experiments, legends, stations),
the fields of their classes say what they hold.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from loam.config.root import Config

URL = "https://json-schema.org/draft/2020-12/schema"
FROM_ENVIRONMENT = {"type": "string", "pattern": r"\$\{\w+(:-[^}]*)?\}"}
HEAD = """# Settings

This page is generated from `config/default.yaml` and the types of the settings: run `make reference` after a change there.

Your own file holds only what differs. The keys of a table lie below the section that its heading names: `start` is
`period: {start: …}`. Strings may use `${VARIABLE}` or `${VARIABLE:-default}` of the environment, `<resources>` for
`resources/<area>`, and `~/` for your home. Editors that know YAML schemas complete and check your file if its first line is
`# yaml-language-server: $schema=<path of Loam>/config/schema.json`.
"""


def comments(text: str) -> dict[str, str]:
    """Comment beside each key of a YAML text, by the key's path (`sar.scenes.min_cover`).

    Args:
        text: block style, a key per line, as in `config/default.yaml`.
    """
    found: dict[str, str] = {}
    path: list[str] = []
    for line in text.splitlines():
        if key := re.match(r"( *)([\w-]+):(.*)", line):
            depth = len(key[1]) // 2
            path = [*path[:depth], key[2]]
            if comment := re.search(r"(?:^|\s)# *(.*)$", key[3]):
                found[".".join(path)] = comment[1].strip()
    return found


def schema(default: Path) -> dict[str, Any]:
    """JSON schema of a user's own configuration: every key may be left out, none may be misspelt.

    Args:
        default: `config/default.yaml`: defaults, and comments as descriptions.
    """
    text = default.read_text(encoding="utf-8")
    raw = Config.model_json_schema()
    shape = resolved(raw, raw.get("$defs", {}))
    _annotate(shape, yaml.safe_load(text), comments(text), "")
    return {"$schema": URL, **shape, "title": "Settings of Loam"}


def page(shape: Mapping[str, Any]) -> str:
    """The settings as a page in Markdown: a table for every stage.

    Args:
        shape: of `schema`.
    """
    sections = {name: each for name, each in shape["properties"].items() if fixed_keys(each)}
    alone = {name: each for name, each in shape["properties"].items() if name not in sections}
    tables = [_table("The run", "", list(_rows({"properties": alone})))]
    for name, section in sections.items():
        tables.append(_table(f"`{name}`", section.get("description", ""), list(_rows(section))))
    return "\n".join([HEAD, *tables])


def write(default: Path, schema_file: Path, page_file: Path) -> None:
    """Write both; `make reference` calls this."""
    shape = schema(default)
    text = json.dumps(shape, indent=1, ensure_ascii=False, default=str)
    schema_file.write_text(text + "\n", encoding="utf-8")
    page_file.write_text(page(shape), encoding="utf-8")


def resolved(value: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema with each reference replaced by what it refers to: a description belongs to a place, not to a type.

    Nothing is required: what a user leaves out comes from `config/default.yaml`.
    """
    if isinstance(value, list):
        return [resolved(each, definitions) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        named = definitions[value["$ref"].rsplit("/", 1)[1]]
        value = named | {key: each for key, each in value.items() if key != "$ref"}
    return {
        key: resolved(each, definitions)
        for key, each in value.items()
        if key not in {"$defs", "required"} and not (key == "title" and isinstance(each, str))
    }


def fixed_keys(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Schemas of a section's keys, also of one that may be null as a whole; empty where a setting is no section."""
    options = [each for each in shape.get("anyOf", [shape]) if "properties" in each]
    return options[0]["properties"] if len(options) == 1 else {}


def _annotate(shape: dict[str, Any], default: Any, texts: Mapping[str, str], path: str) -> None:
    """Put defaults and comments into a schema, in place; what has a default may be left out."""
    if path in texts:
        shape["description"] = texts[path]
    if (section := fixed_keys(shape)) and isinstance(default, dict):
        for name, inner in section.items():
            _annotate(inner, default.get(name), texts, f"{path}.{name}".lstrip("."))
        return
    if path:
        shape["default"] = default.isoformat() if isinstance(default, date) else default
    if default is None or shape.get("type") in {"number", "integer", "boolean"}:
        kept = {key: shape.pop(key) for key in list(shape) if key not in {"description", "default"}}
        others = [{"type": "null"}] if default is None else [FROM_ENVIRONMENT]
        shape["anyOf"] = [kept, *others] if "anyOf" not in kept else [*kept["anyOf"], *others]


def _rows(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Rows of a table: key, default, what is allowed, meaning."""
    for name, inner in fixed_keys(section).items():
        key = f"{path}.{name}".lstrip(".")
        if fixed_keys(inner):
            yield from _rows(inner, key)
            continue
        default = inner.get("default")
        if not isinstance(default, str):
            default = json.dumps(default, ensure_ascii=False, default=str)
        yield key, f"`{default}`", _allowed(inner), _plain(inner.get("description", ""))


def _allowed(shape: Mapping[str, Any]) -> str:
    """What values a setting takes, in words."""
    if "anyOf" in shape:
        words = [_allowed(each) for each in shape["anyOf"] if each != FROM_ENVIRONMENT]
        return " or ".join(dict.fromkeys(word for word in words if word))
    if "enum" in shape:
        return ", ".join(f"`{each}`" for each in shape["enum"])
    if "const" in shape:
        return f"`{shape['const']}`"
    kind = {"string": "text", "integer": "whole number", "boolean": "yes or no"}.get(
        shape.get("type", ""), shape.get("type", "")
    )
    if kind == "array":
        return "list"
    if kind == "object":
        return "section"
    if shape.get("format") == "date":
        return "day"
    low = shape.get("minimum", shape.get("exclusiveMinimum"))
    high = shape.get("maximum", shape.get("exclusiveMaximum"))
    if low is None and high is None:
        return kind
    return f"{kind}, {'' if low is None else f'{low:.10g}'} to {'' if high is None else f'{high:.10g}'}"


def _plain(text: str) -> str:
    """Text whose `<resources>` Markdown does not take for a tag."""
    return text.replace("<", "&lt;")


def _table(title: str, about: str, rows: list[tuple[str, str, str, str]]) -> str:
    lines = [f"## {title}", ""]
    lines += [_plain(about[:1].upper() + about[1:].rstrip(".")) + ".", ""] if about else []
    lines += ["| setting | default | values | meaning |", "|---|---|---|---|"]
    lines += [
        "| " + " | ".join([f"`{key}`", *(each.replace("|", r"\|") for each in more)]) + " |"
        for key, *more in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write(Path("config/default.yaml"), Path("config/schema.json"), Path("docs/settings.md"))
