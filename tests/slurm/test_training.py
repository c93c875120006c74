"""Training over two nodes, and training that is killed: the same loss, and one checkpoint."""

import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from slurm.cluster import Cluster
from slurm.conftest import SlurmHouse

from loam.learning import training

MEMBER = "results/small/learning/sequence/0"
TOLERANCE = 1e-4
several = pytest.mark.skipif("num_nodes" not in Path(training.__file__).read_text(), reason="training uses no several nodes yet")
resumes = pytest.mark.skipif(".resume" not in Path(training.__file__).read_text(), reason="training does not resume yet")


def history(house: SlurmHouse) -> pd.DataFrame:
    return pd.read_csv(house.folder / f"{MEMBER}.csv")


def training_of(**train: object) -> dict[str, object]:
    """Few epochs on CPUs: `batch_size` is the number of patches of a step, whoever computes it."""
    return {"learning": {"train": {"accelerator": "cpu", "epochs": 6, "patience": 6} | train}}


@several
def test_two_nodes_train_to_the_loss_of_one_process(cluster: Cluster, copied: SlurmHouse) -> None:
    copied.slurm("--", f"{MEMBER}.ckpt", **training_of()).wait()
    alone = history(copied)
    partition = ["--set-resources", "train:slurm_partition=cpu"]
    run = copied.slurm(*partition, "--", f"{MEMBER}.ckpt", **training_of(nodes=2, strategy="ddp")).wait()
    (number,) = run.submitted()
    assert cluster.details(number)["NumNodes"] == "2"
    assert cluster.details(number)["NumTasks"] == "2"
    assert [path.name for path in (copied.folder / MEMBER).parent.glob("*.ckpt")] == ["0.ckpt"]
    together = history(copied)
    assert len(together) == len(alone)
    assert (together["validation_loss"] - alone["validation_loss"]).abs().max() < TOLERANCE


@resumes
def test_killed_training_goes_on_where_it_was(cluster: Cluster, copied: SlurmHouse) -> None:
    partition = ["--set-resources", "train:slurm_partition=cpu"]
    settings = training_of(epochs=20, patience=20)
    copied.slurm(*partition, "--", f"{MEMBER}.ckpt", **settings).wait()
    whole = history(copied)
    (copied.folder / f"{MEMBER}.ckpt").unlink()
    run = copied.slurm(*partition, "--", f"{MEMBER}.ckpt", **settings)
    log = copied.folder / "results/small/logs/train/sequence_0.log"
    run.until(lambda: log.exists() and "epoch 5 of 20" in log.read_text(), "five epochs")
    for number in cluster.queued("RUNNING"):
        subprocess.run(["scancel", f"--signal={signal.SIGKILL.name[3:]}", "--full", str(number)], check=True)
    run.wait()
    assert "epoch 1 of 20" not in log.read_text()  # the second attempt did not begin anew
    assert abs(history(copied)["validation_loss"].iloc[-1] - whole["validation_loss"].iloc[-1]) < TOLERANCE
    assert not (copied.folder / f"{MEMBER}.resume").exists()
