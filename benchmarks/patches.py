"""Patches per second from storage, one process, against what the training step consumes, in one run.

    PYTHONPATH=src .venv/bin/python benchmarks/patches.py results/demo [--threads 2] [--epochs 2] [--no-profile]

Takes labels and covariates of a finished run and the settings of config/default.yaml. Prints a table of patches per second, with
weather and NDVI interpolated and labels read from the mapped file, with and without past labels; then trains and prints what
Lightning's profiler says of the time spent waiting for data. Seconds are of the wall clock and of the processor: on a machine
that others use, only the latter tell the speed.
"""

import argparse
import json
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

from loam.features import open_covariates
from loam.learning.dataset import PatchDataset, channel_statistics
from loam.learning.labels import open_labels
from loam.learning.training import Lesson

DEFAULT = yaml.safe_load((Path(__file__).parents[1] / "config/default.yaml").read_text())["learning"]


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Wall-clock and processor seconds of a call, mean of some after a warm-up."""
    work()
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - wall) / repeats, (time.process_time() - processor) / repeats


def dataset(run: Path, scratch: Path, days: int, past_days: int) -> PatchDataset:
    """Training patches of a run."""
    index = pd.read_parquet(run / "learning/patches.parquet")
    splits = json.loads((run / "learning/splits.json").read_text())
    labels = open_labels(run / "moisture/ssm.zarr", splits, scratch, ("train", "validate"))
    ndvi = run / "covariates/ndvi.zarr"
    covariates = open_covariates(run / "covariates/static.zarr", run / "covariates/weather.zarr", ndvi if ndvi.exists() else None)
    return PatchDataset(
        index[index["split"] == "train"], labels, covariates, size=DEFAULT["patches"]["size_px"], days=days, form="sequence",
        stride=DEFAULT["model"]["stride"], past_days=past_days,
    )  # fmt: skip


def lesson_of(data: PatchDataset, days: int) -> Lesson:
    """The default model."""
    model = {
        "dynamic_channels": data[0]["dynamic"].shape[1], "static_channels": data[0]["static"].shape[0],
        "hidden_channels": DEFAULT["model"]["hidden_channels"], "kernel_size": DEFAULT["model"]["kernel_size"],
        "stride": DEFAULT["model"]["stride"], "statistics": channel_statistics(data, 0),
    }  # fmt: skip
    window = {"days": days, "form": "sequence", "channels": list(data.covariates.static_names), "past_labels": bool(data.past_days)}
    return Lesson(model=model, window=window, loss="nll", weigh=True, learning_rate=1e-3, weight_decay=1e-4)


def step_of(data: PatchDataset, days: int, batch: int) -> Callable[[], None]:
    """Forward and backward of one batch."""
    lesson = lesson_of(data, days)
    items = next(iter(DataLoader(data, batch_size=batch)))

    def step() -> None:
        lesson._losses(items)[0].backward()

    return step


def waiting_share(data: PatchDataset, days: int, batch: int, epochs: int) -> tuple[float, float]:
    """Share of the batches' time that is spent waiting for data [1], and seconds of both, by Lightning's profiler."""
    profiler = SimpleProfiler()
    trainer = lightning.Trainer(
        max_epochs=epochs, profiler=profiler, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu",
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(lesson_of(data, days), DataLoader(data, batch_size=batch, shuffle=True))
    spent = {name: sum(values) for name, values in profiler.recorded_durations.items()}
    waiting = sum(value for name, value in spent.items() if "train_dataloader_next" in name)
    training = spent["run_training_batch"]
    return waiting / (waiting + training), waiting + training


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--profile", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    batch, days = DEFAULT["train"]["batch_size"], DEFAULT["experiments"]["sequence"]["days"]
    print(
        f"batch {batch}, {days} days, {DEFAULT['patches']['size_px']} pixels, {arguments.threads} threads of the step, 1 process of patches"
    )
    print("| what | patches a second | a processor second | of the step's, processor seconds |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        rates = {}
        for past_days in (0, DEFAULT["past_days"]):
            data = dataset(arguments.run, Path(scratch), days, past_days)
            number = min(len(data), 400)
            rates[f"training step, {data[0]['static'].shape[0]} static channels"] = (batch, timed(step_of(data, days, batch), 7))
            name = f"reading, {past_days} days of past labels"
            rates[name] = (number, timed(lambda data=data, number=number: [data[item] for item in range(number)], 3))
        consumed = None
        for name, (count, (wall, processor)) in rates.items():
            # The step runs on all threads: what it consumes in a second of the wall clock is `threads` processor seconds.
            rate = count / processor * (arguments.threads if "step" in name else 1)
            consumed = rate if "step" in name else consumed
            print(f"| {name} | {count / wall:.0f} | {count / processor:.0f} | {rate / consumed:.1f} |")
        if arguments.profile:
            share, seconds = waiting_share(dataset(arguments.run, Path(scratch), days, 0), days, batch, arguments.epochs)
            print(f"waiting for data: {share:.1%} of {seconds:.1f} s in batches (Lightning's SimpleProfiler)")


if __name__ == "__main__":
    main()
