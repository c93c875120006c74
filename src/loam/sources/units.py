"""Units of provider files, converted by what their attribute says."""

import logging
from pathlib import Path

import xarray as xr

from loam.errors import LoamError

WATER_DENSITY = "1000 kg m-3"


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
    # The CF registry redefines some of pint's own units and logs a warning for each.
    logging.getLogger("pint").setLevel(logging.ERROR)
    from cf_xarray.units import units as registry
    from pint.errors import PintError

    text = values.attrs.get("units")
    if text is None:
        msg = f"{path}: {values.name} has no units; set the attribute (for example '{target}')"
        raise LoamError(msg)
    try:
        quantity = registry.Quantity(values.values, registry.Unit(str(text)))
        if quantity.check("[mass] / [length]**2") or quantity.check("[mass] / [length]**2 / [time]"):
            quantity = quantity / registry.Quantity(WATER_DENSITY)
        wanted = registry.Unit(target)
        if quantity.units.dimensionality == (wanted / registry.Unit("s")).dimensionality:
            quantity = quantity * registry.Quantity("1 day")
        converted = quantity.to(wanted).magnitude
    except (PintError, ValueError, AttributeError) as error:
        msg = f"{path}: {values.name} has units '{text}', which are no '{target}' ({str(error).splitlines()[0]}); correct the attribute"
        raise LoamError(msg) from None
    return values.copy(data=converted).assign_attrs(units=target)
