"""What a cluster does to jobs, and to Snakemake itself: everything is retried or named, and nothing is lost."""

import csv
import re
import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from slurm.cluster import Cluster, wait_for
from slurm.conftest import Run, SlurmHouse
from slurm.test_demo import contents

BATCH = "resources/small/gamma0/{}"
# Only what stack_scenes and prepare_static stand on: the shortest part of the workflow that has batches.
STACK, STATIC = (
    "resources/small/gamma0/stack.zarr/zarr.json",
    "results/small/covariates/static.zarr",
)


def remove(house: SlurmHouse, *names: str) -> None:
    for name in names:
        subprocess.run(["rm", "-r", str(house.folder / name)], check=True)


def batches(house: SlurmHouse) -> list[str]:
    return sorted(path.name for path in (house.folder / "resources/small/gamma0").glob("*_20*q*"))


def running(cluster: Cluster, run: Run, text: str) -> list[int]:
    """Running jobs of a run whose comment, the rule and its wildcards, holds a text."""
    if not run.submitted():
        return []
    return [
        number
        for number, (_, comment) in cluster.queued(run.name, "RUNNING").items()
        if text in comment
    ]


def test_killed_jobs_come_back_and_a_broken_scene_is_named(
    cluster: Cluster, copied: SlurmHouse
) -> None:
    """In one run: too little memory, too little time, scancel, a lost node, and an exit 1 in a scene."""
    before, names = contents(copied.folder), batches(copied)[:4]
    lost, cancelled, late, broken = names
    remove(copied, *(BATCH.format(name) for name in names), STACK, STATIC)
    image = next((copied.folder / "resources/small/twin/scenes").glob("*/measurement/*vv*.tiff"))
    spoilt = spoil(copied, broken)
    # The first attempt of prepare_static gets less memory than a Snakemake and NumPy take; the second enough.
    little = ["--set-resources", "prepare_static:mem_mb=380*attempt"]
    # In place of the profile's: every batch is a job of its own.
    alone = [
        "--groups",
        "make_twin=twin",
    ]
    run = copied.slurm(*little, *alone, "--", STACK, STATIC)
    todo = {cancelled: cancel, late: time_out}
    try:
        run.until(lambda: running(cluster, run, lost), f"{lost} to run")
        # First, because it takes all jobs of the node with it.
        lose_node(cluster, running(cluster, run, lost)[0])
        run.until(lambda: strike(cluster, run, todo), "the other jobs to run")
        run.wait(1)
    finally:
        subprocess.run(
            ["scontrol", "update", "nodename=cpu1,cpu2", "state=resume"],
            capture_output=True,
            check=False,
        )
    states = ends(cluster, run)
    assert "FAILED" in states["rule_prepare_static"]
    assert states["rule_prepare_static"][-1] == "COMPLETED"
    assert {"CANCELLED", "TIMEOUT", "FAILED", "COMPLETED"} <= set(states["rule_flatten_scenes"])
    # The job that cannot succeed, and its log, are named.
    assert f"logs/flatten_scenes/{broken}.log" in run.text
    assert re.search(r"cannot be read|download the product again", run.text)
    assert not (copied.folder / BATCH.format(broken)).exists()
    for name in (cancelled, lost, late):
        assert (copied.folder / BATCH.format(name)).is_dir()
    mend(spoilt)
    copied.slurm("--", STACK, STATIC).wait()
    after = contents(copied.folder)
    assert {
        name for name in before if before[name] != after.get(name) and "gamma0/" in name
    } == set()
    assert image.exists()


def strike(cluster: Cluster, run: Run, todo: dict[str, Callable[[Cluster, int], None]]) -> bool:
    """Do to each job what is to be done as soon as it runs; whether all is done."""
    for name, act in list(todo.items()):
        for number in running(cluster, run, name):
            act(cluster, number)
            todo.pop(name, None)
    return not todo


def ends(cluster: Cluster, run: Run) -> dict[str, list[str]]:
    """How the jobs of each rule have ended, in this order."""
    names, found = run.submitted(), defaultdict(list)
    for job in cluster.records(run.name):
        found[names[job.number]].append(job.state)
    return found


