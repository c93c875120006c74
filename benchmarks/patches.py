"""Patches per second from storage, one process, against what the training step consumes, in one run.

    PYTHONPATH=src .venv/bin/python benchmarks/patches.py results/demo [--threads 2] [--epochs 2] [--no-profile]

Takes labels and covariates of a finished run and the settings of config/default.yaml: the default
experiment, the same network without antecedent labels, and the plain ConvLSTM (stride 1, 10 days).
Prints patches per second, with weather and NDVI interpolated and labels read from the mapped file;
then trains and prints what Lightning's profiler says of the time spent waiting for data. Seconds
are of the wall clock and of the processor: on a machine that others use, only the latter tell the
speed.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lightning
import pandas as pd
import torch
import yaml
from lightning.pytorch.profilers import SimpleProfiler
from torch.utils.data import DataLoader

from loam.config.learning import Experiment, Network, Train
from loam.core.features import COVARIATES, open_covariates
from loam.core.labels import unpack
from loam.core.splits import Splits
from loam.learning.dataset import PatchDataset
from loam.learning.losses import label_weight, pixel_losses
from loam.learning.soil_moisture_module import SoilMoistureModule
from loam.learning.training import PatchDataModule, make_lesson
from loam.samples.unpacked import SEEN_BY_TRAINING

SETTINGS = yaml.safe_load((Path(__file__).parents[1] / "config/default.yaml").read_text())
DEFAULT, SIZE_PX = SETTINGS["learning"], SETTINGS["samples"]["patches"]["size_px"]
TRAIN = Train.model_validate(DEFAULT["train"] | {"accelerator": "cpu", "patience": None})
SEQUENCE = Experiment.model_validate(DEFAULT["experiments"]["sequence"])
CASES = {
    "default": (SEQUENCE, {}),
    "default without antecedent labels": (
        SEQUENCE.model_copy(update={"antecedent_labels": False}),
        {},
    ),
    "plain ConvLSTM": (
        SEQUENCE.model_copy(
            update={"antecedent_labels": False, "architecture": "convlstm", "days": 10}
        ),
        {"stride": 1},
    ),
}


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Wall-clock and processor seconds of a call, mean of some after a warm-up."""
    work()
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - wall) / repeats, (time.process_time() - processor) / repeats


def network_of(experiment: Experiment, changes: dict[str, int]) -> Network:
    """The experiment's network with the default settings, some changed."""
    arguments = (
        {"architecture": experiment.architecture}
        | DEFAULT["model"][experiment.architecture]
        | changes
    )
    return Network(architecture=experiment.architecture, arguments=arguments)


def dataset(
    run: Path, scratch: Path, experiment: Experiment, stride: int, part: str = "train"
) -> PatchDataset:
    """Patches of a run."""
    index = pd.read_parquet(run / "samples/patches.parquet")
    splits = Splits.read(run / "samples/splits.json")
    labels = unpack(run / "moisture/ssm.zarr", splits, scratch, SEEN_BY_TRAINING)
    files = [run / f"covariates/{name}.zarr" for name in COVARIATES]
    covariates = open_covariates([path for path in files if path.exists()])
    return PatchDataset(
        index[index["split"] == part],
        labels,
        covariates,
        size=SIZE_PX,
        days=experiment.days,
        form=experiment.form,
        stride=stride,
        antecedent_days=DEFAULT["antecedent_days"] if experiment.antecedent_labels else 0,
    )


def step_of(lesson: SoilMoistureModule, data: PatchDataset) -> Callable[[], None]:
    """Forward and backward of one batch."""
    items = next(iter(DataLoader(data, batch_size=TRAIN.batch_size)))

    def step() -> None:
        lesson.zero_grad(set_to_none=True)
        mean, log_variance = lesson.model(items["dynamic"], items["static"])
        weight = label_weight(items["ssm"], items["uncertainty"], None)
        loss, _ = pixel_losses(TRAIN.loss, mean, log_variance, torch.nan_to_num(items["ssm"]))
        (loss * weight).sum().backward()

    return step


def waiting_share(
    lesson: SoilMoistureModule, data: dict[str, PatchDataset], epochs: int, scratch: Path
) -> float:
    """Share of the batches' time that is spent waiting for data [1], by Lightning's profiler."""
    profiler = SimpleProfiler(scratch, "profile")
    trainer = lightning.Trainer(
        max_epochs=epochs,
        profiler=profiler,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        accelerator="cpu",
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(lesson, datamodule=PatchDataModule(data, TRAIN, 0))
    spent = {name: sum(values) for name, values in profiler.recorded_durations.items()}
    waiting = sum(value for name, value in spent.items() if "train_dataloader_next" in name)
    training = spent["run_training_batch"]
    return waiting / (waiting + training)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--profile", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(
        f"batch {TRAIN.batch_size}, {DEFAULT['patches']['size_px']} pixels, {arguments.threads} threads of the step, 1 process of patches"
    )
    print(
        "| experiment | step, patches a second | reading, patches a second | reading / step | the same, processor seconds | waiting |"
    )
    print("|---|---|---|---|---|---|")
    for name, (experiment, changes) in CASES.items():
        network = network_of(experiment, changes)
        with tempfile.TemporaryDirectory() as scratch:
            data = dataset(arguments.run, Path(scratch), experiment, network.stride)
            lesson = make_lesson(data, TRAIN, network, experiment, 0, "")
            number = min(len(data), 400)
            step = [TRAIN.batch_size / spent for spent in timed(step_of(lesson, data), 7)]
            read = [
                number / spent
                for spent in timed(
                    lambda data=data, number=number: [data[item] for item in range(number)], 3
                )
            ]
            waiting = "-"
            if arguments.profile:
                both = {
                    "train": data,
                    "validate": dataset(
                        arguments.run, Path(scratch), experiment, network.stride, "validate"
                    ),
                }
                waiting = f"{waiting_share(lesson, both, arguments.epochs, Path(scratch)):.1%}"
        print(
            f"| {name} | {step[0]:.0f} | {read[0]:.0f} | {read[0] / step[0]:.1f} | {read[1] / step[1]:.1f} | {waiting} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
