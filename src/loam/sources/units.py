"""Units of provider files, converted by what their attribute says."""

import logging
import re
from pathlib import Path
from tokenize import TokenError
from typing import Any

import xarray as xr

from loam.core.errors import LoamError

LONGEST = 80  # characters of a text that may be units
WATER_DENSITY = "1000 kg m-3"
# How providers write units that no registry reads.
SPELLINGS = {
    "degrees C": "degC",
    "degree C": "degC",
    "Degree C": "degC",
    "Degrees C": "degC",
    "degree Celsius": "degC",
    "C": "degC",
    "degrees Celsius": "degC",
    "deg c": "degC",
    "deg C": "degC",
    "m of water equivalent": "m",
    "unitless": "1",
    "fraction": "1",
    "mm/day": "mm d-1",
    "W/m2": "W m-2",
}


def to_units(values: xr.DataArray, target: str, path: Path) -> xr.DataArray:
    """Convert a daily variable to other units with pint.

    Mass of water per area counts as its depth. A rate counts as the total of its day.

    Args:
        values: any shape, with `units`.
        target: units wanted: mm, degC, %, m/s, MJ/m^2, kPa.
        path: the file, for messages.

    Raises:
        LoamError: units missing, unknown, or of another kind.
    """
    registry, text = _registry(), values.attrs.get("units")
    if text is None:
        msg = f"{path}: {values.name} has no units; set the attribute (for example '{target}')"
        raise LoamError(msg)
    try:
        quantity = registry.Quantity(values.values, _unit(text))
        if _is_mass_of_water(quantity):
            quantity = quantity / registry.Quantity(WATER_DENSITY)
        if _is_rate_of(quantity, target):
            quantity = quantity * registry.Quantity("1 day")
        converted = quantity.to(registry.Unit(target)).magnitude
    except _faults() as error:
        shown, reason = " ".join(str(text).split())[:40], " ".join(str(error).split())[:120]
        msg = f"{path}: {values.name} has units '{shown}', which are no '{target}' ({reason}); correct the attribute"
        raise LoamError(msg) from None
    return values.copy(data=converted).assign_attrs(units=target)


def as_numbers(values: xr.DataArray, path: Path) -> xr.DataArray:
    """Values as numbers, from text that is some.

    Raises:
        LoamError: they are text, or times.
    """
    if values.dtype.kind in "iufb":
        return values
    try:
        return (
            values.astype(float)
            if values.dtype.kind in "OUST"
            else values.astype("f4", casting="safe")
        )
    except (ValueError, TypeError):
        msg = f"{path}: {values.name} holds {values.dtype.name} (as {str(values.values.flat[0])[:30]}), no numbers; correct the file"
        raise LoamError(msg) from None


def is_rate(units: Any, target: str) -> bool:
    """Whether units are those of a rate, whose total of a time is wanted in `target`."""
    registry = _registry()
    try:
        quantity = registry.Quantity(1.0, _unit(units))
        if _is_mass_of_water(quantity):
            quantity = quantity / registry.Quantity(WATER_DENSITY)
        return _is_rate_of(quantity, target)
    except _faults():
        return False


def _registry() -> Any:
    # The CF registry redefines some of pint's own units and logs a warning for each.
    logging.getLogger("pint").setLevel(logging.ERROR)
    from cf_xarray.units import units as registry

    return registry


def _unit(text: Any) -> Any:
    written = " ".join(str(text).split())
    # The parser computes powers: a tower of them takes all memory.
    if len(written) > LONGEST or re.search(r"\d{4}|(\*\*|\^) *[-+]?\d+ *(\*\*|\^)", written):
        msg = "are no units"
        raise ValueError(msg)
    return _registry().Unit(SPELLINGS.get(written, written))


def _faults() -> tuple[type[Exception], ...]:
    from pint.errors import PintError

    # What the text of an attribute can make the parser of units raise.
    return (
        PintError,
        ValueError,
        AttributeError,
        TokenError,
        SyntaxError,
        ArithmeticError,
        TypeError,
        KeyError,
        RecursionError,
    )


def _is_mass_of_water(quantity: Any) -> bool:
    return bool(
        quantity.check("[mass] / [length]**2") or quantity.check("[mass] / [length]**2 / [time]")
    )


def _is_rate_of(quantity: Any, target: str) -> bool:
    registry = _registry()
    return bool(
        quantity.units.dimensionality == (registry.Unit(target) / registry.Unit("s")).dimensionality
    )


def measures(text: str, target: str) -> bool:
    """Whether a text names units that can become `target`; numbers, as of a height above ground, name none."""
    if re.match(r"\s*[\d.]", text):
        return False
    try:
        to_units(xr.DataArray([1.0], attrs={"units": text}), target, Path())
    except LoamError:
        return False
    return True
