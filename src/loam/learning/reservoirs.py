"""Recurrent reservoirs: stores that rain fills and that lose a share of what they hold every day."""

import torch
from torch import nn

from loam.core.features import WEATHER
from loam.learning.network import Network

RAIN = WEATHER.index("precipitation")
RAIN_SCALE_MM = 10.0  # one unit of a store: rain of a wet day
LANDSCAPE_CHANNELS = 32
# Residence times that the stores start training with, spread evenly over their logarithms [day]: from the surface's to the root zone's.
RESIDENCE_DAYS = (2.0, 100.0)


class Reservoirs(Network):
    """A gated recurrence with the form of a water balance.

    `store(t) = store(t-1) (1 - loss) + entry rain(t)`: loss and entry are gates in 0..1 of the day's weather, the
    landscape, and how full the stores are. An LSTM that keeps mass (MC-LSTM, Hoedt et al. 2021, ICML 139) less its
    exchange between stores. Water enters a store only as rain and leaves only as a share of it, so that a dry spell
    longer than any in training is still a decay, where an LSTM's state may go anywhere.

    Recurrence is within a pixel of its grid; neighbours count through the convolutions of the static maps.
    """

    def __init__(
        self,
        *,
        dynamic_channels: int,
        static_channels: int,
        stores: int,
        kernel_size: int,
        stride: int,
        statistics: dict[str, list[float]],
    ) -> None:
        """Build the layers.

        Args:
            dynamic_channels: weather channels per step.
            static_channels: as in `Network`.
            stores: reservoirs per pixel of the recurrence's grid.
            kernel_size: edge of the convolution that looks at the landscape [pixel of the recurrence's grid].
            stride: as in `Network`.
            statistics: as in `Network`.
        """
        super().__init__(
            features=stores, static_channels=static_channels, stride=stride, statistics=statistics
        )
        self.reach = kernel_size // 2
        self.landscape = nn.Sequential(
            nn.Conv2d(static_channels, LANDSCAPE_CHANNELS, kernel_size, padding=self.reach),
            nn.GELU(),
        )
        self.from_landscape = nn.Linear(LANDSCAPE_CHANNELS, 2 * stores)
        self.from_weather = nn.Linear(dynamic_channels, 2 * stores, bias=False)
        self.from_stores = nn.Linear(stores, 2 * stores, bias=False)
        self.at_start = nn.Linear(LANDSCAPE_CHANNELS, stores)
        shortest, longest = torch.tensor(RESIDENCE_DAYS).log()
        with torch.no_grad():
            self.from_landscape.bias[stores:] = torch.logit(
                torch.linspace(-shortest, -longest, stores).exp()
            )

    def encode(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """How full the stores are after the last day, squeezed into 0..1, `(batch, stores, y, x)`."""
        # Pixels are rows of a table here: within them the recurrence needs no neighbours, and products are faster than convolutions.
        rain = (
            dynamic[:, :, RAIN].clamp(min=0).movedim(1, 0).flatten(1).unsqueeze(-1) / RAIN_SCALE_MM
        )
        weather = self.normalised(dynamic).movedim((1, 2), (0, -1)).flatten(1, 3)
        landscape = self.landscape(static)
        table = landscape.movedim(1, -1).flatten(0, 2)
        gates = self.from_weather(weather) + self.from_landscape(table)
        full = nn.functional.softplus(self.at_start(table))
        # Not by index: the gradient of each slice would be a tensor of zeros as large as the whole.
        for of_day, rain_of_day in zip(gates.unbind(0), rain.unbind(0), strict=True):
            # In single precision: a loss of 1 % a day is lost among the 8 bits of bfloat16.
            entry, loss = (
                (of_day + self.from_stores(torch.tanh(full))).float().sigmoid().chunk(2, dim=-1)
            )
            full = full * (1 - loss) + entry * rain_of_day
        return torch.tanh(full).unflatten(0, (len(static), *static.shape[-2:])).movedim(-1, 1)

    def receptive_radius(self, steps: int) -> int:
        """Only the landscape's convolution reaches beyond a pixel of the recurrence's grid, however long the window."""
        return self._on_all_pixels(self.reach)
