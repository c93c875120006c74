"""Architectures by the names that the configuration gives them."""

from typing import Any

from loam.learning.convlstm import ConvLSTM
from loam.learning.network import Network
from loam.learning.reservoirs import Reservoirs
from loam.learning.unet import UNet

ARCHITECTURES: dict[str, type[Network]] = {
    "convlstm": ConvLSTM,
    "reservoirs": Reservoirs,
    "unet": UNet,
}


def build(architecture: str, **arguments: Any) -> Network:
    """Make a network.

    Args:
        architecture: key of `ARCHITECTURES`.
        arguments: of its class.
    """
    return ARCHITECTURES[architecture](**arguments)
