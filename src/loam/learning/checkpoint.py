"""A trained model as a file: what prediction must know lies in it, and weights that are no numbers do not pass."""

from pathlib import Path
from typing import Any

import torch

from loam.core.errors import LoamError
from loam.learning.architectures import build
from loam.learning.network import Network

# What a model was shown while it was trained, and must be shown again.
WINDOW = {
    "days",
    "form",
    "antecedent_labels",
    "antecedent_days",
    "channels",
}


def load_checkpoint(path: Path) -> tuple[Network, dict[str, Any]]:
    """Read a model and the window it was trained on; nothing in the file is executed.

    Raises:
        LoamError: the file is no checkpoint of ours, or holds weights that are no finite numbers.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        settings = content["hyper_parameters"]
        model = build(**settings["model"])
        model.load_state_dict(
            {key.removeprefix("model."): value for key, value in content["state_dict"].items()}
        )
        missing = WINDOW - settings["window"].keys()
    except Exception as error:
        msg = f"{path}: cannot be read as a checkpoint ({str(error).splitlines()[0]}); remove it and run again"
        raise LoamError(msg) from None
    if missing:
        msg = f"{path}: does not say {', '.join(sorted(missing))} of what it was shown; remove it (rm {path}) and run again"
        raise LoamError(msg)
    if name := not_finite(content["state_dict"]):
        msg = f"{path}: weights '{name}' are not all finite numbers; remove it (rm {path}) and run the same snakemake command again"
        raise LoamError(msg)
    return model.eval(), settings["window"]


def not_finite(weights: dict[str, Any]) -> str | None:
    """Name of the first weights of which one is NaN or infinite; None where all are numbers."""
    tensors = (
        (name, value)
        for name, value in weights.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    )
    return next((name for name, value in tensors if not bool(torch.isfinite(value).all())), None)
