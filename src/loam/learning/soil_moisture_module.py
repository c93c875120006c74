"""What a network is taught: masked many-to-one regression of soil moisture, the same on one process or many."""

from typing import Any

import lightning
import torch
from torch import distributed

from loam.learning.architectures import build
from loam.learning.losses import label_weight, pixel_losses, with_more_rain

RAINED_ON = 4  # one in so many samples of a batch is also seen with more rain: enough to keep the sign, at a quarter more time

Batch = dict[str, torch.Tensor]


class SoilMoistureModule(lightning.LightningModule):
    """A network with its losses and optimiser."""

    def __init__(
        self,
        model: dict[str, Any],
        window: dict[str, Any],
        loss: str,
        typical_variance: float | None,
        static_noise: float,
        monotonicity_penalty: float,
        learning_rate: float,
        weight_decay: float,
        seed: int,
        run: dict[str, Any],
    ) -> None:
        """Build the model; every argument is plain, so that a checkpoint loads with `weights_only=True`.

        Args:
            model: arguments of `loam.learning.architectures.build`.
            window: `days`, `form`, `antecedent_labels` and `antecedent_days` of what the model is shown, `channels` of the static maps.
            loss: 'nll', 'mse' or 'huber'.
            typical_variance: as in `label_weight`.
            static_noise: standard deviation of what is added to the normalised static maps of each patch while training.
            monotonicity_penalty: weight of the penalty for drying when it rains more.
            learning_rate: of AdamW, at its peak.
            weight_decay: of AdamW.
            seed: of the noise.
            run: whatever else decides the result; a checkpoint of another run is not gone on with.
        """
        super().__init__()
        self.save_hyperparameters()
        self.model = build(**model)

    def training_step(self, batch: Batch, number: int) -> torch.Tensor:
        """Loss of a batch; the log gets the one that validation has too."""
        draws = torch.Generator().manual_seed(self.hparams["seed"] * 1_000_003 + self.global_step)
        noise = self._noise(batch["static"], draws)
        mean, log_variance = self.model(batch["dynamic"], batch["static"], noise)
        minimised, ranking = pixel_losses(
            self.hparams["loss"], mean.float(), log_variance.float(), torch.nan_to_num(batch["ssm"])
        )
        weight = self._weight(batch) * batch["weight"][:, None, None]
        total = self._over_processes(weight.sum())
        self.sums += torch.stack([(ranking * weight).sum(), weight.sum()]).detach().double().cpu()
        return (minimised * weight).sum() / total + self._drying(batch, mean, noise, draws)

    def _weight(self, batch: Batch) -> torch.Tensor:
        return label_weight(batch["ssm"], batch["uncertainty"], self.hparams["typical_variance"])

    def _noise(self, static: torch.Tensor, draws: torch.Generator) -> torch.Tensor | None:
        """One number a patch and channel: no place is known by its maps alone `(batch, channel, 1, 1)`."""
        if not self.hparams["static_noise"]:
            return None
        everyone = torch.randn(
            len(static) * self.trainer.world_size, static.shape[1], 1, 1, generator=draws
        )
        return self.hparams["static_noise"] * self._own(everyone).to(static)

    def _drying(
        self, batch: Batch, mean: torch.Tensor, noise: torch.Tensor | None, draws: torch.Generator
    ) -> torch.Tensor | float:
        """Penalty on moisture that falls when more rain falls, all else equal, on one sample in `RAINED_ON`."""
        if not self.hparams["monotonicity_penalty"]:
            return 0.0
        count = len(mean) * self.trainer.world_size
        chosen = torch.nonzero(self._own(torch.arange(count)) % RAINED_ON == 0)[:, 0]
        if not len(chosen):
            return 0.0
        rain = self._own(torch.rand(count, 5, generator=draws))[chosen]
        chosen = chosen.to(mean.device)
        wetter = with_more_rain(batch["dynamic"][chosen], rain)
        after, _ = self.model(
            wetter, batch["static"][chosen], None if noise is None else noise[chosen]
        )
        # Gradients are averaged over processes, which hold unequal numbers of the chosen.
        share = -(-count // RAINED_ON) / self.trainer.world_size * mean[0].numel()
        return (
            self.hparams["monotonicity_penalty"]
            * torch.relu(mean[chosen] - after).float().sum()
            / share
        )

    def _own(self, everyone: torch.Tensor) -> torch.Tensor:
        """This process's rows of what is drawn for the whole batch: a sample gets its own however many share the batch."""
        return everyone[self.global_rank :: self.trainer.world_size]

    def _over_processes(self, value: torch.Tensor) -> torch.Tensor:
        """Mean over processes: their gradients are averaged, so sums divided by it become those of the whole batch."""
        value = value.detach()
        if self.trainer.world_size > 1:
            distributed.all_reduce(value)
            value = value / self.trainer.world_size
        return value.clamp(min=1e-9)

    def on_train_epoch_start(self) -> None:
        """Start the sums of the epoch's training loss."""
        self.sums = torch.zeros(2, dtype=torch.float64)

    def on_validation_epoch_start(self) -> None:
        """Start the sums of the epoch's scores: weighted loss, weight, count, label, label², squared error."""
        self.scores = torch.zeros(6, dtype=torch.float64)

    def validation_step(self, batch: Batch, number: int) -> None:
        """Add a batch of the natural distribution to the sums."""
        mean, log_variance = (
            values.float() for values in self.model(batch["dynamic"], batch["static"])
        )
        weight = self._weight(batch)
        _, ranking = pixel_losses(
            self.hparams["loss"], mean, log_variance, torch.nan_to_num(batch["ssm"])
        )
        valid = torch.isfinite(batch["ssm"])
        label, error = batch["ssm"][valid].double(), (mean - batch["ssm"])[valid].double()
        parts = [
            (ranking * weight).sum(),
            weight.sum(),
            valid.sum(),
            label.sum(),
            label.square().sum(),
            error.square().sum(),
        ]
        self.scores += torch.stack([part.double() for part in parts]).cpu()

    def on_validation_epoch_end(self) -> None:
        """Log loss, RMSE and R² of the epoch, over all processes."""
        loss, weight, count, total, squares, errors = self._summed(self.scores)
        self.log("validation_loss", (loss / weight).float())
        self.log("validation_rmse", (errors / count).sqrt().float())
        self.log("validation_r2", (1 - errors / (squares - total**2 / count)).float())
        loss, weight = self._summed(self.sums)
        self.log("train_loss", (loss / weight).float())

    def _summed(self, sums: torch.Tensor) -> torch.Tensor:
        return self.trainer.strategy.reduce(
            sums.to(self.device, torch.float64), reduce_op="sum"
        ).cpu()

    def configure_optimizers(self) -> Any:
        """AdamW with one cycle of the learning rate, down along a cosine."""
        rate = self.hparams["learning_rate"]
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=rate, weight_decay=self.hparams["weight_decay"]
        )
        # Not Lightning's estimate: it makes the loader, before it is known in which epoch a run goes on that was killed.
        steps = self.trainer.max_epochs * self.trainer.datamodule.steps_per_epoch  # type: ignore[attr-defined]
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=rate, total_steps=steps, pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
