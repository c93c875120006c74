"""Training steps of the networks against the ConvLSTM that people copy, in one run.

    .venv/bin/python benchmarks/networks.py [--threads 2] [--repeats 9]

The reference is the common form of the cell (as in ndrplz/ConvLSTM_pytorch, same maths, written again here): on every step all
input channels and the hidden state are joined and convolved at once, static maps too. Ours is measured on the same data
with the same weights, and its gradients are compared. Prints milliseconds a step (forward and backward, median), how many
times the reference's samples per second, and the largest relative difference of a gradient.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from loam.core.features import WEATHER
from loam.learning.architectures import build
from loam.learning.convlstm import ConvLSTM

DYNAMIC = len(WEATHER)


class Reference(nn.Module):
    """The ConvLSTM as it is mostly written, with the head of ours."""

    def __init__(self, ours: ConvLSTM) -> None:
        """Take the weights of ours."""
        super().__init__()
        cell = ours.cells[0]
        self.hidden = cell.of_state.in_channels
        weights = torch.cat(
            [cell.of_input.weight, cell.of_static.weight, cell.of_state.weight], dim=1
        )
        self.conv = nn.Conv2d(
            weights.shape[1], 4 * self.hidden, weights.shape[-1], padding=weights.shape[-1] // 2
        )
        self.conv.weight, self.conv.bias = (
            nn.Parameter(weights.detach().clone()),
            nn.Parameter(cell.of_input.bias.detach().clone()),
        )
        self.head, self.normalised = ours.head, ours.normalised

    def forward(
        self, dynamic: torch.Tensor, static: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Network.forward` at stride 1."""
        dynamic = self.normalised(dynamic)
        h = c = torch.zeros(len(static), self.hidden, *static.shape[-2:])
        for step in range(dynamic.shape[1]):
            combined = torch.cat([dynamic[:, step], static, h], dim=1)
            i, f, o, g = torch.split(self.conv(combined), self.hidden, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        mean, log_variance = self.head(torch.cat([h, static], dim=1)).unbind(dim=1)
        return torch.sigmoid(mean), log_variance.clamp(-8, 1)


def network(architecture: str, static: int, **more: object) -> nn.Module:
    """A network with a normalisation that changes nothing."""
    torch.manual_seed(0)
    plain = {
        "dynamic_mean": [0.0] * DYNAMIC,
        "dynamic_deviation": [1.0] * DYNAMIC,
        "static_mean": [0.0] * static,
        "static_deviation": [1.0] * static,
    }
    return build(
        architecture, dynamic_channels=DYNAMIC, static_channels=static, statistics=plain, **more
    )


def inputs(
    batch: int, steps: int, static: int, size: int, stride: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random weather and maps."""
    torch.manual_seed(1)
    return torch.rand(batch, steps, DYNAMIC, size // stride, size // stride), torch.rand(
        batch, static, size, size
    )


def step(net: nn.Module, dynamic: torch.Tensor, static: torch.Tensor) -> None:
    """Forward and backward."""
    net.zero_grad(set_to_none=True)
    mean, log_variance = net(dynamic, static)
    (mean.square().mean() + log_variance.mean()).backward()


def medians(runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Median seconds of each, taken in turns so that a busy moment hits all."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def gradient_difference(
    ours: ConvLSTM, reference: Reference, dynamic: torch.Tensor, static: torch.Tensor
) -> float:
    """Largest difference of the gradients of the joined convolution, relative to the largest gradient."""
    step(ours, dynamic, static)
    cell = ours.cells[0]
    got = torch.cat(
        [cell.of_input.weight.grad, cell.of_static.weight.grad, cell.of_state.weight.grad], dim=1
    ).clone()
    step(reference, dynamic, static)
    expected = reference.conv.weight.grad
    return float((got - expected).abs().max() / expected.abs().max())


def exact(repeats: int) -> None:
    """Batch 16, 3 steps, 14 to 32 channels, 64 x 64 pixels."""
    static = 14 - DYNAMIC
    ours = network("convlstm", static, hidden_channels=[32], kernel_size=3, stride=1)
    reference, data = Reference(ours), inputs(16, 3, static, 64, 1)
    print(
        f"exact, batch 16, 3 days, 64 x 64: gradients differ by {gradient_difference(ours, reference, *data):.1e}"
    )
    table({"reference": (reference, data), "ConvLSTM, stride 1": (ours, data)}, repeats)


def lean(repeats: int) -> None:
    """Batch 16, 32 x 32 pixels, 10 and 60 days, the default networks and the exact one."""
    static = 16
    exact_one = network("convlstm", static, hidden_channels=[24], kernel_size=3, stride=1)
    nets = {"reference, 10 days": (Reference(exact_one), inputs(16, 10, static, 32, 1))}
    nets["ConvLSTM, stride 1, 10 days"] = (exact_one, inputs(16, 10, static, 32, 1))
    for stride in (2, 4, 8):
        net = network("convlstm", static, hidden_channels=[24], kernel_size=3, stride=stride)
        nets[f"ConvLSTM, stride {stride}, 10 days"] = (net, inputs(16, 10, static, 32, stride))
    for days in (10, 60):
        net = network("reservoirs", static, stores=16, kernel_size=3, stride=4)
        nets[f"reservoirs, stride 4, {days} days"] = (net, inputs(16, days, static, 32, 4))
    nets["U-Net, 10 days"] = (
        network("unet", static, steps=10, channels=16, levels=2),
        inputs(16, 10, static, 32, 1),
    )
    print("shapes of the demo, batch 16, 32 x 32:")
    table(nets, repeats)


def table(
    nets: dict[str, tuple[nn.Module, tuple[torch.Tensor, torch.Tensor]]], repeats: int
) -> None:
    """Print times and ratios to the first."""
    found = medians(
        {name: lambda net=net, data=data: step(net, *data) for name, (net, data) in nets.items()},
        repeats,
    )
    first = next(iter(found.values()))
    print("| network | ms a step | times the reference |\n|---|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {1000 * seconds:.0f} | {first / seconds:.2f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    exact(arguments.repeats)
    lean(arguments.repeats)


if __name__ == "__main__":
    main()
