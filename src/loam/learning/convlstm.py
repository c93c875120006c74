"""The ConvLSTM (Shi et al. 2015), many-to-one, with a mean and a variance per pixel."""

from itertools import pairwise

import torch
from torch import nn

from loam.learning.dataset import compressed

LOG_VARIANCE_RANGE = (-8.0, 1.0)


class ConvLSTMCell(nn.Module):
    """One recurrent layer. The input's part of the gates comes from outside, since it needs no recurrence."""

    def __init__(self, hidden_channels: int, kernel_size: int) -> None:
        """Make the recurrent convolution.

        Args:
            hidden_channels: channels of the hidden state.
            kernel_size: edge of the convolution [pixel].
        """
        super().__init__()
        self.recurrent = nn.Conv2d(hidden_channels, 4 * hidden_channels, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, from_input: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor] | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Advance one step.

        Args:
            from_input: the input's part of the four gates `(batch, 4 hidden, y, x)`.
            state: hidden and cell state `(batch, hidden, y, x)` each, or None at the first step, where both are zero.
        """
        gates = from_input if state is None else from_input + self.recurrent(state[0])
        enter, forget, out, candidate = gates.chunk(4, dim=1)
        update = torch.sigmoid(enter) * torch.tanh(candidate)
        cell = update if state is None else torch.sigmoid(forget) * state[1] + update
        return torch.sigmoid(out) * torch.tanh(cell), cell


class ConvLSTM(nn.Module):
    """From weather steps and static maps to mean and log-variance of soil moisture on the last day.

    Weather varies over kilometres, soil and slope over metres: the recurrence may run on a grid of every `stride`-th
    pixel, and its state is brought back to all pixels, where the static maps join it again. Stride 1 is the plain
    ConvLSTM. Takes raw units: the normalisation is part of the model, so that a checkpoint is all a prediction needs.
    """

    dynamic_mean: torch.Tensor
    dynamic_deviation: torch.Tensor
    static_mean: torch.Tensor
    static_deviation: torch.Tensor

    def __init__(
        self, *, dynamic_channels: int, static_channels: int, hidden_channels: tuple[int, ...] | list[int], kernel_size: int,
        stride: int, statistics: dict[str, list[float]],
    ) -> None:  # fmt: skip
        """Build the layers.

        Args:
            dynamic_channels: weather channels per step.
            static_channels: terrain, soil and vegetation channels.
            hidden_channels: of each recurrent layer.
            kernel_size: edge of all convolutions [pixel].
            stride: pixels per step of the recurrence's grid; 1 is every pixel.
            statistics: `dynamic_mean`, `dynamic_deviation`, `static_mean`, `static_deviation`, a number per channel.
        """
        super().__init__()
        self.stride = stride
        for name, values in statistics.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1))
        padding = kernel_size // 2
        sizes = [dynamic_channels, *hidden_channels]
        self.from_below = nn.ModuleList(nn.Conv2d(below, 4 * hidden, kernel_size, padding=padding) for below, hidden in pairwise(sizes))
        self.from_static = nn.Conv2d(static_channels, 4 * sizes[1], kernel_size, padding=padding, bias=False)
        self.cells = nn.ModuleList(ConvLSTMCell(hidden, kernel_size) for hidden in hidden_channels)
        self.head = nn.Sequential(
            nn.Conv2d(sizes[-1] + static_channels, 2 * sizes[-1], 1), nn.GELU(), nn.Conv2d(2 * sizes[-1], 2, 1)
        )  # fmt: skip

    def forward(self, dynamic: torch.Tensor, static: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict the last day.

        Args:
            dynamic: `(batch, time, channel, ceil(y / stride), ceil(x / stride))`, units of `loam.features.WEATHER`.
            static: `(batch, channel, y, x)`; NaN counts as the mean.

        Returns:
            Mean of SSM [0..1] and log-variance, `(batch, y, x)` each.
        """
        size = static.shape[-2:]
        dynamic = (compressed(dynamic) - self.dynamic_mean) / self.dynamic_deviation
        static = torch.nan_to_num((static - self.static_mean) / self.static_deviation)
        hidden = self._encode(dynamic, self._coarsened(static))
        if self.stride > 1:
            hidden = nn.functional.interpolate(hidden, scale_factor=self.stride, mode="bilinear")[..., : size[0], : size[1]]
        mean, log_variance = self.head(torch.cat([hidden, static], dim=1)).unbind(dim=1)
        return torch.sigmoid(mean), log_variance.clamp(*LOG_VARIANCE_RANGE)

    def receptive_radius(self, steps: int) -> int:
        """Halo of a tile [pixel] for `steps` weather steps."""
        return receptive_radius(steps, len(self.cells), self.from_static.kernel_size[0], self.stride)

    def _coarsened(self, fields: torch.Tensor) -> torch.Tensor:
        """Means over the pixels of each step of the recurrence's grid `(batch, channel, y, x)`; an edge counts what it has."""
        if self.stride == 1:
            return fields
        return nn.functional.avg_pool2d(fields, self.stride, ceil_mode=True)

    def _encode(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """Hidden state of the top layer after the last step `(batch, hidden, y, x)`."""
        batch, steps = dynamic.shape[:2]
        # Convolution is linear: what the static maps add to the gates is the same on every day.
        constant = self.from_static(static)
        below = dynamic
        for layer, (convolution, cell) in enumerate(zip(self.from_below, self.cells, strict=True)):
            gates = convolution(below.flatten(0, 1)).unflatten(0, (batch, steps))
            state, states = None, []
            for step in range(steps):
                state = cell(gates[:, step] + constant if layer == 0 else gates[:, step], state)
                states.append(state[0])
            below = torch.stack(states, dim=1)
        return below[:, -1]


def receptive_radius(steps: int, layers: int, kernel_size: int, stride: int) -> int:
    """How far, in pixels, an input can be from the output it changes: the halo of a tile, a multiple of the stride.

    With a stride, bringing the state back to all pixels reaches one step of its grid farther.
    """
    return stride * ((kernel_size // 2) * (steps + layers) + (stride > 1))
