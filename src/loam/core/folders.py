"""Files below a folder, in bounded time: no loop, no pipe, no dead link holds the search up."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from loam.core.errors import LoamError

MOST_FILES = 500_000  # of a folder


def regular_files(folder: Path) -> tuple[Path, ...]:
    """Regular files below a folder, in order of name.

    Links are followed, except a link to nothing, to a folder that holds this one, or to a folder that was visited before.

    Args:
        folder: where to look; one that is not there holds nothing.

    Raises:
        LoamError: there are more than `MOST_FILES`, or a folder cannot be read.
    """
    home, found = folder.resolve(), list[Path]()
    visited, waiting = {home}, [folder] if folder.is_dir() else []
    while waiting:
        for path, kind in _entries(waiting.pop()):
            if (
                stat.S_ISDIR(kind)
                and (real := path.resolve()) not in visited
                and not home.is_relative_to(real)
            ):
                visited.add(real)
                waiting.append(path)
            elif stat.S_ISREG(kind):
                found.append(path)
        if len(found) > MOST_FILES:
            msg = f"{folder}: holds more than {MOST_FILES} files, the last of them {found[-1]}; name the folder of the data itself"
            raise LoamError(msg)
    return tuple(sorted(found))


def _entries(folder: Path) -> Iterator[tuple[Path, int]]:
    """What a folder has, in order of name, and the mode of what each name leads to; 0 for a link that leads nowhere."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        msg = f"{folder}: cannot be read ({error.strerror}); give this user the right to read it, or move it away"
        raise LoamError(msg) from None
    for entry in names:
        try:
            yield Path(entry.path), entry.stat().st_mode
        except OSError:
            yield Path(entry.path), 0
