"""What tests share that is no fixture."""

from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from loam.core.splits import Splits

REPOSITORY = Path(__file__).parents[1]


def merged(base: dict, overrides: dict) -> dict:
    """Overrides over a base, as Snakemake merges configuration files."""
    out = dict(base)
    for key, value in overrides.items():
        out[key] = (
            merged(out[key], value)
            if isinstance(value, dict) and isinstance(out.get(key), dict)
            else value
        )
    return out


def odc_coords(on: GeoBox) -> dict[str, Any]:
    from loam.core.grid import empty_like_grid

    return empty_like_grid(on)


def days(start: str, count: int, step: int = 1) -> np.ndarray:
    """Days from a first one on."""
    return np.datetime64(start, "ns") + np.arange(count) * np.timedelta64(step, "D")


def splits_text(**dates: list[str]) -> str:
    """Content of a splits.json of one block, that divides dates alone."""
    return Splits(
        {name: tuple(texts) for name, texts in dates.items()}, 16, (1, 1), (), 0, ()
    ).as_json()
