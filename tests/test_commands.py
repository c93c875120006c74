"""The command line that every rule calls."""

import importlib
import json
import re
import sys
import threading
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from loam.config.moisture import Compute
from loam.runtime.command_line import main
from loam.runtime.commands import COMMANDS


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


@pytest.mark.parametrize(
    ("step", "threads"), [("write_how_many_threads", 3), ("write_in_one_thread", 1)]
)
def test_a_step_works_on_the_cores_that_its_job_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, threads: int
) -> None:
    monkeypatch.setitem(COMMANDS, "count", f"{__name__}:{step}")
    given = ["--threads", str(threads)] if threads > 1 else []
    assert main(["count", "--out", str(tmp_path / "count"), *given]) == 0
    assert (tmp_path / "count").read_text() == str(threads)


# --- Faults of a command line ---


def write_memory(out: Path, cfg: Compute, names: dict[str, int], member: int) -> None:
    """A step with settings."""
    out.write_text(json.dumps([cfg.memory_mb, names, member]))


COMPUTE = {
    "scheduler": "threads",
    "memory_mb": 2000,
    "address": None,
    "workers": 1,
    "partition": None,
    "account": None,
    "walltime": "1:00:00",
}


def line_of(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and the one line on standard error."""
    try:
        status = main(list(arguments))
    except SystemExit as stop:
        status = stop.code
    (line,) = capfd.readouterr().err.splitlines()
    return status, line


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, r"loam: no command is named; `python -m loam --help` lists them"),
        (
            ["detct-change"],
            2,
            r"loam: 'detct-change' is no command; did you mean detect-change\?; `python -m loam --help`",
        ),
        (["two\nlines"], 2, r"loam: 'two\\nlines' is no command"),
        (
            ["settings"],
            2,
            r"loam settings: the following arguments are required: --out, --params; `python -m loam settings --help`",
        ),
        (["settings", "--out"], 2, r"loam settings: argument --out: expected one argument"),
        (
            ["settings", "--out", "x", "--params", "{}", "--colour", "red"],
            2,
            r"unrecognized arguments: --colour red",
        ),
        (
            ["settings", "--out", "x", "--params", "{"],
            2,
            r"argument --params: is no JSON \(Expecting property name",
        ),
        (
            ["settings", "--out", "x", "--params", "[" * 100_000],
            2,
            r"argument --params: is no JSON",
        ),
        (
            ["settings", "--out", "x", "--params", "[1]"],
            2,
            r"argument --params: is a list, not a JSON object",
        ),
        (["settings", "--out", "x", "--params", "{}", "--member", "-1"], 2, r"--member: .*"),
        (
            ["settings", "--out", "x", "--params", "{}", "--member", "1.5"],
            2,
            r"argument --member: '1.5' is no whole number from 0 on",
        ),
        (
            ["settings", "--out", "x", "--params", "{}"],
            1,
            r"loam settings: --params: '(cfg|names)' is missing",
        ),
        (
            ["settings", "--out", "x", "--params", '{"cgf": 1}'],
            1,
            r"loam settings: --params: 'cgf' is none of cfg, names; remove it",
        ),
        (
            ["settings", "--out", "x", "--params", '{"names": {}, "cfg": 5}'],
            1,
            r"loam settings: --params: cfg = 5: input should be an object",
        ),
        (
            ["settings", "--out", "x", "--params", '{"names": {"a": "b"}, "cfg": {}}'],
            1,
            r"--params: (names.a = 'b'|cfg.scheduler: missing)",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(
    arguments: list[str],
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(COMMANDS, "settings", f"{__name__}:write_memory")
    code, line = line_of(capfd, *arguments)
    assert code == status
    assert re.search(said, line), line
    assert len(line) < 300


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "true", "1e9"])
def test_a_setting_that_is_no_number_is_named_without_all_the_others(
    value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "settings", f"{__name__}:write_memory")
    params = json.dumps({"names": {}, "cfg": COMPUTE}).replace("2000", value)
    status, line = line_of(capfd, "settings", "--out", "x", "--params", params)
    assert status == 1
    assert re.match(r"loam settings: --params: cfg(.memory_mb =|: memory_mb =)", line), line
    assert len(line) < 200


def test_settings_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "settings", f"{__name__}:write_memory")
    out = str(tmp_path / "x")
    assert (
        main(
            [
                "settings",
                "--out",
                out,
                "--params",
                json.dumps({"cfg": COMPUTE}),
                "--params",
                '{"names": {"a": 1}}',
                "--member",
                "2",
            ]
        )
        == 0
    )
    assert json.loads((tmp_path / "x").read_text()) == [2000, {"a": 1}, 2]


# --- Stops that nobody expected ---


def stop(out: Path, member: int) -> None:
    """A step that does not end well."""
    if member == 1:
        raise RuntimeError("first words\nand more")
    if member == 2:
        np.empty(2**57)
    if member == 3:
        raise KeyboardInterrupt
    if member == 4:
        (out / "x").write_text("")
    importlib.import_module("no_such_library")


def test_an_unexpected_stop_is_one_line_that_names_the_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "stop", f"{__name__}:stop")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("loam.runtime.damage._log_file", lambda: None)
    status, line = line_of(capfd, "stop", "--out", "x")
    place = re.fullmatch(
        r"loam stop: stopped by RuntimeError \(first words\), which Loam did not expect; report it with the traceback, which is in (.+)",
        line,
    )
    assert status == 1
    assert place is not None, line
    assert "Traceback (most recent call last)" in Path(place.group(1)).read_text()
    assert (
        "too little memory (Unable to allocate 1.00 EiB"
        in line_of(capfd, "stop", "--out", "x", "--member", "2")[1]
    )
    assert "stopped from the keyboard" in line_of(capfd, "stop", "--out", "x", "--member", "3")[1]
    assert (
        "nowhere/x: no such file or directory; let this user"
        in line_of(capfd, "stop", "--out", "nowhere", "--member", "4")[1]
    )
    assert (
        "Python has no no_such_library; install it"
        in line_of(capfd, "stop", "--out", "x", "--member", "5")[1]
    )


def test_the_traceback_lies_beside_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "stop", f"{__name__}:stop")
    with (tmp_path / "a.log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        assert main(["stop", "--out", "x"]) == 1
    (line,) = (tmp_path / "a.log").read_text().splitlines()
    assert line.endswith(f"with the traceback, which is in {tmp_path}/a.log.traceback")
    assert "RuntimeError: first words\nand more" in (tmp_path / "a.log.traceback").read_text()
