"""What evaluation may ask of a trained model: it knows neither networks nor how they are computed."""

from pathlib import Path
from typing import Protocol

import numpy as np

from loam.core.features import Covariates
from loam.core.labels import Labels, Window


class TrainedModel(Protocol):
    """A trained model with the covariates and labels that it is shown."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the static channels, those of antecedent labels last."""

    @property
    def days_per_step(self) -> float:
        """Days of weather that one step of the window stands for: all of them where the window is aggregated [day]."""

    def shown(self, day: np.datetime64, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """What the model is shown of a day and a window of pixels.

        Args:
            day: the day.
            window: rows and columns.

        Returns:
            Weather `(time, channel, row, column)`, units of `WEATHER`, and static channels `(channel, y, x)`; float32.
        """

    def answer(self, dynamic: np.ndarray, static: np.ndarray) -> np.ndarray:
        """Mean of SSM that the model predicts `(patch, y, x)` [1].

        Args:
            dynamic: weather of some patches `(patch, time, channel, row, column)`.
            static: their static channels `(patch, channel, y, x)`.
        """


class OpenModel(Protocol):
    """Opens a trained model."""

    def __call__(
        self,
        checkpoint: Path,
        covariates: Covariates,
        labels: Labels,
        accelerator: str,
        threads: int,
    ) -> TrainedModel:
        """Open a checkpoint.

        Args:
            checkpoint: of a member.
            covariates: of the run.
            labels: all labels of the run.
            accelerator: where to compute: auto, cpu or gpu.
            threads: threads to use.
        """
