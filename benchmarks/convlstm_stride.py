"""Training step of the ConvLSTM by stride, against the plain one (stride 1), in one run.

    .venv/bin/python benchmarks/convlstm_stride.py [--threads 2] [--repeats 7]

Prints a table: milliseconds a step (forward and backward, median), and how many times faster than stride 1.
"""

import argparse
import statistics
import time

import torch

from loam.features import WEATHER
from loam.learning.convlstm import ConvLSTM

STATIC_CHANNELS, STEPS, SIZE, BATCH, HIDDEN = 13, 10, 32, 32, 24


def model(stride: int) -> ConvLSTM:
    """A model of the demo's shape."""
    torch.manual_seed(0)
    plain = {
        "dynamic_mean": [0.0] * len(WEATHER), "dynamic_deviation": [1.0] * len(WEATHER),
        "static_mean": [0.0] * STATIC_CHANNELS, "static_deviation": [1.0] * STATIC_CHANNELS,
    }  # fmt: skip
    return ConvLSTM(
        dynamic_channels=len(WEATHER),
        static_channels=STATIC_CHANNELS,
        hidden_channels=[HIDDEN],
        kernel_size=3,
        stride=stride,
        statistics=plain,
    )


def step_seconds(stride: int, repeats: int) -> float:
    """Median time of one step after a warm-up [s]."""
    net = model(stride)
    dynamic = torch.rand(BATCH, STEPS, len(WEATHER), SIZE // stride, SIZE // stride)
    static = torch.rand(BATCH, STATIC_CHANNELS, SIZE, SIZE)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        mean, log_variance = net(dynamic, static)
        (mean.square().mean() + log_variance.mean()).backward()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Measure all strides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    plain = step_seconds(1, arguments.repeats)
    print(f"batch {BATCH}, {STEPS} days, {SIZE} x {SIZE} pixels, {arguments.threads} threads")
    print(f"{len(WEATHER)} weather and {STATIC_CHANNELS} static channels, {HIDDEN} hidden ones")
    print("| stride | ms a step | times faster |\n|---|---|---|")
    for stride in (1, 2, 4, 8):
        seconds = plain if stride == 1 else step_seconds(stride, arguments.repeats)
        print(f"| {stride} | {1000 * seconds:.0f} | {plain / seconds:.1f} |")


if __name__ == "__main__":
    main()
