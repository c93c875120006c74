"""What all architectures share: raw units in, a mean and a variance per pixel out, and how far they see."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from loam.learning.dataset import compressed

LOG_VARIANCE_RANGE = (-8.0, 1.0)


class Network(nn.Module, ABC):
    """From weather steps and static maps to mean and log-variance of soil moisture on the last day.

    Weather varies over kilometres, soil and slope over metres: what remembers the weather runs on a grid of every
    `stride`-th pixel, and its state is brought back to all pixels, where the static maps join it again. Takes raw units:
    the normalisation is part of the model, so that a checkpoint is all a prediction needs.
    """

    dynamic_mean: torch.Tensor
    dynamic_deviation: torch.Tensor
    static_mean: torch.Tensor
    static_deviation: torch.Tensor

    def __init__(
        self,
        *,
        features: int,
        static_channels: int,
        stride: int,
        statistics: dict[str, list[float]],
    ) -> None:
        """Keep the normalisation and make the head.

        Args:
            features: channels that `encode` gives.
            static_channels: terrain, soil and vegetation channels, and those of antecedent labels.
            stride: pixels per step of the encoder's grid; 1 is every pixel.
            statistics: `dynamic_mean`, `dynamic_deviation`, `static_mean`, `static_deviation`, a number per channel.
        """
        super().__init__()
        self.stride = stride
        for name, values in statistics.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1))
        self.head = nn.Sequential(
            nn.Conv2d(features + static_channels, 2 * features, 1),
            nn.GELU(),
            nn.Conv2d(2 * features, 2, 1),
        )

    @abstractmethod
    def encode(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """What the weather has left behind on the last day.

        Args:
            dynamic: `(batch, time, channel, y, x)` on the encoder's grid, raw units.
            static: `(batch, channel, y, x)` on the same grid, normalised.

        Returns:
            `(batch, features, y, x)`.
        """

    @abstractmethod
    def receptive_radius(self, steps: int) -> int:
        """How far, in pixels, an input can be from the output it changes: the halo of a tile, a multiple of its alignment.

        Args:
            steps: steps of the weather window.
        """

    def forward(
        self, dynamic: torch.Tensor, static: torch.Tensor, static_noise: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict the last day.

        Args:
            dynamic: `(batch, time, channel, ceil(y / stride), ceil(x / stride))`, units of `loam.core.features.WEATHER`.
            static: `(batch, channel, y, x)`; NaN counts as the mean.
            static_noise: added to the normalised static maps while training; of a shape that fits theirs.

        Returns:
            Mean of SSM [0..1] and log-variance, `(batch, y, x)` each.
        """
        size = static.shape[-2:]
        static = torch.nan_to_num((static - self.static_mean) / self.static_deviation)
        if static_noise is not None:
            static = static + static_noise
        hidden = self.encode(dynamic, self._coarsened(static))
        if self.stride > 1:
            hidden = nn.functional.interpolate(hidden, scale_factor=self.stride, mode="bilinear")[
                ..., : size[0], : size[1]
            ]
        mean, log_variance = self.head(torch.cat([hidden, static], dim=1)).unbind(dim=1)
        return torch.sigmoid(mean), log_variance.clamp(*LOG_VARIANCE_RANGE)

    def normalised(self, dynamic: torch.Tensor) -> torch.Tensor:
        """Weather with mean 0 and deviation 1 over the training patches, rain as its logarithm."""
        return (compressed(dynamic) - self.dynamic_mean) / self.dynamic_deviation

    def _coarsened(self, fields: torch.Tensor) -> torch.Tensor:
        """Means over the pixels of each step of the encoder's grid `(batch, channel, y, x)`; an edge counts what it has."""
        if self.stride == 1:
            return fields
        return nn.functional.avg_pool2d(fields, self.stride, ceil_mode=True)

    def _on_all_pixels(self, cells: int) -> int:
        """Pixels that a reach of some cells of the encoder's grid makes; bringing the state back reaches one cell farther."""
        return self.stride * (cells + (self.stride > 1))
