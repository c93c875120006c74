"""What a user's files hold, as one short text: the same files, touched or moved away and put back, are no reason to run again."""

import time
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

from loam.core.folders import regular_files

# A file that is named itself is read up to here [byte]; a larger one is known by size and time.
LARGEST_READ = 2**24
# The same for a manifest.safe in a folder: it holds checksums of its product.
LARGEST_READ_INSIDE = 2**16
# What lies beside data and is none: notes, and what file managers, browsers and GIS programs leave.
NO_DATA = (
    ".md",
    ".pdf",
    ".html",
    ".log",
    ".png",
    ".jpg",
    ".kml",
    ".qgz",
    ".qmd",
    ".aux.xml",
    ".tmp",
    ".part",
    ".crdownload",
    "~",
)
# Files of which scenes and their orbits consist.
SCENES = (
    ".safe",
    ".zip",
    ".eof",
    ".tif",
    ".tiff",
    ".xml",
    ".nc",
    ".h5",
)
TOLERANCE_S = 3600  # clocks of machines differ


def identity(paths: Iterable[str], suffixes: tuple[str, ...] = ()) -> str:
    """A short text that changes when the content of some files or folders does.

    Args:
        paths: files and folders; one that is not there counts as empty.
        suffixes: files in folders that count, lower case; all but `NO_DATA` where none is named.

    Raises:
        LoamError: a folder holds too many files, or cannot be read.
    """
    return sha256(
        "\n".join(line for path in paths for line in _lines(path, suffixes)).encode()
    ).hexdigest()[:16]


def dated_in_the_future(paths: Iterable[str]) -> str | None:
    """One line on files whose time lies ahead of the clock; None where none does.

    Args:
        paths: files and folders.
    """
    limit = time.time() + TOLERANCE_S
    ahead = [(name, when) for path in paths for name, when in _times(Path(path)) if when > limit]
    if not ahead:
        return None
    name, when = ahead[0]
    more = f" (and {len(ahead) - 1} more)" if len(ahead) > 1 else ""
    return f"{name}{more}: is dated {time.strftime('%Y-%m-%d', time.gmtime(when))}, in the future; set its time right with: touch {name}"


@cache
def _lines(path: str, suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """One line per file: a checksum of small ones, else size and time."""
    root = Path(path)
    if not root.is_dir():
        return (_line(root, path, LARGEST_READ),) if root.is_file() else ()
    inside = sorted(file for file in _files(root) if _counts(file.name.lower(), suffixes))
    return tuple(
        _line(
            file,
            str(file.relative_to(root)),
            LARGEST_READ_INSIDE if file.name == "manifest.safe" else 0,
        )
        for file in inside
    )


def _counts(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file in a folder can be data; hidden files are none but those of a Zarr."""
    if name.endswith(NO_DATA) or (name.startswith(".") and not name.startswith(".z")):
        return False
    return name.endswith(suffixes) if suffixes else True


def _line(path: Path, name: str, largest_read: int) -> str:
    about = path.stat()
    if about.st_size <= largest_read:
        return f"{name} {sha256(path.read_bytes()).hexdigest()}"
    return f"{name} {about.st_size} {about.st_mtime_ns}"


def _times(path: Path) -> Iterator[tuple[Path, float]]:
    for file in _files(path) if path.is_dir() else [path] if path.is_file() else []:
        yield file, file.stat().st_mtime


@cache  # asked for by every job that Snakemake plans
def _files(folder: Path) -> tuple[Path, ...]:
    return regular_files(folder)
