"""Where to compute."""

from typing import Literal

import torch

from loam.core.errors import LoamError


def check_device(accelerator: Literal["auto", "cpu", "gpu"]) -> None:
    """Before the first job: whether training and predicting will find what they compute on.

    Args:
        accelerator: what `learning.train.accelerator` asks for.
    """
    device_of(accelerator)


def device_of(accelerator: str) -> torch.device:
    """Where to compute.

    Args:
        accelerator: 'auto': a GPU where there is one; 'cpu'; 'gpu'.

    Raises:
        LoamError: a GPU is asked for and there is none.
    """
    if accelerator == "gpu" and not torch.cuda.is_available():
        msg = "learning.train.accelerator = 'gpu': PyTorch finds no GPU; set it to auto or cpu, or install a CUDA build (envs/gpu.yaml)"
        raise LoamError(msg)
    return torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
