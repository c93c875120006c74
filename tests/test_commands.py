"""The command line that every rule calls."""

import threading
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from loam.__main__ import COMMANDS, main


def write_how_many_threads(out: Path, threads: int) -> None:
    """A step: work on many blocks, and write how many threads did it at once."""
    lock, seen = threading.Barrier(threads), set()

    def block(values: np.ndarray) -> np.ndarray:
        seen.add(threading.get_ident())
        lock.wait(10)  # passes when as many blocks as threads are being worked on
        return values

    da.ones(8 * threads, chunks=1).map_blocks(block, dtype=float, meta=np.empty(0)).compute()
    out.write_text(str(len(seen)))


def write_in_one_thread(out: Path) -> None:
    """A step that asks for no number of threads."""
    write_how_many_threads(out, 1)


@pytest.mark.parametrize(("step", "threads"), [("write_how_many_threads", 3), ("write_in_one_thread", 1)])
def test_a_step_works_on_the_cores_that_its_job_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, threads: int) -> None:
    monkeypatch.setitem(COMMANDS, "count", f"{__name__}:{step}")
    given = ["--threads", str(threads)] if threads > 1 else []
    assert main(["count", "--out", str(tmp_path / "count"), *given]) == 0
    assert (tmp_path / "count").read_text() == str(threads)
