"""The ConvLSTM (Shi et al. 2015, NeurIPS 28), many-to-one."""

from itertools import pairwise

import torch
from torch import nn

from loam.learning.network import Network


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


class ConvLSTM(Network):
    """The architecture of the source paper; with stride 1 the plain one."""

    def __init__(
        self, *, dynamic_channels: int, static_channels: int, hidden_channels: tuple[int, ...] | list[int], kernel_size: int,
        stride: int, statistics: dict[str, list[float]],
    ) -> None:  # fmt: skip
        """Build the layers.

        Args:
            dynamic_channels: weather channels per step.
            static_channels: as in `Network`.
            hidden_channels: of each recurrent layer.
            kernel_size: edge of all convolutions [pixel].
            stride: as in `Network`.
            statistics: as in `Network`.
        """
        super().__init__(features=hidden_channels[-1], static_channels=static_channels, stride=stride, statistics=statistics)
        self.reach = kernel_size // 2
        sizes = [dynamic_channels, *hidden_channels]
        self.from_below = nn.ModuleList(nn.Conv2d(below, 4 * hidden, kernel_size, padding=self.reach) for below, hidden in pairwise(sizes))
        self.from_static = nn.Conv2d(static_channels, 4 * sizes[1], kernel_size, padding=self.reach, bias=False)
        self.cells = nn.ModuleList(ConvLSTMCell(hidden, kernel_size) for hidden in hidden_channels)

    def encode(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """Hidden state of the top layer after the last step `(batch, hidden, y, x)`."""
        batch, steps = dynamic.shape[:2]
        # Convolution is linear: what the static maps add to the gates is the same on every day.
        constant = self.from_static(static)
        below = self.normalised(dynamic)
        for layer, (convolution, cell) in enumerate(zip(self.from_below, self.cells, strict=True)):
            gates = convolution(below.flatten(0, 1)).unflatten(0, (batch, steps))
            state, states = None, []
            # Not by index: the gradient of each slice would be a tensor of zeros as large as the whole.
            for of_day in gates.unbind(1):
                state = cell(of_day + constant if layer == 0 else of_day, state)
                states.append(state[0])
            top = layer == len(self.cells) - 1
            below = states[-1] if top else torch.stack(states, dim=1)
        return below

    def receptive_radius(self, steps: int) -> int:
        """Each layer reaches its input's convolution far, and the recurrence's once for every step."""
        return self._on_all_pixels(self.reach * (steps + len(self.cells)))
