"""A trained model as evaluation asks it: see `loam.core.models`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from loam.core.antecedent_labels import ANTECEDENT
from loam.core.features import Covariates
from loam.core.labels import Labels, Window
from loam.core.models import TrainedModel
from loam.learning.checkpoint import load_checkpoint
from loam.learning.device import device_of
from loam.learning.network import Network
from loam.learning.prediction import Inputs, inputs_of

BATCH = 32


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode on its device, and what it is shown."""

    network: Network
    inputs: Inputs

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the static channels, those of antecedent labels last."""
        own = self.inputs.covariates.static_names
        return (*own, *ANTECEDENT) if self.inputs.labels is not None else own

    @property
    def days_per_step(self) -> float:
        """Days of weather that one step of the window stands for [day]."""
        return self.inputs.days / self.inputs.steps

    def shown(self, day: np.datetime64, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Weather `(time, channel, row, column)` and static channels `(channel, y, x)` of a window."""
        return self.inputs.of(day, window, self.network.stride)

    @torch.inference_mode()
    def answer(self, dynamic: np.ndarray, static: np.ndarray) -> np.ndarray:
        """Mean of SSM `(patch, y, x)`, a batch at a time."""
        device = next(
            (weights.device for weights in self.network.parameters()), torch.device("cpu")
        )
        given = (torch.from_numpy(np.ascontiguousarray(values)) for values in (dynamic, static))
        batches = zip(*(values.split(BATCH) for values in given), strict=True)
        means = [
            self.network(weather.to(device), maps.to(device))[0].float().cpu()
            for weather, maps in batches
        ]
        return torch.cat(means).numpy()


def open_model(
    checkpoint: Path, covariates: Covariates, labels: Labels, accelerator: str, threads: int
) -> TrainedModel:
    """Open a checkpoint.

    Args:
        checkpoint: of a member.
        covariates: of the run.
        labels: all labels of the run.
        accelerator: where to compute.
        threads: threads to use.
    """
    torch.set_num_threads(threads)
    network, window = load_checkpoint(checkpoint)
    return Trained(network.to(device_of(accelerator)), inputs_of(covariates, window, labels))
