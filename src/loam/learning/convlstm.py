"""The ConvLSTM (Shi et al. 2015, NeurIPS 28), many-to-one."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from loam.learning.network import Network

CHANNEL_BLOCK = 16  # channels that a CPU convolves at once, in vectors of 16 floats


class Gates(torch.autograd.Function):
    """From the sums before the gates to hidden and cell state, with few passes over memory.

    Written out, autograd would keep a dozen tensors of the size of the state per step and make as many new ones on the way
    back; here the gates are squashed where they lie, and their gradients are written side by side into one tensor.
    """

    @staticmethod
    def forward(
        ctx: Any, gates: torch.Tensor, cell: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden and cell state `(batch, hidden, y, x)` from `gates (batch, 4 hidden, y, x)`, which are overwritten.

        Gates are entry, forgetting, output and candidate; without a cell state it is zero.
        """
        hidden = gates.shape[1] // 4
        squashed = gates.detach()
        squashed[:, : 3 * hidden].sigmoid_()
        squashed[:, 3 * hidden :].tanh_()
        enter, forget, out, candidate = squashed.split(hidden, dim=1)
        new = enter * candidate if cell is None else torch.addcmul(enter * candidate, forget, cell)
        shown = new.tanh()
        ctx.save_for_backward(squashed, cell, shown)
        return out * shown, new

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, of_hidden: torch.Tensor, of_cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Gradients of the sums and of the cell state before."""
        squashed, cell, shown = ctx.saved_tensors
        parts = squashed.split(shown.shape[1], dim=1)
        enter, forget, out, candidate = parts
        result = torch.empty_like(squashed)
        to_enter, to_forget, to_out, to_candidate = result.split(shown.shape[1], dim=1)
        through_sigmoid, through_tanh = (
            torch.ops.aten.sigmoid_backward.grad_input,
            torch.ops.aten.tanh_backward.grad_input,
        )
        of_new, product = torch.empty_like(shown), of_hidden * out
        through_tanh(product, shown, grad_input=of_new)
        of_new.add_(of_cell)
        through_sigmoid(torch.mul(of_hidden, shown, out=product), out, grad_input=to_out)
        through_sigmoid(torch.mul(of_new, candidate, out=product), enter, grad_input=to_enter)
        through_tanh(torch.mul(of_new, enter, out=product), candidate, grad_input=to_candidate)
        if cell is None:
            to_forget.zero_()
            return result, None
        through_sigmoid(torch.mul(of_new, cell, out=product), forget, grad_input=to_forget)
        return result, of_new.mul_(forget)


class ConvLSTMCell(nn.Module):
    """One recurrent layer."""

    def __init__(
        self, input_channels: int, static_channels: int, hidden_channels: int, kernel_size: int
    ) -> None:
        """Make the convolutions of what comes in, of what stays the same on every step, and of the state.

        Args:
            input_channels: channels per step.
            static_channels: channels that are the same on every step.
            hidden_channels: channels of the hidden state.
            kernel_size: edge of the convolutions [pixel].
        """
        super().__init__()
        self.padding = kernel_size // 2
        self.of_input = nn.Conv2d(input_channels, 4 * hidden_channels, kernel_size)
        self.of_static = (
            nn.Conv2d(static_channels, 4 * hidden_channels, kernel_size, bias=False)
            if static_channels
            else None
        )
        self.of_state = nn.Conv2d(hidden_channels, 4 * hidden_channels, kernel_size, bias=False)
        # Convolution is linear: what the static maps add to the gates is the same on every day. But channels are computed
        # by the block, and adding costs a pass over the gates: it pays where the rest fits into fewer blocks without them.
        rest = input_channels + hidden_channels
        self.hoists = static_channels > 0 and -(-rest // CHANNEL_BLOCK) < -(
            -(rest + static_channels) // CHANNEL_BLOCK
        )

    def forward(
        self, steps: Iterable[torch.Tensor], static: torch.Tensor | None
    ) -> list[torch.Tensor]:
        """Hidden states `(batch, hidden, y, x)` after each step.

        Args:
            steps: inputs `(batch, channel, y, x)`.
            static: what is the same on every step `(batch, channel, y, x)`, where the layer was made for it.
        """
        unchanging = [] if static is None or self.of_static is None else [(static, self.of_static)]
        constant = self._convolved(*zip(*unchanging, strict=True)) if self.hoists else None
        joined = [] if self.hoists else unchanging
        hidden: list[torch.Tensor] = []
        cell = None
        for step in steps:
            # The first state is zero, and so is its convolution.
            parts = [
                (step, self.of_input),
                *joined,
                *([(hidden[-1], self.of_state)] if hidden else []),
            ]
            gates = self._convolved(*zip(*parts, strict=True))
            shown, cell = Gates.apply(gates if constant is None else gates.add_(constant), cell)
            hidden.append(shown)
        return hidden

    def _convolved(
        self, fields: Sequence[torch.Tensor], convolutions: Sequence[nn.Conv2d]
    ) -> torch.Tensor:
        """Sum of the convolutions, each of its own fields, as one."""
        weight = torch.cat([convolution.weight for convolution in convolutions], dim=1)
        bias = next(
            (convolution.bias for convolution in convolutions if convolution.bias is not None), None
        )
        return nn.functional.conv2d(
            torch.cat(list(fields), dim=1), weight, bias, padding=self.padding
        )


class ConvLSTM(Network):
    """The architecture of the source paper; with stride 1 the plain one."""

    def __init__(
        self,
        *,
        dynamic_channels: int,
        static_channels: int,
        hidden_channels: tuple[int, ...] | list[int],
        kernel_size: int,
        stride: int,
        statistics: dict[str, list[float]],
    ) -> None:
        """Build the layers.

        Args:
            dynamic_channels: weather channels per step.
            static_channels: as in `Network`.
            hidden_channels: of each recurrent layer.
            kernel_size: edge of all convolutions [pixel].
            stride: as in `Network`.
            statistics: as in `Network`.
        """
        super().__init__(
            features=hidden_channels[-1],
            static_channels=static_channels,
            stride=stride,
            statistics=statistics,
        )
        self.reach = kernel_size // 2
        sizes = [dynamic_channels, *hidden_channels]
        maps = [static_channels] + [0] * (len(hidden_channels) - 1)
        self.cells = nn.ModuleList(
            ConvLSTMCell(below, static, hidden, kernel_size)
            for (below, hidden), static in zip(pairwise(sizes), maps, strict=True)
        )

    def encode(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """Hidden state of the top layer after the last step `(batch, hidden, y, x)`."""
        # Not by index: the gradient of each slice would be a tensor of zeros as large as the whole.
        states: Sequence[torch.Tensor] = self.normalised(dynamic).unbind(1)
        for layer, cell in enumerate(self.cells):
            states = cell(states, static if layer == 0 else None)
        return states[-1]

    def receptive_radius(self, steps: int) -> int:
        """Each layer reaches its input's convolution far, and the recurrence's once for every step."""
        return self._on_all_pixels(self.reach * (steps + len(self.cells)))
