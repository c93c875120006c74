"""What tests share that is no fixture."""

import inspect
import sys
import threading
from collections.abc import Callable
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


def not_fingerprinted(command: str, run: Callable[[], object]) -> set[tuple[str, str]]:
    """Functions and classes of Loam that a call runs, as module and name, which the fingerprint of its step leaves out."""
    from loam.runtime import fingerprint

    source, ran = str(REPOSITORY / "src") + "/", set()

    def note(frame: Any, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(source):
            ran.add((code.co_filename[len(source) :], code.co_qualname, code.co_flags))

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    reached, _ = fingerprint.reachable(command)
    # Bodies of modules and classes, which run on import, are no functions and lack this flag.
    optimized = inspect.CO_OPTIMIZED
    called = {
        (file.removesuffix(".py").replace("/", "."), qualname.partition(".")[0])
        for file, qualname, flags in ran
        if flags & optimized and not qualname.startswith("<")
    }
    return {
        (home, name)
        for home, name in called - reached
        if home not in fingerprint.UNTRACKED and not home.startswith(fingerprint.UNTRACKED_PACKAGES)
    }
