"""Settings of networks, training, prediction and calibration."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from loam.config.base import Architecture, Count, Name, Section, Seed, Stride


class ConvLSTMModel(Section):
    """The source paper's architecture."""

    hidden_channels: tuple[Count, ...] = Field(min_length=1)
    kernel_size: Literal[1, 3, 5, 7]
    stride: Stride


class ReservoirsModel(Section):
    """A recurrence with the form of a water balance."""

    stores: Count
    kernel_size: Literal[1, 3, 5, 7]
    stride: Stride


class UNetModel(Section):
    """A network without recurrence."""

    channels: Count
    levels: int = Field(ge=1, le=5)


class Models(Section):
    """Settings of each architecture."""

    convlstm: ConvLSTMModel
    reservoirs: ReservoirsModel
    unet: UNetModel


class Network(Section):
    """An architecture with its settings, as one experiment uses it."""

    architecture: Architecture = Field(description="name of the architecture")
    arguments: dict[str, Any] = Field(description="its name and its settings")

    @property
    def stride(self) -> int:
        """Edge of the cells that the weather is given on [pixel]."""
        return self.arguments.get("stride", 1)


class Train(Section):
    """Training of one member."""

    epochs: Count
    batch_size: Count
    learning_rate: float = Field(gt=0, lt=1)
    weight_decay: float = Field(ge=0, le=100)
    patience: Count | None
    loss: Literal["nll", "mse", "huber"]
    weight_by_uncertainty: bool
    static_noise: float = Field(ge=0, le=100)
    monotonicity_penalty: float = Field(ge=0, le=1e6)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    workers: int = Field(ge=0, le=1000)
    seed: Seed
    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Count
    nodes: Count
    strategy: Literal["auto", "ddp"]

    @model_validator(mode="after")
    def _processes_share_a_batch(self) -> Self:
        if self.batch_size % (self.devices * self.nodes):
            msg = f"batch_size {self.batch_size} cannot be shared by {self.devices * self.nodes} processes; make it a multiple"
            raise ValueError(msg)
        return self


class Experiment(Section):
    """A network, and what it is shown."""

    architecture: Architecture = Field(
        description="'convlstm': the source paper's; 'reservoirs': a learnt water balance; 'unet'"
    )
    form: Literal["aggregate", "sequence"] = Field(
        description="'aggregate': one step, precipitation and ET summed, the rest averaged; 'sequence': a step per day"
    )
    days: int = Field(
        ge=1, le=120, description="length of the weather window, the day itself included [day]"
    )
    antecedent_labels: bool = Field(
        description="show the model what labels before the day said of the pixel, as persistence uses them"
    )


class Predict(Section):
    """Wall-to-wall prediction."""

    tile_px: int = Field(ge=8, le=65536, multiple_of=8)


class Calibration(Section):
    """Conformal calibration of the ensemble's uncertainty by blocks of dates."""

    splits: tuple[Literal["calibrate", "validate"], ...] = Field(min_length=1)


class Learning(Section):
    """Room `learning`."""

    model: Models
    train: Train
    members: int = Field(ge=1, le=32)
    antecedent_days: int = Field(ge=1, le=366)
    experiments: dict[Name, Experiment | None]
    predict: Predict
    calibration: Calibration

    @model_validator(mode="after")
    def _experiments_can_be_predicted(self) -> Self:
        cell = 2**self.model.unet.levels
        if self.predict.tile_px % cell and any(
            one.architecture == "unet" for one in self.active.values()
        ):
            msg = f"predict.tile_px {self.predict.tile_px} is no multiple of the U-Net's coarsest cells, {cell} pixels (model.unet.levels)"
            raise ValueError(msg)
        if not self.active:
            msg = "experiments: all are null; name at least one"
            raise ValueError(msg)
        return self

    @property
    def active(self) -> dict[str, Experiment]:
        """The experiments that are not switched off."""
        return {
            name: experiment
            for name, experiment in self.experiments.items()
            if experiment is not None
        }

    @property
    def networks(self) -> dict[str, Network]:
        """Architecture and its settings of every experiment."""
        return {
            name: self._network(experiment.architecture) for name, experiment in self.active.items()
        }

    def _network(self, architecture: Architecture) -> Network:
        settings = getattr(self.model, architecture).model_dump(mode="json")
        return Network(
            architecture=architecture, arguments={"architecture": architecture} | settings
        )

    @property
    def longest_window(self) -> int:
        """Days of the longest weather window."""
        return max(experiment.days for experiment in self.active.values())

    @property
    def antecedent_days_shown(self) -> int:
        """How far back any experiment is shown labels [day]; 0 where none is."""
        return (
            self.antecedent_days
            if any(experiment.antecedent_labels for experiment in self.active.values())
            else 0
        )
