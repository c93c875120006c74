"""Give a new file or folder the place of an older one, with no moment at which neither is there."""

import ctypes
import errno
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

# A failed write's other threads have ended when nothing has come for QUIET_S; they are waited for LATEST_S at most.
QUIET_S, LATEST_S = 0.3, 30.0

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


def take_place(new: Path, path: Path) -> None:
    """Rename a file or folder to a name that an older one may have; the older one goes.

    Where the file system cannot exchange two folders, the older one waits aside for a moment: `recover` brings it back after
    a kill right then.
    """
    if not new.is_dir() and not path.is_dir():
        new.replace(path)
    elif not path.exists():
        new.rename(path)
    elif _exchange(new, path):
        remove(new)
    else:
        remove(_aside(path))
        path.rename(_aside(path))
        new.rename(path)
        remove(_aside(path))


def recover(path: Path) -> None:
    """Bring an older folder back that a kill has left aside; remove it where the new one has its place."""
    aside = _aside(path)
    if aside.exists() and not path.exists():
        aside.rename(path)
    remove(aside)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_for_good(path: Path) -> None:
    """Remove what a failed write has left, until nothing comes again.

    zarr and dask report the first failure while their other threads still write, and those make the folder again.
    """
    deadline, quiet = time.monotonic() + LATEST_S, time.monotonic() + QUIET_S
    while time.monotonic() < min(quiet, deadline):
        if path.exists():
            quiet = time.monotonic() + QUIET_S
            with suppress(OSError):  # a file came while its folder was being removed
                remove(path)
        time.sleep(0.02)
    remove(path)


def clone(folder: Path, to: Path) -> None:
    """A second folder with the content of a first: files linked where the file system can, metadata (`.json`) copied."""
    shutil.copytree(folder, to, copy_function=_link)


def _link(source: str, target: str) -> None:
    if not source.endswith(".json"):
        try:
            os.link(source, target)
            return
        except OSError:  # a file system without links
            pass
    shutil.copy2(source, target)


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".earlier")


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one go; False where system or file system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0


def disk_is_full(error: BaseException, folder: Path) -> bool:
    """Whether writing into a folder failed for want of room.

    Libraries in C say so in words of their own, or not at all: less than a megabyte left is full too.
    """
    return full_disk(error) is not None or (
        isinstance(error, Exception) and shutil.disk_usage(folder).free < 2**20
    )


def full_disk(error: BaseException | None) -> str | None:
    """File or word for it, where an error or one behind it is that of a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return str(error.filename or "output")
        error = error.__cause__ or error.__context__
    return None
