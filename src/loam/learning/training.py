"""Training of one ensemble member."""

import json
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from loam.config import Experiment, Model, Train
from loam.errors import LoamError
from loam.features import open_covariates
from loam.grid import require_same_grid
from loam.learning.convlstm import ConvLSTM
from loam.learning.dataset import PatchDataset, channel_statistics
from loam.learning.labels import open_labels

# Exponent of the variance that weighs the Gaussian loss (Seitzer et al. 2022): plain likelihood lets the variance
# explain away what the mean should learn.
BETA_NLL = 0.5


def train(
    ssm: Path, patches: Path, splits: Path, static: Path, weather: Path, ndvi: Path | None, out: Path, history: Path,
    cfg: Train, model: Model, experiment: Experiment, size_px: float, past_days: int, member: int, threads: int,
) -> None:  # fmt: skip
    """Train one ConvLSTM with early stopping; write its best checkpoint and its history."""
    torch.set_num_threads(threads)
    lightning.seed_everything(cfg.seed + member, verbose=False)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        past = past_days if experiment.past_labels else 0
        data = _datasets(ssm, patches, splits, static, weather, ndvi, Path(scratch), int(size_px), experiment, model.stride, past)
        channels = list(data["train"].covariates.static_names)
        lesson = Lesson(
            model={
                "dynamic_channels": data["train"][0]["dynamic"].shape[1],
                "static_channels": data["train"][0]["static"].shape[0],
                "hidden_channels": list(model.hidden_channels),
                "kernel_size": model.kernel_size,
                "stride": model.stride,
                "statistics": channel_statistics(data["train"], cfg.seed),
            },
            window={"days": experiment.days, "form": experiment.form, "channels": channels, "past_labels": experiment.past_labels},
            loss=cfg.loss, weigh=cfg.weight_by_uncertainty, learning_rate=cfg.learning_rate, weight_decay=cfg.weight_decay,
        )  # fmt: skip
        best, log = _fit(lesson, data, cfg, cfg.seed + member, Path(scratch))
        log.to_csv(history, index=False)
        best.replace(out)


def _datasets(
    ssm: Path, patches: Path, splits: Path, static: Path, weather: Path, ndvi: Path | None, scratch: Path, size: int,
    experiment: Experiment, stride: int, past_days: int,
) -> dict[str, PatchDataset]:  # fmt: skip
    """Patches that train and that stop training."""
    index = pd.read_parquet(patches)
    labels = open_labels(ssm, json.loads(splits.read_text()), scratch, ("train", "validate"))
    covariates = open_covariates(static, weather, ndvi)
    require_same_grid(static, covariates.grid, ssm, labels.grid)
    parts = {name: index[index["split"] == name] for name in ("train", "validate")}
    for name, part in parts.items():
        if part.empty:
            msg = f"{patches}: no patch of split '{name}'; remove the file and run again"
            raise LoamError(msg)
    return {
        name: PatchDataset(
            part, labels, covariates, size=size, days=experiment.days, form=experiment.form, stride=stride, past_days=past_days
        )
        for name, part in parts.items()
    }


def _fit(lesson: "Lesson", data: dict[str, PatchDataset], cfg: Train, seed: int, scratch: Path) -> tuple[Path, pd.DataFrame]:
    """Run Lightning; return the best checkpoint and one line per epoch."""
    best = ModelCheckpoint(scratch, "best", monitor="validation_loss", mode="min")
    logger = CSVLogger(scratch, name="log", version="")
    for noise in (".*does not have many workers.*", "Checkpoint directory .* exists and is not empty", ".*LeafSpec.*"):
        warnings.filterwarnings("ignore", message=noise)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        max_epochs=cfg.epochs, callbacks=[best, EarlyStopping("validation_loss", patience=cfg.patience), Progress()],
        logger=logger, gradient_clip_val=1.0, deterministic="warn", log_every_n_steps=1, num_sanity_val_steps=0,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    draws = torch.Generator().manual_seed(seed)
    trainer.fit(
        lesson,
        DataLoader(data["train"], batch_size=cfg.batch_size, shuffle=True, generator=draws, drop_last=len(data["train"]) > cfg.batch_size),
        DataLoader(data["validate"], batch_size=cfg.batch_size),
    )
    rows = pd.read_csv(scratch / "log" / "metrics.csv").groupby("epoch", as_index=False).mean()
    names = ["epoch", "train_loss", "validation_loss", "validation_rmse", "validation_r2"]
    return Path(best.best_model_path), rows[names]


