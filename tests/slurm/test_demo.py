"""The small scene through `snakemake --profile slurm`: the same results, where jobs ran, and what can be asked afterwards."""

import hashlib
import re
import shutil
import tarfile
from pathlib import Path

import pytest
import torch
from slurm.cluster import Cluster
from slurm.conftest import Run, SlurmHouse
from small_scene import House

Ran = tuple[SlurmHouse, Run]
CHECKPOINT = "results/small/learning/sequence/0.ckpt"
GPU_RULES = {"rule_train", "rule_predict", "rule_predict_date"}


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file that results are in: all but logs, times, Snakemake's own, and checkpoints, which hold a folder's name."""
    files = [
        path
        for name in ("results/small", "resources/small")
        for path in (folder / name).rglob("*")
        if path.is_file()
    ]
    kept = [
        path
        for path in files
        if not {"logs", "benchmarks"} & set(path.parts)
        and path.name != ".snakemake_timestamp"
        and path.suffix != ".ckpt"
    ]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in kept
    }


def test_results_are_those_of_a_local_run_bit_for_bit(local: House, ran: Ran) -> None:
    here, there = contents(local.folder), contents(ran[0].folder)
    assert len(here) > 1000
    assert {name for name in here | there if here.get(name) != there.get(name)} == set()
    mine, theirs = (
        torch.load(each.folder / CHECKPOINT, weights_only=True)["state_dict"]
        for each in (local, ran[0])
    )
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_every_job_is_in_slurms_records(cluster: Cluster, ran: Ran) -> None:
    records = cluster.records(ran[1].name)
    assert {job.number for job in records} == set(ran[1].submitted())
    assert {job.state for job in records} == {"COMPLETED"}
    assert len(records) < len(ran[1].finished())  # short jobs share one
    assert {"rule_make_twin", "rule_find_scenes", "rule_detect_change", *GPU_RULES} <= set(
        ran[1].submitted().values()
    )


def test_gpu_rules_run_on_the_gpu_partition_with_a_gpu_and_no_other_does(
    cluster: Cluster, ran: Ran
) -> None:
    for number, name in ran[1].submitted().items():
        details = cluster.details(number)
        wanted = (
            ("gpu", "gpu1", "gres:gpu:1")
            if name in GPU_RULES
            else ("cpu", details["NodeList"], None)
        )
        assert (details["Partition"], details["NodeList"], details.get("TresPerJob")) == wanted, (
            name
        )
        assert details["NodeList"] in {"cpu1", "cpu2", "gpu1"}


def test_nothing_runs_twice(ran: Ran) -> None:
    done = ran[0].small("-n")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_report_dag_and_summary_work_after_it(ran: Ran) -> None:
    house = ran[0]
    asked = {
        flag: house.small(*flag.split()) for flag in ("--report report.html", "--dag", "--summary")
    }
    assert {flag: done.returncode for flag, done in asked.items()} == dict.fromkeys(asked, 0)
    assert "map_2023-08-31.png" in (house.folder / "report.html").read_text()
    assert asked["--dag"].stdout.startswith("digraph")
    rows = [line.split("\t") for line in asked["--summary"].stdout.splitlines()]
    assert {row[-2] for row in rows if row[0].startswith("results/")} == {"ok"}


@pytest.mark.skipif(
    shutil.which("conda") is None,
    reason="--archive packs conda's packages too, and there is no conda here",
)
def test_an_archive_holds_the_workflow(ran: Ran) -> None:
    done = ran[0].small("--archive", "all.tar.gz")
    assert done.returncode == 0, done.stderr
    with tarfile.open(ran[0].folder / "all.tar.gz") as archive:
        assert {"Snakefile", "workflow/rules/sar.smk"} <= {
            name.removeprefix("./") for name in archive.getnames()
        }


def test_a_changed_setting_reruns_its_rules_through_slurm_and_no_other(
    cluster: Cluster, copied: SlurmHouse
) -> None:
    change = {"moisture": {"change": {"min_sensitivity_db": 1.2}}}
    run = copied.slurm("--until", "sample_patches", "draw_moisture", **change).wait()
    assert sorted(run.finished()) == ["detect_change", "draw_moisture", "sample_patches"]
    assert len(cluster.records(run.name)) == 3
    assert re.search(r"3 of 3 steps \(100%\) done", run.text)
