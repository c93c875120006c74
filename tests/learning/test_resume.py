"""Training that was killed, and training by several processes, against one undisturbed process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from learning.task import EXPERIMENT, MODEL, SIZE, TRAIN, learn, training_labels

from loam.config.learning import Train
from loam.learning import training

REMOVE = shutil.rmtree
SHORT = TRAIN.model_copy(update={"epochs": 4, "patience": None})


@pytest.fixture(scope="module")
def undisturbed(site: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    out = tmp_path_factory.mktemp("undisturbed")
    return out / "0.ckpt", learn(site, out, SHORT)


class Killed(Exception):
    """Stands for a signal: it leaves the code at once, wherever it is."""


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def killed_at_the_folder(path: Path, *more, **named) -> None:
    if Path(path).suffix == ".resume":
        raise Killed
    REMOVE(path, *more, **named)


def kill_in(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop in the middle of an epoch's training steps."""
    whole = training.SoilMoistureModule.training_step

    def step(self, batch, number):
        if self.current_epoch == epoch and number == 1:
            raise Killed
        return whole(self, batch, number)

    monkeypatch.setattr(training.SoilMoistureModule, "training_step", step)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_training_goes_on_to_the_same_weights(
    site, undisturbed, tmp_path, monkeypatch: pytest.MonkeyPatch, caplog, workers: int
) -> None:
    """Whoever puts the patches together: a process that does so beforehand must know which epoch it is."""
    cfg = SHORT.model_copy(update={"workers": workers})
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_in(2, patch)
        learn(site, tmp_path, cfg)
    assert sorted(path.name for path in (tmp_path / "0.resume").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
    ]
    assert not (tmp_path / "0.ckpt").exists()
    with caplog.at_level("INFO", logger="loam"):
        history = learn(site, tmp_path, cfg)
    assert any("training goes on from here" in record.getMessage() for record in caplog.records)
    pd.testing.assert_frame_equal(history, undisturbed[1])
    for name, value in weights(undisturbed[0]).items():
        assert torch.equal(weights(tmp_path / "0.ckpt")[name], value), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.ckpt", "0.csv"]


@pytest.mark.parametrize("change", [{"learning_rate": 0.02}, {"epochs": 3}, {"batch_size": 32}])
def test_a_checkpoint_of_other_settings_is_not_gone_on_with(
    site, tmp_path, monkeypatch, caplog, change
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_in(1, patch)
        learn(site, tmp_path, SHORT.model_copy(update=change))
    with caplog.at_level("INFO", logger="loam"):
        history = learn(site, tmp_path, SHORT)
    assert any(
        "of other settings or data; training starts from the beginning" in record.getMessage()
        for record in caplog.records
    )
    assert history["epoch"].tolist() == [0, 1, 2, 3]


def test_a_torn_checkpoint_is_told_and_training_starts_anew(
    site, undisturbed, tmp_path, monkeypatch, caplog
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_in(1, patch)
        learn(site, tmp_path, SHORT)
    last = tmp_path / "0.resume" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:2000])
    with caplog.at_level("WARNING", logger="loam"):
        history = learn(site, tmp_path, SHORT)
    assert any("last.ckpt: cannot be read" in record.getMessage() for record in caplog.records)
    pd.testing.assert_frame_equal(history, undisturbed[1])


def test_a_run_killed_after_early_stopping_trains_no_epoch_more(
    site, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = TRAIN.model_copy(update={"epochs": 8, "patience": 1, "learning_rate": 0.2})
    (tmp_path / "whole").mkdir()
    expected = learn(site, tmp_path / "whole", hasty)
    assert len(expected) < 8
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(pd.DataFrame, "to_csv", lambda *_, **__: (_ for _ in ()).throw(Killed))
        learn(site, tmp_path, hasty)
    pd.testing.assert_frame_equal(learn(site, tmp_path, hasty), expected)


def test_a_kill_in_the_last_moment_does_not_block_the_member(
    site, undisturbed, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(training.shutil, "rmtree", killed_at_the_folder)
        learn(site, tmp_path, SHORT)
    for name in ("0.ckpt", "0.csv"):  # as Snakemake removes the outputs of a killed job
        (tmp_path / name).unlink()
    pd.testing.assert_frame_equal(learn(site, tmp_path, SHORT), undisturbed[1])


@pytest.mark.parametrize("count", [63, 64, 1598, 1599])
def test_several_processes_take_as_many_steps_as_one(count: int) -> None:
    """A sampler that pads would add a step of repeated patches."""
    cfg = TRAIN.model_copy(update={"batch_size": 32})
    steps = []
    for world in (1, 2, 4, 8):
        parts = training.PatchDataModule({"train": list(range(count))}, cfg, 0)
        first = SimpleNamespace(
            epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=0))
        )
        parts.trainer = SimpleNamespace(world_size=world, global_rank=world - 1, fit_loop=first)
        steps += [len(parts.train_dataloader()), parts.steps_per_epoch]
    assert steps == [count // 32] * 8


def test_two_processes_learn_what_one_does(site, undisturbed, tmp_path) -> None:
    """By the command, since each process starts it again; gloo on the CPU."""
    cfg = Train.model_validate(SHORT.model_dump() | {"devices": 2, "strategy": "ddp"})
    sections = {"cfg": cfg, "model": MODEL, "experiment": EXPERIMENT}
    params = {name: section.model_dump(mode="json") for name, section in sections.items()} | {
        "size_px": SIZE,
        "antecedent_days": 30,
    }
    covariates = [site / "static.zarr", site / "weather.zarr"]
    files = {
        "labels": [training_labels(site)],
        "patches": [site / "patches.parquet"],
        "covariates": covariates,
    }
    command = [
        sys.executable,
        "-m",
        "loam",
        "train",
        "--member",
        "0",
        "--threads",
        "1",
        "--params",
        json.dumps(params),
    ]
    for name, paths in files.items():
        command += [f"--{name}", *map(str, paths)]
    command += ["--out", str(tmp_path / "0.ckpt"), "--history", str(tmp_path / "0.csv")]
    source = Path(training.__file__).parents[2]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.ckpt", "0.csv"]
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "0.csv"), undisturbed[1], atol=1e-4, rtol=1e-4
    )


def test_a_batch_that_processes_cannot_share_is_refused() -> None:
    with pytest.raises(
        ValueError, match="batch_size 16 cannot be shared by 3 processes; make it a multiple"
    ):
        Train.model_validate(SHORT.model_dump() | {"devices": 3, "strategy": "ddp"})
