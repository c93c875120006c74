"""Entries of runs: who is dead is cleared, who lives is left, and a job of a dead run stops."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loam.core.errors import LoamError
from loam.runtime import run_registry


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv(run_registry.TOKEN, "")
    run_registry.begin()
    yield tmp_path / run_registry.RUNS


def another(place: Path, **owner: object) -> Path:
    """Enter a run of this machine whose process is gone."""
    folder = place / "another"
    folder.mkdir(parents=True)
    (folder / run_registry.OWNER).write_text(
        json.dumps({"host": socket.gethostname(), "pid": 1, "started": "0"} | owner)
    )
    return folder


def test_a_run_enters_itself_and_leaves(place: Path) -> None:
    run_registry.enter()
    (entry,) = place.iterdir()
    assert entry.name == os.environ[run_registry.TOKEN]
    run_registry.join()  # a job of it may go on
    run_registry.leave()
    assert not list(place.iterdir())
    with pytest.raises(
        LoamError,
        match=r"the run that sent this job is over; the job stops before it touches a file",
    ):
        run_registry.join()


def test_a_job_enters_its_number(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_registry.enter()
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    run_registry.join()
    assert (place / os.environ[run_registry.TOKEN] / "77").exists()


def test_a_job_that_was_started_by_hand_belongs_to_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(run_registry.TOKEN)
    run_registry.join()


def test_a_run_that_is_alive_is_left_alone(place: Path) -> None:
    first = os.environ[run_registry.TOKEN]
    run_registry.enter()
    run_registry.begin()
    run_registry.enter()
    assert {entry.name for entry in place.iterdir()} == {first, os.environ[run_registry.TOKEN]}


def test_processes_of_a_dead_run_are_ended_and_no_other(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = another(place)
    wait = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
    orphan, bystander = (
        subprocess.Popen(wait, env=os.environ | {run_registry.TOKEN: token}, stdout=subprocess.PIPE)
        for token in ("another", "someone")
    )
    try:
        for each in (orphan, bystander):
            assert each.stdout is not None
            each.stdout.readline()
        run_registry.enter()
        assert orphan.wait(10) != 0
        assert bystander.poll() is None
        assert (
            f"ending processes that a killed run has left: {orphan.pid}" in capfd.readouterr().err
        )
        assert not folder.exists()
    finally:
        for each in (orphan, bystander):
            each.kill()
            each.communicate()


def test_a_run_of_another_machine_stops_this_one_with_what_to_do(place: Path) -> None:
    folder = another(place, host="login2")
    (folder / "12").touch()
    with pytest.raises(
        LoamError,
        match=r"a run on login2, process 1, may still be at work \(Slurm jobs: 12\); start this one there, or",
    ):
        run_registry.enter()
    assert folder.exists()


def test_a_process_number_that_came_again_is_another_process(place: Path) -> None:
    folder = another(place, pid=os.getpid(), started="1")
    run_registry.enter()
    assert not folder.exists()


def test_jobs_that_nobody_can_be_asked_about_stop_the_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (another(place) / "12").touch()
    monkeypatch.setenv("PATH", str(tmp_path))  # no squeue here
    with pytest.raises(
        LoamError,
        match=r"cannot be asked for jobs that a killed run has left .*; end them: scancel 12",
    ):
        run_registry.enter()
