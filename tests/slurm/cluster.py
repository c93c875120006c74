"""A real Slurm on one Debian machine, for tests: three nodes that are all this host, two partitions, two fake GPUs.

    python tests/slurm/cluster.py up     installs Debian's packages if they are missing, and starts
    python tests/slurm/cluster.py down   stops what it started, by process id

Needs root. Everything listens on the host's own address and lies in one folder (LOAM_SLURM, or loam-slurm in the
temporary folder); only three links in /etc/slurm point there, because steps inside a job look nowhere else.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
}
NODES = {"cpu1": "Feature=cpu", "cpu2": "Feature=cpu", "gpu1": "Gres=gpu:fake:2 Feature=gpu"}
FILES = ("slurm.conf", "gres.conf", "cgroup.conf")
SITE = Path("/etc/slurm")
INSTALL_S = 300  # of each command of apt-get: without a network it would wait for long
CONTROLLER_PORT, FIRST_NODE_PORT = 26817, 26830

# Status through squeue needs finished jobs to stay in memory (MinJobAge); records go to a text file, so that no database
# is needed. Memory is watched by sampling: a machine without control groups of its own has nothing better.
SLURM = """\
ClusterName=loam
SlurmctldHost={host}({address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={port}
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/spool/%n
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/%n.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=30
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
GresTypes=gpu
MinJobAge=3600
KillWait=5
OverTimeLimit=0
DefMemPerCPU=500
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={state}/jobs.txt
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
{nodes}
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=120 DefaultTime=5 State=UP
PartitionName=gpu Nodes=gpu1 MaxTime=120 DefaultTime=5 State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr={address} Port={port} CPUs=4 RealMemory=12000 {extra} State=UNKNOWN"


class SlurmError(Exception):
    """Slurm cannot be started here; the message says why."""


class NotInstalled(SlurmError):
    """Its packages are not there and cannot be had."""


@dataclass(frozen=True)
class Job:
    """A finished job, as Slurm's own record has it."""

    number: int
    run: str
    state: str
    partition: str
    nodes: str
    resources: str  # cpu=1,mem=500M,node=1,billing=1,gres/gpu=1


def unfit() -> str | None:
    """Why no Slurm can be started on this machine; None where one can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("apt-get") is None:
        return "needs a Debian machine"
    foreign = [name for name in FILES if (SITE / name).exists() and not (SITE / name).is_symlink()]
    return f"{SITE / foreign[0]} belongs to another cluster" if foreign else None


class Cluster:
    """The cluster and its daemons."""

    def __init__(self, state: Path | None = None) -> None:
        self.state = state or Path(
            os.environ.get("LOAM_SLURM", Path(tempfile.gettempdir()) / "loam-slurm")
        )
        self.log = self.state / "start.log"

    def is_up(self) -> bool:
        """Whether the controller that this folder names is at work."""
        return self._running("slurmctld")

    # --- up ---

    def up(self) -> None:
        """Install what is missing, configure, start what does not run."""
        if reason := unfit():
            raise SlurmError(reason)
        for folder in ("munge", "controller", "devices", *(f"spool/{name}" for name in NODES)):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        self._install()
        if not self._running("slurmctld"):
            self._configure()
        self._start_munge()
        self._start("slurmctld", ["slurmctld"], lambda: "UP" in output("scontrol", "ping"))
        for name in NODES:
            self.start_node(name)
        wait_for(
            lambda: all(state in {"idle", "mix", "alloc"} for state in self.nodes().values()),
            60,
            "the nodes",
        )

    def _install(self) -> None:
        missing = [
            package
            for program, package in PACKAGES.items()
            if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin") is None
        ]
        if not missing:
            return
        # A package that is installed must not start a service of its own.
        policy = Path("/usr/sbin/policy-rc.d")
        ours = not policy.exists()
        if ours:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        try:
            self._logged("apt-get", "update")
            self._logged("apt-get", "install", "--yes", "--no-install-recommends", *missing)
        finally:
            if ours:
                policy.unlink()

    def _logged(self, *command: str) -> None:
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            with self.log.open("a") as log:
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=quiet,
                    check=True,
                    timeout=INSTALL_S,
                )
        except subprocess.SubprocessError:
            msg = f"Slurm cannot be installed: {' '.join(command)} failed, see {self.log}"
            raise NotInstalled(msg) from None

    def _configure(self) -> None:
        host, address = (
            socket.gethostname().split(".")[0],
            socket.gethostbyname(socket.gethostname()),
        )
        nodes = [
            NODE.format(
                name=name, host=host, address=address, port=FIRST_NODE_PORT + index, extra=extra
            )
            for index, (name, extra) in enumerate(NODES.items())
        ]
        for index in range(2):  # a GPU must be a device; none is ever opened
            device = self.state / f"devices/gpu{index}"
            device.unlink(missing_ok=True)
            device.symlink_to("/dev/null")
        slurm = SLURM.format(
            host=host,
            address=address,
            state=self.state,
            port=CONTROLLER_PORT,
            nodes="\n".join(nodes),
        )
        gres = (
            f"AutoDetect=off\nNodeName=gpu1 Name=gpu Type=fake File={self.state}/devices/gpu[0-1]\n"
        )
        SITE.mkdir(exist_ok=True)
        for name, text in zip(FILES, (slurm, gres, "CgroupAutomount=no\n"), strict=True):
            (self.state / name).write_text(text)
            (SITE / name).unlink(missing_ok=True)
            (SITE / name).symlink_to(self.state / name)

    def _start_munge(self) -> None:
        folder = self.state / "munge"
        key = folder / "key"
        if not key.exists():
            key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        shutil.chown(folder, "munge", "munge")
        shutil.chown(key, "munge", "munge")
        options = [
            f"--{name}={folder / name}" for name in ("socket", "pid-file", "log-file", "seed-file")
        ]
        command = [
            "runuser",
            "-u",
            "munge",
            "--",
            "/usr/sbin/munged",
            "--force",
            f"--key-file={key}",
            *options,
        ]
        self._start("munged", command, lambda: (folder / "socket").exists())

    def start_node(self, name: str) -> None:
        """Start the daemon of a node unless it runs."""
        self._start(name, ["slurmd", "-N", name], lambda: self._pid(name) is not None)

    def _start(self, name: str, command: list[str], ready: Callable[[], bool]) -> None:
        if not self._running(name):
            with self.log.open("a") as log:
                path = os.environ["PATH"] + ":/usr/sbin"
                subprocess.run(
                    command, stdout=log, stderr=log, env=os.environ | {"PATH": path}, check=True
                )
            wait_for(ready, 30, name)

    # --- down ---

    def down(self) -> None:
        """Cancel all jobs, then stop every daemon that was started here, by its process id; remove the links."""
        if self._running("slurmctld"):
            subprocess.run(["scancel", "--user=root"], check=False)
            wait_for(
                lambda: (
                    not output(
                        "squeue", "--noheader", "--states=PENDING,RUNNING,SUSPENDED,COMPLETING"
                    )
                ),
                60,
                "the jobs to end",
            )
        for name in (*NODES, "slurmctld", "munged"):
            self.stop(name)
        for name in FILES:
            if (SITE / name).is_symlink() and (
                SITE / name
            ).resolve().parent == self.state.resolve():
                (SITE / name).unlink()

    def stop(self, name: str) -> None:
        """Stop one daemon and wait until it is gone."""
        pid = self._pid(name)
        if pid is not None and self._running(name):
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not Path(f"/proc/{pid}").exists(), 30, f"{name} to stop")

    def _pid(self, name: str) -> int | None:
        file = self.state / ("munge/pid-file" if name == "munged" else f"{name}.pid")
        return int(file.read_text()) if file.exists() and file.read_text().strip() else None

    def _running(self, name: str) -> bool:
        """Whether the process of a daemon's file is alive and is that program: numbers come again."""
        program = "slurmd" if name in NODES else name
        file = Path(f"/proc/{self._pid(name)}/comm")
        return file.exists() and file.read_text().strip() == program

    # --- what tests ask ---

    def nodes(self) -> dict[str, str]:
        """State of every node."""
        lines = output("sinfo", "--noheader", "--Node", "--format=%N %t").splitlines()
        return dict(line.split() for line in lines)

    def queued(
        self, run: str, states: str = "PENDING,RUNNING,SUSPENDED,COMPLETING"
    ) -> dict[int, tuple[str, str]]:
        """Number, state and comment (the rule and its wildcards) of a run's jobs that are not done."""
        lines = output(
            "squeue", "--noheader", f"--name={run}", f"--states={states}", "--format=%A|%T|%k"
        ).splitlines()
        return {
            int(number): (state, comment)
            for number, state, comment in (line.split("|", 2) for line in lines)
        }

    def records(self, run: str | None = None) -> list[Job]:
        """Jobs of a run (its Slurm job name) in the accounting file, in the order they ended."""
        jobs = []
        for line in (self.state / "jobs.txt").read_text().splitlines():
            fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
            job = Job(
                int(fields["JobId"]),
                fields["Name"],
                fields["JobState"],
                fields["Partition"],
                fields["NodeList"],
                fields["Tres"],
            )
            if run in (None, job.run):
                jobs.append(job)
        return jobs

    def details(self, number: int) -> dict[str, str]:
        """What the controller knows of a job."""
        text = output("scontrol", "show", "job", "--oneliner", str(number))
        return dict(part.split("=", 1) for part in text.split() if "=" in part)


def output(*command: str) -> str:
    """Standard output of a command, empty where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def wait_for(ready: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            msg = f"waited {seconds:g} s for {what}"
            raise SlurmError(msg)
        time.sleep(0.1)


if __name__ == "__main__":
    try:
        {"up": Cluster().up, "down": Cluster().down}[sys.argv[1]]()
    except SlurmError as error:
        sys.exit(f"cluster.py: {error}")
