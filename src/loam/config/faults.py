"""What pydantic found wrong with settings, in one line that names key, value and what is allowed."""

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

MOST_LOOKED_AT = 50  # a list of a file's size may be wrong in every place
MOST_SHOWN = 3  # faults named at once
DATE = re.compile(r"datetime\.date\((\d+), (\d+), (\d+)\)")
LONGEST_VALUE = 60  # characters of a value that are shown


def explained(error: ValidationError, model: Any, prefix: str = "") -> str:
    """All faults in one line.

    Args:
        error: what pydantic raised.
        model: the class that was validated against, for the nearest known key.
        prefix: dotted key of what was validated.
    """
    lines = dict.fromkeys(
        _line(fault, model, prefix) for fault in _telling(error.errors()[:MOST_LOOKED_AT])
    )
    rest = len(lines) - MOST_SHOWN + max(0, error.error_count() - MOST_LOOKED_AT)
    return "; ".join([*lines][:MOST_SHOWN] + ([f"and {rest} faults more"] if rest > 0 else []))


def shown(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = (
        str(value)
        if isinstance(value, date)
        else "a section"
        if isinstance(value, BaseModel | dict)
        else repr(value)
    )
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _telling(faults: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Faults without those that only say which other type would do: of a union, pydantic tells what each branch misses."""
    keys = [_key(fault) for fault in faults]
    for place, fault in enumerate(faults):
        deeper = any(key.startswith(f"{keys[place]}.") for key in keys)
        better = any(
            key == keys[place] and not _is_of_type(other)
            for key, other in zip(keys, faults, strict=True)
        )
        if not _is_of_type(fault) or not (deeper or better):
            yield fault


def _is_of_type(fault: Mapping[str, Any]) -> bool:
    return bool(fault["type"].endswith(("_type", "_parsing")))


def _key(fault: Mapping[str, Any]) -> str:
    return ".".join(str(part)[:LONGEST_VALUE] for part in fault["loc"] if not _is_type_tag(part))


def _line(fault: Mapping[str, Any], model: Any, prefix: str) -> str:
    key = ".".join(filter(None, (prefix, _key(fault))))
    if fault["type"] in {"extra_forbidden", "invalid_key"}:
        near = difflib.get_close_matches(
            str(fault["loc"][-1])[:LONGEST_VALUE],
            list(_known_keys(model, fault["loc"][:-1])),
            n=1,
            cutoff=0.5,
        )
        return f"{key}: unknown key" + (f"; did you mean '{near[0]}'?" if near else "; remove it")
    if fault["type"] == "missing":
        return f"{key}: missing; set it (config/default.yaml shows every key)"
    if fault["type"] == "value_error":
        return f"{key + ': ' if key else ''}{fault['ctx']['error']}"
    return f"{key} = {shown(fault['input'])}: {fault['msg'][0].lower()}{DATE.sub(_day, fault['msg'][1:])}"


def _day(match: re.Match[str]) -> str:
    return "{:0>4}-{:0>2}-{:0>2}".format(*match.groups())


def _is_type_tag(part: Any) -> bool:
    """Pydantic names the branch of a union in `loc`; a reader has no use for it."""
    return isinstance(part, str) and (
        part in {"str", "float", "int", "Experiment"}
        or "[" in part
        or part.startswith("constrained-")
    )


def _known_keys(model: Any, loc: tuple[Any, ...]) -> Iterator[str]:
    """Keys allowed in the section that `loc` points to."""
    for part in loc:
        fields = getattr(model, "model_fields", {})
        if part in fields:
            model = _section_type(fields[part].annotation)
    yield from getattr(model, "model_fields", {})


def _section_type(annotation: Any) -> Any:
    """The section class in an annotation such as `Ndvi | None` or `dict[str, Experiment | None]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _section_type(part)
        if found is not None:
            return found
    return None
