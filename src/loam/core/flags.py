"""Flags of soil moisture and of the stack: why a value needs care, or is not there."""

from collections.abc import Iterable, Iterator
from enum import IntFlag
from typing import Any, TypeVar

import numpy as np
import xarray as xr

Array = TypeVar("Array", np.ndarray, xr.DataArray)


class Flag(IntFlag):
    """Bits of `flags`: why a value needs care, or is not there."""

    WATER = 1
    BUILT_UP = 2
    FOREST = 4
    LAYOVER_SHADOW = 8
    INCIDENCE = 16
    LOW_SENSITIVITY = 32
    FROZEN = 64
    TOO_FEW_DATES = 128
    CLIPPED_LOW = 256
    CLIPPED_HIGH = 512
    NO_OBSERVATION = 1024
    WET_SNOW = 2048
    STANDING_WATER = 4096
    DENSE_VEGETATION = 8192
    UNKNOWN_PLATFORM = 16384


class Mask(IntFlag):
    """Bits of the stack's `mask`."""

    NO_OBSERVATION = 1
    LAYOVER = 2
    SHADOW = 4


HIDDEN = Mask.LAYOVER | Mask.SHADOW  # terrain stands in the way

# Bits under which backscatter says nothing about the soil: no label is taken there.
UNUSABLE = (
    Flag.WATER
    | Flag.BUILT_UP
    | Flag.FOREST
    | Flag.LAYOVER_SHADOW
    | Flag.INCIDENCE
    | Flag.LOW_SENSITIVITY
    | Flag.FROZEN
    | Flag.TOO_FEW_DATES
    | Flag.NO_OBSERVATION
    | Flag.WET_SNOW
    | Flag.STANDING_WATER
    | Flag.DENSE_VEGETATION
)


def usable_labels(ssm: Array, flags: Array) -> Array:
    """SSM where it may serve as a label, NaN elsewhere; float32 of the same shape, lazy where the data are.

    Args:
        ssm: soil moisture [1], any shape.
        flags: bits of `Flag`, of the same shape.
    """
    usable = (flags.astype(np.int64) & int(UNUSABLE)) == 0
    return xr.where(usable, ssm, np.float32("nan")).astype(np.float32)


def flag_attributes() -> dict[str, Any]:
    """CF attributes that explain a `flags` variable."""
    return _explained("quality flags", Flag)


def layer_attributes(name: str, coefficient: str = "gamma nought") -> dict[str, Any]:
    """CF attributes of a layer of the stack.

    Args:
        name: 'vv', 'vh', 'incidence' or 'mask'.
        coefficient: what `vv` and `vh` are.
    """
    if name == "mask":
        return _explained("no data, layover, shadow", Mask)
    if name == "incidence":
        return {"units": "degree", "long_name": "local incidence angle"}
    return {"units": "1", "long_name": f"{coefficient} {name.upper()}, linear power"}


def _explained(long_name: str, bits: type[IntFlag]) -> dict[str, Any]:
    meanings = " ".join(bit.name.lower() for bit in bits if bit.name)
    return {
        "long_name": long_name,
        "units": "1",
        "flag_masks": [int(bit) for bit in bits],
        "flag_meanings": meanings,
    }


def frames(data: xr.Dataset, names: Iterable[str]) -> Iterator[xr.Dataset]:
    """Walk over the dates of variables `(time, y, x)`, each loaded; a chunk of the file is unpacked once and then let go."""
    chosen = data[list(names)]
    length = (next(iter(chosen.values())).encoding.get("chunks") or (1,))[0]
    for first in range(0, chosen.sizes["time"], length):
        part = chosen.isel(time=slice(first, first + length)).load()
        yield from (part.isel(time=index) for index in range(part.sizes["time"]))