def spoil(house: SlurmHouse, batch: str) -> dict[Path, bytes]:
    """Cut the images of a batch short behind the workflow's back, so that none of its scenes can be made."""
    with (house.folder / "resources/small/scenes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if f"{row['track']}_{row['quarter']}" == batch]
    images = [
        image
        for row in rows
        for image in (house.folder / row["products"]).glob("measurement/*.tiff")
    ]
    kept = {image: image.read_bytes() for image in images}
    for image, content in kept.items():
        image.write_bytes(content[: len(content) // 2])
    return kept


def mend(spoilt: dict[Path, bytes]) -> None:
    for image, content in spoilt.items():
        image.write_bytes(content)


def cancel(_cluster: Cluster, number: int) -> None:
    subprocess.run(["scancel", str(number)], check=True)


def time_out(_cluster: Cluster, number: int) -> None:
    """Slurm counts in minutes: the job is held up until one is over."""
    subprocess.run(["scancel", "--signal=STOP", "--full", str(number)], check=True)
    subprocess.run(["scontrol", "update", f"JobId={number}", "TimeLimit=1"], check=True)


def lose_node(cluster: Cluster, number: int) -> None:
    subprocess.run(
        [
            "scontrol",
            "update",
            f"nodename={cluster.details(number)['NodeList']}",
            "state=down",
            "reason=test",
        ],
        check=True,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_leaves_no_job_and_goes_on(
    cluster: Cluster, copied: SlurmHouse, how: signal.Signals
) -> None:
    before, name = contents(copied.folder), batches(copied)[0]
    remove(copied, BATCH.format(name), STACK)
    run = copied.slurm("--", STACK)
    run.until(lambda: running(cluster, run, "flatten_scenes"), "a batch to run")
    run.send(how)
    run.process.wait(300)
    wait_for(lambda: not cluster.queued(run.name), 60, "the queue to be empty")
    copied.slurm("--", STACK).wait()
    assert changed(before, copied) == set()


def test_no_orphan_of_a_killed_run_writes_into_the_next(
    cluster: Cluster, copied: SlurmHouse
) -> None:
    before, name = contents(copied.folder), batches(copied)[0]
    remove(copied, BATCH.format(name), STACK)
    run = copied.slurm("--", STACK)
    run.until(
        lambda: running(cluster, run, "flatten_scenes") and entered(copied),
        "a batch to run and to be entered",
    )
    run.send(signal.SIGKILL)
    run.process.wait(60)
    (orphan,) = running(cluster, run, "flatten_scenes")
    # It will not be done by itself before the next run begins.
    subprocess.run(["scontrol", "suspend", str(orphan)], check=False)
    rerun = copied.slurm("--", STACK).wait()  # the same command: the dead run's lock is taken away
    assert f"ending what a killed run has left in Slurm: {orphan}" in rerun.text
    assert cluster.details(orphan)["JobState"] == "CANCELLED"
    ended, begun = (
        cluster.details(number)[key]
        for number, key in ((orphan, "EndTime"), (min(rerun.submitted()), "StartTime"))
    )
    assert ended <= begun
    assert changed(before, copied) == set()
    assert not list((copied.folder / ".snakemake/loam").glob("*"))


def test_a_job_that_waits_in_the_queue_stops_when_its_run_is_over(
    cluster: Cluster, copied: SlurmHouse
) -> None:
    """It cannot be cancelled, because nobody knows its number: it looks itself, before it touches a file."""
    before, name = contents(copied.folder), batches(copied)[0]
    remove(copied, BATCH.format(name), STACK)
    nodes = "nodename=cpu1,cpu2"
    subprocess.run(["scontrol", "update", nodes, "state=drain", "reason=test"], check=True)
    try:
        run = copied.slurm("--", STACK)
        run.until(
            lambda: (
                run.submitted()
                and "PENDING" in {state for state, _ in cluster.queued(run.name).values()}
            ),
            "a job to wait",
        )
        run.send(signal.SIGKILL)
        run.process.wait(60)
        (orphan,) = cluster.queued(run.name)
        assert copied.small("--unlock").returncode == 0
        # The next run is local, and is done before the orphan starts.
        done = copied.small("--", STACK)
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run(["scontrol", "update", nodes, "state=resume"], check=True)
    wait_for(lambda: orphan not in cluster.queued(run.name), 300, "the orphan to end")
    assert cluster.details(orphan)["JobState"] == "FAILED"
    (log,) = (copied.folder / ".snakemake/slurm_logs").rglob(f"{orphan}.log")
    assert (
        "the run that sent this job is over; the job stops before it touches a file"
        in log.read_text()
    )
    assert changed(before, copied) == set()


def entered(house: SlurmHouse) -> list[Path]:
    """Jobs that have entered their numbers."""
    return [path for path in (house.folder / ".snakemake/loam").glob("*/*") if path.name.isdigit()]


def changed(before: dict[str, str], house: SlurmHouse) -> set[str]:
    after = contents(house.folder)
    return {name for name in before | after if before.get(name) != after.get(name)}
