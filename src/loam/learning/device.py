"""Where to compute."""

import torch

from loam.errors import LoamError


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
