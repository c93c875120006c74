"""The workflow through a real Slurm. Runs when asked for (`make test-slurm`), as root on Debian."""

import faulthandler
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from helpers import REPOSITORY
from slurm.cluster import Cluster, NotInstalled, unfit
from small_scene import House, copy_of_the_repository

ASKED = "LOAM_TEST_SLURM"
SMALL = ("--configfile", "config/demo.yaml", "small.yaml")
ALL_S = int(os.environ.get("LOAM_TEST_SLURM_S", "2700"))  # of all tests: CI ends at 75 minutes
LIMIT_S = 1500  # of one run of Snakemake: only what hangs takes so long
RUN_ID = r"SLURM run ID: (\S+)"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Slurm that is stopped again, unless it was there before."""
    if ASKED not in os.environ:
        pytest.skip("a real Slurm is started by `make test-slurm` alone")
    if reason := unfit():
        pytest.skip(f"no Slurm can be started here: {reason}")
    # In the background of a shell it is ignored, and Snakemake would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(ALL_S)
    slurm = Cluster()
    was_up = slurm.is_up()
    try:
        slurm.up()
        yield slurm
    except NotInstalled as error:
        pytest.skip(str(error))
    finally:
        signal.alarm(0)
        if not was_up:
            slurm.down()


def out_of_time(*_: object) -> NoReturn:
    """Something hangs: say where, and stop in order, so that nothing stays at work."""
    faulthandler.dump_traceback()
    pytest.exit(
        f"tests/slurm took longer than {ALL_S} s; LOAM_TEST_SLURM_S sets another limit",
        returncode=1,
    )


class Run:
    """One command of Snakemake through Slurm, at work or done."""

    def __init__(
        self, folder: Path, log: Path, arguments: tuple[str, ...], environment: dict[str, str]
    ) -> None:
        self.folder, self.log = folder, log
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--profile",
            "slurm",
            "--latency-wait",
            "10",
            *SMALL,
            *arguments,
        ]
        with log.open("w") as out:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=out, stderr=out, env=os.environ | environment
            )

    @property
    def text(self) -> str:
        return self.log.read_text()

    @property
    def name(self) -> str:
        """Slurm's name for the run's jobs."""
        found = re.search(RUN_ID, self.text)
        assert found, self.text
        return found.group(1)

    def wait(self, status: int = 0) -> "Run":
        assert self.process.wait(LIMIT_S) == status, self.text[-6000:]
        return self

    def submitted(self) -> dict[int, str]:
        """Slurm's number of every job, with its rule or group."""
        found = re.findall(r"SLURM jobid (\d+) \(log: \S*/slurm_logs/([^/]+)/", self.text)
        return {int(number): name for number, name in found}

    def finished(self) -> list[str]:
        """Rules of the jobs that are done."""
        return re.findall(r"Finished jobid: \S+ \(Rule: (\w+)\)", self.text)

    def until(self, ready: Callable[[], object], what: str, seconds: float = 600) -> None:
        end = time.monotonic() + seconds
        while not ready():
            assert self.process.poll() is None, f"ended before {what}: {self.text[-4000:]}"
            assert time.monotonic() < end, f"waited for {what}: {self.text[-4000:]}"
            time.sleep(0.2)

    def send(self, how: signal.Signals) -> None:
        self.process.send_signal(how)

    def end(self) -> None:
        """Leave nothing at work, whatever a test has stopped at: Snakemake, and what it has in the queue."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if found := re.search(RUN_ID, self.text):
            subprocess.run(["scancel", f"--name={found.group(1)}"], check=False)


class SlurmHouse(House):
    """A copy of the repository whose profile is installed, as `make install-profile` does it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environment = {"XDG_CONFIG_HOME": str(folder / "home"), "PYTHONPATH": ""}
        self.runs: list[Run] = []

    def install(self) -> None:
        shutil.copy(REPOSITORY / "Makefile", self.folder)
        subprocess.run(
            ["make", "--silent", "install-profile"],
            cwd=self.folder,
            env=os.environ | self.environment,
            check=True,
        )

    def slurm(self, *arguments: str, **changes: object) -> Run:
        """Start Snakemake with `--profile slurm` and nothing else that says how."""
        extra = [f"{key}={json.dumps(value)}" for key, value in changes.items()]
        # Before the targets, which end the options.
        given = (
            *(["--config", *extra] if extra else []),
            *arguments,
        )
        self.runs.append(
            Run(self.folder, self.folder / f"run{len(self.runs) + 1}.log", given, self.environment)
        )
        return self.runs[-1]

    def end(self) -> None:
        """End the runs that are still at work."""
        for run in self.runs:
            run.end()


@pytest.fixture(scope="session")
def local(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> House:
    """The small scene, run on this machine with the threads that its jobs get through Slurm: sums depend on their number."""
    house = copy_of_the_repository(tmp_path_factory.mktemp("local"))
    # As profiles/default says, and it counts with `--profile slurm` as well.
    done = house.small("--cores", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    return house


@pytest.fixture(scope="session")
def ran(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SlurmHouse, Run]]:
    """The small scene, run through Slurm from its first job to its last."""
    house = SlurmHouse(copy_of_the_repository(tmp_path_factory.mktemp("slurm")).folder)
    house.install()
    try:
        yield house, house.slurm().wait()
    finally:
        house.end()


@pytest.fixture
def copied(ran: tuple[SlurmHouse, Run], tmp_path: Path) -> Iterator[SlurmHouse]:
    """A copy of the finished run, time stamps and Snakemake's memory included."""
    subprocess.run(["cp", "-a", f"{ran[0].folder}/.", str(tmp_path / "copy")], check=True)
    house = SlurmHouse(tmp_path / "copy")
    house.install()
    try:
        yield house
    finally:
        house.end()
