"""Absence is not data: a Zarr of Loam's says how many chunks it has, and one that lacks a chunk is not read."""

import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loam.errors import LoamError

CHUNKS = "loam_chunks"  # attribute of the root: `array=number` of every array, one text that NetCDF can hold too


def seal(path: Path) -> None:
    """Write into a Zarr's root how many chunks its arrays have.

    Raises:
        LoamError: one was never written.
    """
    import zarr

    group: Any = zarr.open_group(path, mode="r+")
    group.attrs[CHUNKS] = " ".join(f"{name}={array.nchunks}" for name, array in sorted(group.arrays()))
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
            " command again, which makes it anew"
        )
        raise LoamError(msg)


def missing_chunk(path: Path, first: int | None = None) -> str | None:
    """The first array or chunk that a sealed Zarr lacks; None where it has all, or is not sealed.

    Args:
        path: the Zarr.
        first: as in `require_chunks`.
    """
    for name, number in _promised(path):
        lacks = _count(path / name / "c") < number if first is None else True
        if lacks and (missing := _first_missing(path, name, first)):
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


def _count(place: str | os.PathLike[str]) -> int:
    """Chunk files below a folder, by the names that chunks have; 1 for the file of a scalar."""
    try:
        with os.scandir(place) as entries:
            return sum(_count(entry) if entry.is_dir() else 1 for entry in entries if entry.name.isdigit())
    except NotADirectoryError:
        return 1
    except FileNotFoundError:
        return 0


def _first_missing(path: Path, name: str, first: int | None) -> str | None:
    try:
        about = json.loads((path / name / "zarr.json").read_text())
        sizes = list(zip(about["shape"], about["chunk_grid"]["configuration"]["chunk_shape"], strict=True))
    except (OSError, ValueError, KeyError):
        return f"array '{name}'"
    places = [range(math.ceil(size / chunk)) for size, chunk in sizes]
    if first is not None and places:
        places[0] = range(first // sizes[0][1], first // sizes[0][1] + 1) if len(places) > 2 else places[0]
    keys = ("/".join(["c", *map(str, index)]) for index in itertools.product(*places))
    return next((f"chunk {key} of array '{name}'" for key in keys if not (path / name / key).is_file()), None)
