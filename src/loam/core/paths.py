"""Paths that a configuration names: what a glob matches, and why a file or folder cannot serve."""

import os
import stat
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from loam.core.errors import LoamError
from loam.core.folders import MOST_FILES

# Folders that steps write, below those of the area and of the run.
OF_AREA = ("gamma0", "dem", "soil", "ndvi", "weather", "twin")
OF_RUN = (
    "logs",
    "benchmarks",
    "gamma0",
    "moisture",
    "covariates",
    "learning",
    "evaluation",
    "maps",
    "figures",
)


def matching(path: str) -> list[str]:
    """Files that a glob matches, or the path itself: one that is not there is named later.

    Raises:
        LoamError: it is no pattern, or matches far too many.
    """
    if not is_glob(path):
        return [path]
    pattern = Path(path)
    root = Path(pattern.anchor or ".")
    try:
        matches = root.glob(str(pattern.relative_to(pattern.anchor) if pattern.anchor else pattern))
        found = list(map(str, islice(matches, MOST_FILES + 1)))
    except (OSError, ValueError, NotImplementedError) as error:
        msg = f"{path}: cannot be searched ({_reason(error)}); name files, or a pattern such as folder/*.tif"
        raise LoamError(msg) from None
    if len(found) > MOST_FILES:
        msg = f"{path}: matches more than {MOST_FILES} files; name the folder of the data itself"
        raise LoamError(msg)
    return sorted(found) or [path]


def files_of(named: str | Sequence[str] | None) -> list[str]:
    """Files that a setting names, globs filled in where files match them; none where it names none.

    Args:
        named: a path or pattern, or several.

    Raises:
        LoamError: as `matching`.
    """
    each = [] if named is None else [named] if isinstance(named, str) else named
    return [path for name in each for path in matching(name)]


def is_glob(path: str) -> bool:
    """Whether a path is a pattern: it has the marks of one, and is no name of a file."""
    return any(mark in path for mark in "*?[") and unreadable(path) is not None


def unreadable(path: str) -> str | None:
    """Why a file or folder of the user's cannot be read; None where it can, an empty text where there is none.

    Args:
        path: of a file or folder.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  (a path with a null byte is no Path)
    except FileNotFoundError:
        link = Path(path)
        return f"a link to {link.readlink()}, which is not there" if link.is_symlink() else ""
    except (OSError, ValueError) as error:
        return _reason(error)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "neither a file nor a folder"
    needed = os.R_OK | (os.X_OK if stat.S_ISDIR(mode) else 0)
    return None if os.access(path, needed) else "this user may not read it"


def folder_for_a_file(path: str) -> str | None:
    """What is said of a folder where a file is wanted; None of a file, and of formats that are folders.

    Args:
        path: of a file or folder that can be read.
    """
    folder = Path(path)
    if (
        not folder.is_dir()
        or folder.suffix.lower() in {".gdb", ".zarr"}
        or (folder / "hdr.adf").exists()
    ):  # the last: an Esri grid
        return None
    return "a folder; name the file in it"


def blocked(area: str, run: str) -> str | None:
    """One line on a folder of Loam's own that cannot be written, or None.

    Args:
        area: name of the area.
        run: name of the run.
    """
    tops = {f"resources/{area}": OF_AREA, f"results/{run}": OF_RUN}
    folders = [Path(top, part) for top, parts in tops.items() for part in ("", *parts)]
    return next(filter(None, map(_unwritable, _with_parents(folders))), None)


def _with_parents(folders: Iterable[Path]) -> Iterable[Path]:
    seen = dict.fromkeys(each for folder in folders for each in (*reversed(folder.parents), folder))
    return list(seen)


def _unwritable(folder: Path) -> str | None:
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        if folder.is_symlink():
            return f"{folder}: is a link to {folder.readlink()}, which is not there; make that folder, or remove the link"
        return None
    except OSError as error:
        return f"{folder}: cannot be written ({_reason(error)}); Loam writes into this folder, make room for it"
    if not stat.S_ISDIR(mode):
        return f"{folder}: is no folder, and Loam writes into a folder of this name; move it away"
    if folder != Path() and not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder}: this user may not write into it; give the right to, or run in another folder"
    return None


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
