"""A U-Net (Ronneberger et al. 2015): what a network does that sees the whole window at once and has no recurrence."""

import torch
from torch import nn

from loam.learning.network import Network


class UNet(Network):
    """Weather steps and static maps as channels of one picture, on all pixels; a baseline."""

    def __init__(
        self,
        *,
        steps: int,
        dynamic_channels: int,
        static_channels: int,
        channels: int,
        levels: int,
        statistics: dict[str, list[float]],
    ) -> None:
        """Build the layers.

        Args:
            steps: steps of the weather window.
            dynamic_channels: weather channels per step.
            static_channels: as in `Network`.
            channels: of the finest level; each coarser one has twice as many.
            levels: how often the picture is halved.
            statistics: as in `Network`.
        """
        super().__init__(
            features=channels, static_channels=static_channels, stride=1, statistics=statistics
        )
        widths = [channels * 2**level for level in range(levels + 1)]
        below = [steps * dynamic_channels + static_channels, *widths[:-1]]
        self.down = nn.ModuleList(
            _two_convolutions(*pair) for pair in zip(below, widths, strict=True)
        )
        self.up = nn.ModuleList(
            _two_convolutions(3 * width, width) for width in reversed(widths[:-1])
        )

    def encode(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """Features of the finest level `(batch, channels, y, x)`."""
        fields = torch.cat([self.normalised(dynamic).flatten(1, 2), static], dim=1)
        passed = []
        for level, block in enumerate(self.down):
            fields = block(nn.functional.avg_pool2d(fields, 2, ceil_mode=True) if level else fields)
            passed.append(fields)
        for block, fine in zip(self.up, reversed(passed[:-1]), strict=True):
            larger = nn.functional.interpolate(fields, scale_factor=2, mode="bilinear")[
                ..., : fine.shape[-2], : fine.shape[-1]
            ]
            fields = block(torch.cat([larger, fine], dim=1))
        return fields

    def receptive_radius(self, steps: int) -> int:
        """Two convolutions a level on the way down and on the way up, a cell for each change of level; whole coarsest cells."""
        coarsest = 2 ** len(self.up)
        reach = (
            sum(2 * 2**level for level in range(len(self.down)))
            + sum(4 * 2**level for level in range(len(self.up)))
            + coarsest
        )
        return -(-reach // coarsest) * coarsest


def _two_convolutions(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.GELU(),
    )
