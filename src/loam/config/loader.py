"""Read, merge, expand and check a configuration."""

import os
import re
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loam.config.faults import explained
from loam.config.root import Config
from loam.config.yaml_file import require_bounded
from loam.core.errors import LoamError


def load(raw: Mapping[str, Any]) -> Config:
    """Validate a merged configuration.

    `${NAME}` and `${NAME:-default}` in strings stand for environment variables, `<resources>` for the area's folder.

    Raises:
        LoamError: the faults, each with key, value, what is allowed and the nearest known key.
    """
    require_bounded(raw)
    if raw.get("area") is None:
        msg = "area: no area is set; name a configuration, as in `snakemake --configfile config/demo.yaml`"
        raise LoamError(msg)
    plain = _expand(dict(raw), "", {})
    plain = _expand(
        plain,
        "",
        {"<resources>": f"resources/{plain['area']}", "<results>": f"results/{plain.get('run')}"},
    )
    try:
        return Config.model_validate(plain)
    except ValidationError as error:
        raise LoamError(explained(error, Config)) from None


def as_json(parts: Mapping[str, Any]) -> str:
    """Settings of a step as one JSON object, the way a command's `--params` takes them."""
    return TypeAdapter(dict[str, Any]).dump_json(dict(parts)).decode()


def _expand(value: Any, key: str, names: Mapping[str, str]) -> Any:
    """Replace environment variables and path names in every string of a nested configuration."""
    if isinstance(value, Mapping):
        return {
            name: _expand(item, f"{key}.{name}".lstrip("."), names) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_expand(item, key, names) for item in value]
    if not isinstance(value, str):
        return value
    if "\0" in value:
        msg = f"{key}: holds a character without a sign (U+0000); write the value again"
        raise LoamError(msg)
    if value == "null":  # Snakemake reads what is nested in --config as text
        return None
    for name, text in names.items():
        value = value.replace(name, text)
    value = re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda match: _variable(match, key), value)
    return os.path.expanduser(value) if re.match(r"~(/|$)", value) else value  # noqa: PTH111  (a Path raises where there is no home)


def _variable(match: re.Match[str], key: str) -> str:
    name, default = match.groups()
    text = os.environ.get(name) or default
    if text is None:
        msg = f"{key}: environment variable {name} is not set; export it, or write the path into the configuration"
        raise LoamError(msg)
    return text
