"""Training and prediction on a GPU, in bf16 and in 32 bits: speed, share of the matrix peak, waiting for data, and what bf16 changes.

    PYTHONPATH=src python benchmarks/gpu.py [--patches 4096] [--epochs 3] [--workers 1 8] [--batches 32 256] [--accelerator gpu]

Writes the synthetic county of `benchmarks/prediction.py` and prints four tables:

- a training step (forward and backward) with its batch on the card, as it is and as one CUDA graph: patches a second, TFLOP/s, and the
  share of what a product of two 8192 x 8192 matrices reaches on the same card in the same run and precision;
- training as Loam runs it, with its loader and optimizer: patches a second after the first epoch, and the share of time that
  waits for data;
- two members at once on the one card against one alone;
- a day of the county, wall to wall: seconds, and the largest difference of the mean from fp32 without TF32.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.profilers import SimpleProfiler
from patches import CASES, SIZE_PX, TRAIN, network_of
from prediction import PAST_DAYS, SHAPE, write_county
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from loam.config.learning import Network, Train
from loam.core.features import COVARIATES, open_covariates
from loam.core.labels import unpack
from loam.core.raster import open_dataset
from loam.core.splits import Splits
from loam.learning.architectures import build
from loam.learning.dataset import PatchDataset
from loam.learning.losses import label_weight, pixel_losses
from loam.learning.prediction import Inputs, write_days
from loam.learning.soil_moisture_module import SoilMoistureModule
from loam.learning.training import PatchDataModule, make_lesson

PRECISIONS = ("32-true", "bf16-mixed")


def datasets(folder: Path, scratch: Path, case: str, count: int) -> dict[str, PatchDataset]:
    """Random patches of the county's last ten dates, and a tenth of them to validate."""
    experiment, changes = CASES[case]
    splits = Splits.read(folder / "splits.json")
    labels = unpack(folder / "ssm.zarr", splits, scratch / case)
    covariates = open_covariates([folder / f"{name}.zarr" for name in COVARIATES])
    rng, found = np.random.default_rng(3), {}
    for name, number in (("train", count), ("validate", max(count // 10, 64))):
        index = pd.DataFrame(
            {
                "date": labels.times[rng.integers(-10, 0, number)],
                "row": rng.integers(0, SHAPE[0] - SIZE_PX, number),
                "column": rng.integers(0, SHAPE[1] - SIZE_PX, number),
                "split": "train",
                "weight": 1.0,
            }
        )
        found[name] = PatchDataset(
            index,
            labels,
            covariates,
            size=SIZE_PX,
            days=experiment.days,
            form=experiment.form,
            stride=network_of(experiment, changes).stride,
            antecedent_days=PAST_DAYS if experiment.antecedent_labels else 0,
        )
    return found


def lesson_of(case: str, data: PatchDataset, cfg: Train) -> tuple[SoilMoistureModule, Network]:
    """A fresh network of the case."""
    experiment, changes = CASES[case]
    network = network_of(experiment, changes)
    return make_lesson(data, cfg, network, experiment, 0, ""), network


def synchronise(device: torch.device) -> None:
    """Wait for the card: what is queued has not been computed."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: torch.device, repeats: int = 20) -> float:
    """Mean seconds of a call after five to warm up."""
    for _ in range(5):
        work()
    synchronise(device)
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    synchronise(device)
    return (time.perf_counter() - start) / repeats


def in_precision(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Autocast as Lightning sets it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")


def matrix_peak(precision: str, device: torch.device) -> float:
    """TFLOP/s of a large product of matrices in this precision; 32-true uses TF32, as training does."""
    edge = 8192 if device.type == "cuda" else 1024
    kind = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    one, other = (torch.randn(edge, edge, device=device, dtype=kind) for _ in range(2))
    return 2 * edge**3 / seconds(lambda: one @ other, device) / 1e12


def captured(step: Callable[[], object]) -> Callable[[], None]:
    """The step as one CUDA graph: what is left without the cost of starting each kernel."""
    graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def step_table(
    data: dict[str, dict[str, PatchDataset]], batches: list[int], device: torch.device
) -> None:
    """A training step with its batch on the card."""
    peaks = {precision: matrix_peak(precision, device) for precision in PRECISIONS}
    told = ", ".join(f"{name} {peak:.0f} TFLOP/s" for name, peak in peaks.items())
    print(f"product of matrices: {told}")
    print(
        "| experiment | batch | precision | ms | patches a second | TFLOP/s | share of the peak |"
    )
    print("|---|---|---|---|---|---|---|")
    for case, parts in data.items():
        lesson, _ = lesson_of(case, parts["train"], TRAIN)
        lesson.to(device)
        if device.type == "cuda":
            lesson.model.to(memory_format=torch.channels_last)
        for batch in batches:
            items = next(iter(DataLoader(parts["train"], batch)))
            items = {name: values.to(device) for name, values in items.items()}
            for precision in PRECISIONS:

                def step(precision: str = precision, items: dict = items, lesson=lesson) -> None:
                    lesson.zero_grad(set_to_none=True)
                    with in_precision(precision, device):
                        mean, spread = lesson.model(items["dynamic"], items["static"])
                    weight = label_weight(items["ssm"], items["uncertainty"], None)
                    loss, _ = pixel_losses(
                        TRAIN.loss, mean.float(), spread.float(), torch.nan_to_num(items["ssm"])
                    )
                    (loss * weight).sum().backward()

                with FlopCounterMode(display=False) as counter:
                    step()
                found = {precision: seconds(step, device)}
                if device.type == "cuda":
                    found[f"{precision}, captured"] = seconds(captured(step), device)
                for name, spent in found.items():
                    rate = counter.get_total_flops() / spent / 1e12
                    print(
                        f"| {case} | {batch} | {name} | {1000 * spent:.1f} | {batch / spent:.0f} "
                        f"| {rate:.2f} | {rate / peaks[precision]:.1%} |",
                        flush=True,
                    )


class Epochs(lightning.Callback):
    """Seconds of each epoch's training, validation left out."""

    def __init__(self) -> None:
        """Start without epochs."""
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: object) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_validation_start(self, *_: object) -> None:
        """Stop it once the card is done."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self.start)


def train_once(
    data: dict[str, PatchDataset], case: str, cfg: Train, precision: str, scratch: Path
) -> tuple[float, float]:
    """Patches a second after the first epoch, and the share of the batches' time that waits for data."""
    profiler, epochs = SimpleProfiler(scratch, "profile"), Epochs()
    lesson, _ = lesson_of(case, data["train"], cfg)
    trainer = lightning.Trainer(
        max_epochs=cfg.epochs,
        profiler=profiler,
        callbacks=[epochs],
        precision=precision,
        accelerator=cfg.accelerator,
        devices=1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(lesson, datamodule=PatchDataModule(data, cfg, 0))
    spent = {name: sum(values) for name, values in profiler.recorded_durations.items()}
    waiting = sum(value for name, value in spent.items() if "train_dataloader_next" in name)
    seen = len(data["train"]) // cfg.batch_size * cfg.batch_size
    rate = seen / float(np.mean(epochs.seconds[1:]))
    return rate, waiting / (waiting + spent["run_training_batch"])


def training_table(
    data: dict[str, dict[str, PatchDataset]], cfg: Train, workers: list[int], batches: list[int]
) -> None:
    """Training as Loam runs it."""
    print("| experiment | batch | loader processes | precision | patches a second | waiting |")
    print("|---|---|---|---|---|---|")
    for case, parts in data.items():
        for batch in batches:
            for count in workers:
                for precision in PRECISIONS:
                    changed = cfg.model_copy(update={"workers": count, "batch_size": batch})
                    with tempfile.TemporaryDirectory() as scratch:
                        rate, waiting = train_once(parts, case, changed, precision, Path(scratch))
                    print(
                        f"| {case} | {batch} | {count} | {precision} | {rate:.0f} | {waiting:.1%} |",
                        flush=True,
                    )


def two_members(folder: Path, arguments: argparse.Namespace) -> None:
    """Two trainings at once, each in a process of its own, against one alone."""
    command = [sys.executable, __file__, *sys.argv[1:], "--one-member", str(folder)]
    rates = []
    for count in (1, 2):
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)
        ]
        rates.append(sum(float(process.communicate()[0].split()[-1]) for process in running))
    print(
        f"default, batch {arguments.batches[0]}, bf16-mixed, {arguments.workers[-1]} loader processes each: one member "
        f"{rates[0]:.0f} patches a second, two at once {rates[1]:.0f} together ({rates[1] / rates[0]:.2f} times)",
        flush=True,
    )


def prediction_table(
    folder: Path, scratch: Path, device: torch.device, tiles: list[int], cases: list[str]
) -> None:
    """A day of the county."""
    print(
        "| experiment | tile | precision | s | megapixels a second | largest difference of the mean |"
    )
    print("|---|---|---|---|---|---|")
    covariates = open_covariates([folder / f"{name}.zarr" for name in COVARIATES])
    labels = unpack(folder / "ssm.zarr", Splits.read(folder / "splits.json"), scratch / "all")
    day = covariates.weather.times[-1:]
    for case in cases:
        experiment, changes = CASES[case]
        shown = labels if experiment.antecedent_labels else None
        inputs = Inputs(covariates, experiment.days, experiment.form, shown, PAST_DAYS)
        window = (slice(0, 64), slice(0, 64))
        dynamic, static = inputs.of(day[0], window, network_of(experiment, changes).stride)
        plain = {
            f"{name}_{figure}": [value] * count
            for name, count in (("dynamic", dynamic.shape[1]), ("static", len(static)))
            for figure, value in (("mean", 0.0), ("deviation", 1.0))
        }
        torch.manual_seed(0)
        model = build(
            **network_of(experiment, changes).arguments,
            dynamic_channels=dynamic.shape[1],
            static_channels=len(static),
            statistics=plain,
        )
        model.eval().to(device)
        truth = None
        for tile in tiles:
            for name, precision, matmul in (
                ("fp32", "32-true", "highest"),
                ("fp32, TF32", "32-true", "high"),
                ("bf16", "bf16-mixed", "high"),
            ):
                torch.set_float32_matmul_precision(matmul)
                torch.backends.cudnn.allow_tf32 = matmul == "high"
                out = scratch / "out.zarr"
                start = time.perf_counter()
                with in_precision(precision, device):
                    write_days(model, inputs, day, out, tile)
                spent = time.perf_counter() - start
                mean = open_dataset(out)["ssm"].values
                truth = mean if truth is None else truth
                print(
                    f"| {case} | {tile} | {name} | {spent:.1f} | {mean.size / spent / 1e6:.2f} "
                    f"| {np.nanmax(np.abs(mean - truth)):.1e} |",
                    flush=True,
                )


@contextlib.contextmanager
def county(existing: Path | None) -> Iterator[Path]:
    """Folder of the county, written once for all processes."""
    if existing is not None:
        yield existing
        return
    with tempfile.TemporaryDirectory() as folder:
        write_county(Path(folder), days=90)
        yield Path(folder)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patches", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 8])
    parser.add_argument("--batches", type=int, nargs="*", default=[32, 256])
    parser.add_argument("--tiles", type=int, nargs="*", default=[256, 1024])
    parser.add_argument("--accelerator", choices=("cpu", "gpu"), default="gpu")
    parser.add_argument("--parts", nargs="*", default=["step", "train", "predict", "two"])
    parser.add_argument("--cases", choices=list(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--one-member", type=Path)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    device = torch.device("cuda" if arguments.accelerator == "gpu" else "cpu")
    torch.set_float32_matmul_precision("high")
    changes = {"epochs": arguments.epochs, "accelerator": arguments.accelerator}
    cfg = TRAIN.model_copy(update=changes)
    with county(arguments.one_member) as folder, tempfile.TemporaryDirectory() as scratch:
        cases = ["default"] if arguments.one_member else arguments.cases
        data = {case: datasets(folder, Path(scratch), case, arguments.patches) for case in cases}
        if arguments.one_member:
            alone = {"batch_size": arguments.batches[0], "workers": arguments.workers[-1]}
            alone = cfg.model_copy(update=alone)
            print(train_once(data["default"], "default", alone, "bf16-mixed", Path(scratch))[0])
            return
        card = torch.cuda.get_device_name() if device.type == "cuda" else "processor"
        print(f"{card}; patches of {SIZE_PX} pixels, torch {torch.__version__}")
        if "step" in arguments.parts:
            step_table(data, arguments.batches, device)
        if "train" in arguments.parts:
            training_table(data, cfg, arguments.workers, arguments.batches)
        if "predict" in arguments.parts:
            prediction_table(folder, Path(scratch), device, arguments.tiles, cases)
        if "two" in arguments.parts:
            two_members(folder, arguments)


if __name__ == "__main__":
    main()
