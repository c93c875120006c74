"""Absence is not data: a Zarr of Loam's says how many chunks it has, and one that lacks a chunk is not read."""

import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loam.core.errors import LoamError

CHUNKS = "loam_chunks"  # attribute of the root: `array=number` of every array, one text that NetCDF can hold too


def seal(path: Path) -> None:
    """Write into a Zarr's root how many chunks its arrays have.

    Raises:
        LoamError: one was never written.
    """
    import zarr

    group: Any = zarr.open_group(path, mode="r+")
    group.attrs[CHUNKS] = " ".join(
        f"{name}={array.nchunks}" for name, array in sorted(group.arrays())
    )
    require_chunks(path)


def require_chunks(path: Path, first: int | None = None) -> None:
    """Check that a Zarr has the chunks it says it has; a user's own says nothing, and may leave out what is empty.

    Args:
        path: the Zarr.
        first: look at the chunks around this place of the first dimension alone; None: at all.

    Raises:
        LoamError: an array or a chunk is not there.
    """
    if missing := missing_chunk(path, first):
        msg = (
            f"{path}: {missing} is missing, and would be read as no data; remove the folder (rm -r {path}) and run the same snakemake"
            " command again, which makes it again"
        )
        raise LoamError(msg)


def missing_chunk(path: Path, first: int | None = None) -> str | None:
    """The first array or chunk that a sealed Zarr lacks; None where it has all, or is not sealed.

    Args:
        path: the Zarr.
        first: as in `require_chunks`.
    """
    for name, number in _promised(path):
        if missing := _first_missing(path, name, number, first):
            return missing
    return None


def _promised(path: Path) -> Iterator[tuple[str, int]]:
    try:
        text = json.loads((path / "zarr.json").read_text())["attributes"].get(CHUNKS, "")
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return  # no Zarr of version 3, or damaged: who opens it says so
    for part in text.split():
        name, _, number = part.rpartition("=")
        yield name, int(number)


def _first_missing(path: Path, name: str, number: int, first: int | None) -> str | None:
    """The first chunk that is promised and not there. Names are compared, not numbers: a stray file stands in for none."""
    try:
        about = json.loads((path / name / "zarr.json").read_text())
        sizes = list(
            zip(about["shape"], about["chunk_grid"]["configuration"]["chunk_shape"], strict=True)
        )
    except (OSError, ValueError, KeyError):
        return f"array '{name}'"
    places = [range(math.ceil(size / chunk)) for size, chunk in sizes]
    if math.prod(map(len, places)) != number:
        return f"array '{name}' as it was written, of {number} chunks,"
    if first is not None and places:
        places[0] = (
            range(first // sizes[0][1], first // sizes[0][1] + 1) if len(places) > 2 else places[0]
        )
    keys = ("/".join(["c", *map(str, index)]) for index in itertools.product(*places))
    if first is not None:
        return next(
            (f"chunk {key} of array '{name}'" for key in keys if not (path / name / key).is_file()),
            None,
        )
    held = set(_names(path / name / "c", "c"))
    return next((f"chunk {key} of array '{name}'" for key in keys if key not in held), None)


def _names(place: str | os.PathLike[str], name: str) -> Iterator[str]:
    """Files below a folder by their names from the array on; the name itself for the file of a scalar."""
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                yield from (
                    _names(entry, f"{name}/{entry.name}")
                    if entry.is_dir()
                    else [f"{name}/{entry.name}"]
                )
    except NotADirectoryError:
        yield name
    except FileNotFoundError:
        return
