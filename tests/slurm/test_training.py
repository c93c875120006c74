"""Training over two nodes, and training that is killed: the same loss, and one checkpoint."""

import socket
import subprocess

import pandas as pd
from slurm.cluster import Cluster
from slurm.conftest import SlurmHouse

MEMBER = "results/small/learning/sequence/0"
TOLERANCE = 1e-4
ON_CPUS = ("--set-resources", "train:slurm_partition=cpu")


def history(house: SlurmHouse) -> pd.DataFrame:
    return pd.read_csv(house.folder / f"{MEMBER}.csv")


def checkpoints(house: SlurmHouse) -> list[str]:
    """Checkpoints and what is left of training."""
    return sorted(
        path.name
        for path in (house.folder / MEMBER).parent.iterdir()
        if path.suffix in {".ckpt", ".resume", ".partial"}
    )


def test_two_nodes_train_to_the_loss_of_one_process(cluster: Cluster, copied: SlurmHouse) -> None:
    """`batch_size` is the number of patches of a step, whoever computes it: the one process of the first run is the measure."""
    alone = history(copied)
    # Nodes of the test cluster have names that no resolver knows, and all are this host.
    copied.environment |= {"MASTER_ADDR": socket.gethostbyname(socket.gethostname())}
    two = {"accelerator": "cpu", "nodes": 2, "strategy": "ddp"}
    run = copied.slurm(*ON_CPUS, "--", f"{MEMBER}.ckpt", learning={"train": two}).wait()
    (number,) = run.submitted()
    details = cluster.details(number)
    assert (details["NumNodes"], details["NumTasks"], details["NodeList"]) == ("2", "2", "cpu[1-2]")
    assert checkpoints(copied) == ["0.ckpt"]
    together = history(copied)
    assert together["epoch"].tolist() == alone["epoch"].tolist()
    assert (together["validation_loss"] - alone["validation_loss"]).abs().max() < TOLERANCE


def test_killed_training_goes_on_where_it_was(cluster: Cluster, copied: SlurmHouse) -> None:
    undisturbed = history(copied)
    (copied.folder / f"{MEMBER}.ckpt").unlink()
    run = copied.slurm("--", f"{MEMBER}.ckpt")
    log = copied.folder / "results/small/logs/train/sequence_0.log"
    log.unlink()  # of the first run
    run.until(lambda: log.exists() and "epoch 3 of " in log.read_text(), "three epochs")
    (number,) = cluster.queued(run.name, "RUNNING")
    subprocess.run(["scancel", "--signal=KILL", "--full", str(number)], check=True)
    run.wait()
    assert len(run.submitted()) == 2
    assert "training goes on from here" in log.read_text()
    assert "epoch 1 of " not in log.read_text()  # the second attempt did not begin from nothing
    assert (
        history(copied)["validation_loss"] - undisturbed["validation_loss"]
    ).abs().max() < TOLERANCE
    assert checkpoints(copied) == ["0.ckpt"]