class Progress(lightning.Callback):
    """A plain line per epoch: it reads the same on a terminal and in a log file."""

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Log the figures of the epoch's validation; those of training are not summed up yet."""
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("validation")}
        text = "  ".join(f"{name} {value:.4f}" for name, value in sorted(figures.items()))
        logging.getLogger(__name__).info("epoch %d of %s: %s", trainer.current_epoch + 1, trainer.max_epochs, text)


def gaussian_loss(
    mean: torch.Tensor, log_variance: torch.Tensor, ssm: torch.Tensor, weight: torch.Tensor, beta: float = 0.0
) -> torch.Tensor:
    """Weighted Gaussian negative log-likelihood over labelled pixels; with beta above 0 tempered by variance^beta.

    Only beta = 0 ranks models: tempered values rise as the variance shrinks.
    """
    variance = log_variance.exp()
    loss = 0.5 * (log_variance + (ssm - mean) ** 2 / variance) * variance.detach() ** beta
    return (loss * weight).sum() / weight.sum().clamp(min=1e-9)


def label_weight(ssm: torch.Tensor, uncertainty: torch.Tensor, *, weigh: bool) -> torch.Tensor:
    """Weight of every pixel: 0 without a label; else 1, or less the more uncertain the label is.

    1 / (1 + u²/median u²): a perfect label counts twice a typical one, so that no few pixels rule.
    """
    valid = torch.isfinite(ssm) & torch.isfinite(uncertainty)
    if not weigh or not valid.any():
        return valid.float()
    typical = uncertainty[valid].square().median().clamp(min=1e-12)
    return torch.where(valid, 1 / (1 + torch.nan_to_num(uncertainty).square() / typical), 0.0)


class Lesson(lightning.LightningModule):
    """Masked many-to-one regression of soil moisture."""

    def __init__(
        self, model: dict[str, Any], window: dict[str, Any], loss: str, weigh: bool, learning_rate: float, weight_decay: float
    ) -> None:
        """Build the model; every argument is plain, so that a checkpoint loads with `weights_only=True`.

        Args:
            model: arguments of `ConvLSTM`.
            window: `days` and `form` of the weather window, `channels` of the static maps.
            loss: 'nll' or 'mse'.
            weigh: count uncertain labels less.
            learning_rate: of AdamW, at its peak.
            weight_decay: of AdamW.
        """
        super().__init__()
        self.save_hyperparameters()
        self.model = ConvLSTM(**model)

    def _losses(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss that is minimised, loss that ranks models, and the mean `(batch, y, x)`."""
        mean, log_variance = self.model(batch["dynamic"], batch["static"])
        weight = label_weight(batch["ssm"], batch["uncertainty"], weigh=self.hparams["weigh"])
        ssm = torch.nan_to_num(batch["ssm"])
        if self.hparams["loss"] == "mse":
            # With beta = 1 the mean is pulled as by squared error, and the variance still learns how large that is.
            squared = ((mean - ssm) ** 2 * weight).sum() / weight.sum().clamp(min=1e-9)
            return gaussian_loss(mean, log_variance, ssm, weight, beta=1.0), squared, mean
        tempered, plain = (gaussian_loss(mean, log_variance, ssm, weight, beta) for beta in (BETA_NLL, 0.0))
        return tempered, plain, mean

    def training_step(self, batch: dict[str, torch.Tensor], number: int) -> torch.Tensor:
        """Loss of a batch; the log gets the one that validation has too."""
        minimised, plain, _mean = self._losses(batch)
        self.log("train_loss", plain, on_step=False, on_epoch=True, batch_size=len(batch["ssm"]))
        return minimised

    def on_validation_epoch_start(self) -> None:
        """Start the sums of the epoch's scores: count, label, label², squared error."""
        self.sums = torch.zeros(4, dtype=torch.float64)

    def validation_step(self, batch: dict[str, torch.Tensor], number: int) -> None:
        """Loss of a batch on the natural distribution, and its part of the scores."""
        _minimised, loss, mean = self._losses(batch)
        self.log("validation_loss", loss, batch_size=len(batch["ssm"]))
        valid = torch.isfinite(batch["ssm"])
        label, error = batch["ssm"][valid].double(), (mean - batch["ssm"])[valid].double()
        self.sums += torch.stack([valid.sum().double(), label.sum(), label.square().sum(), error.square().sum()]).cpu()

    def on_validation_epoch_end(self) -> None:
        """Log RMSE and R² of the epoch."""
        count, total, squares, errors = self.sums
        self.log("validation_rmse", (errors / count).sqrt().float())
        self.log("validation_r2", (1 - errors / (squares - total**2 / count)).float())

    def configure_optimizers(self) -> Any:
        """AdamW with one cycle of the learning rate."""
        rate = self.hparams["learning_rate"]
        optimizer = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=self.hparams["weight_decay"])
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=max(steps, 1), pct_start=0.2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
