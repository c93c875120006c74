"""Guard against orphans: jobs that a run leaves behind when it is killed, and which would write into the next one's files.

Every run is entered in a folder beside Snakemake's own: a token, and who runs it. Its jobs inherit the token, and before
they touch anything they add their Slurm number to the entry and look whether it still stands. The next run strikes out
entries whose owner is dead, then cancels the jobs they name and waits until they are gone. So a job either sees that
its entry is struck out, or its number is seen: one of the two always reads what the other has written before.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from loam.core.errors import LoamError

RUNS = Path(".snakemake/loam")
LOCKS = Path(".snakemake/locks")  # Snakemake's own; they name no process
TOKEN = "LOAM_RUN"
OWNER = "owner.json"
GRACE_S, LIMIT_S = 10, 300  # for a process to end; for Slurm to clear jobs away


def begin() -> None:
    """Give this run a token, which its jobs inherit."""
    os.environ[TOKEN] = uuid4().hex


def unlock() -> None:
    """Take away the locks of runs that were killed: only where some run is entered, and none that may be alive."""
    entries = list(RUNS.glob("*"))
    if entries and all(map(_is_dead, entries)):
        for lock in LOCKS.glob("*.lock"):
            lock.unlink(missing_ok=True)


def _is_dead(folder: Path) -> bool:
    try:
        owner = json.loads((folder / OWNER).read_text())
    except FileNotFoundError:  # struck out
        return True
    return owner["host"] == socket.gethostname() and owner["started"] != _started(owner["pid"])


def enter() -> None:
    """Stop what dead runs have left, then enter this run.

    Raises:
        LoamError: a run of another machine cannot be told from a dead one, or its jobs do not end.
    """
    for folder in list(RUNS.glob("*")):
        try:
            _strike_out(folder, json.loads((folder / OWNER).read_text()))
        except (
            FileNotFoundError
        ):  # struck out, and stopped by an error before the jobs were gone; or leaving just now
            _clear(folder)
    RUNS.mkdir(parents=True, exist_ok=True)
    token = os.environ[TOKEN]
    mine = RUNS.with_name(f"{RUNS.name}-{token}")  # an entry is there with its owner or not at all
    mine.mkdir()
    (mine / OWNER).write_text(
        json.dumps(
            {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}
        )
    )
    mine.rename(RUNS / token)


def leave() -> None:
    """Strike out this run, when its jobs are done."""
    shutil.rmtree(RUNS / os.environ[TOKEN], ignore_errors=True)


def join() -> None:
    """In a job: add its number to its run's entry, and go on only if that still stands.

    Raises:
        LoamError: the run is over.
    """
    token = os.environ.get(TOKEN)
    if token is None:
        return  # started by hand
    entry, number = RUNS / token, os.environ.get("SLURM_JOB_ID")
    try:
        if number:
            (entry / number).touch()
        (
            entry / OWNER
        ).read_text()  # opened, not looked up: a shared file system may remember a file that is gone
    except FileNotFoundError:
        msg = f"{entry}: the run that sent this job is over; the job stops before it touches a file"
        raise LoamError(msg) from None


def _strike_out(folder: Path, owner: dict) -> None:
    if owner["host"] != socket.gethostname():
        numbers = " ".join(_numbers(folder)) or "none known"
        msg = f"{folder}: a run on {owner['host']}, process {owner['pid']}, may still be at work (Slurm jobs: {numbers})"
        raise LoamError(
            msg
            + f"; start this one there, or make sure that it has ended, scancel its jobs, and rm -r {folder}"
        )
    if owner["started"] != _started(owner["pid"]):
        (folder / OWNER).unlink(missing_ok=True)
        _clear(folder)


def _clear(folder: Path) -> None:
    """End the jobs and processes of a run that is struck out."""
    if numbers := _numbers(folder):
        sys.stderr.write(f"loam: ending what a killed run has left in Slurm: {' '.join(numbers)}\n")
        _cancel(numbers)
    if processes := list(_processes(folder.name)):
        sys.stderr.write(
            f"loam: ending processes that a killed run has left: {' '.join(map(str, processes))}\n"
        )
        _end(processes, signal.SIGTERM, GRACE_S)
        _end(_processes(folder.name), signal.SIGKILL, GRACE_S)
    shutil.rmtree(folder, ignore_errors=True)


def _numbers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if path.name.isdigit())


def _cancel(numbers: list[str]) -> None:
    def queued() -> set[str]:
        shown = subprocess.run(
            ["squeue", "--noheader", "--format=%A", f"--user={os.getuid()}"],
            capture_output=True,
            text=True,
            check=True,
        )
        return set(shown.stdout.split()) & set(numbers)

    try:
        if waiting := queued():
            subprocess.run(["scancel", *sorted(waiting)], check=False)
        gone = _wait(lambda: not queued(), LIMIT_S)
    except (OSError, subprocess.CalledProcessError) as error:
        msg = f"Slurm: cannot be asked for jobs that a killed run has left ({error}); end them: scancel {' '.join(numbers)}"
        raise LoamError(msg) from None
    if not gone:
        msg = f"Slurm: jobs {' '.join(sorted(queued()))} of a killed run do not end; see squeue, then start again"
        raise LoamError(msg)


def _processes(token: str) -> Iterator[int]:
    """Processes of this machine that inherited a token."""
    mark = f"{TOKEN}={token}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes().split(b"\0"):
                yield int(path.name)
        except OSError:
            continue  # gone meanwhile, or another user's


def _end(processes: Iterable[int], how: signal.Signals, seconds: float) -> None:
    waiting = set(processes)
    for pid in waiting:
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            continue
    _wait(lambda: not any(_started(pid) for pid in waiting), seconds)


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None where it is gone: numbers come again, with other times."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _wait(ready: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (done := ready()) and time.monotonic() < end:
        time.sleep(0.2)
    return done
