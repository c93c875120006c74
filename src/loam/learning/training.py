"""Training of one ensemble member."""

import hashlib
import json
import logging
import shutil
import warnings
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from loam.config.learning import Experiment, Network, Train
from loam.core.errors import LoamError
from loam.core.features import Covariates, open_covariates
from loam.core.grid import require_same_grid
from loam.core.labels import Labels
from loam.core.raster import atomic_write
from loam.core.splits import SPLITS
from loam.learning.checkpoint import not_finite
from loam.learning.dataset import PatchDataset, channel_statistics, typical_variance
from loam.learning.device import device_of
from loam.learning.soil_moisture_module import SoilMoistureModule

BEST, LAST = "best.ckpt", "last.ckpt"
# Splits of dates that no training may open. Blocks of other tests lie on training dates; their values are NaN.
NEVER_SEEN = ("calibrate", "temporal", "spatiotemporal")
COLUMNS = ["epoch", "train_loss", "validation_loss", "validation_rmse", "validation_r2"]
# Warnings that no reader of a log can use: one process reads patches in time, the folder is ours, and jobs start as they should.
TOLD_IN_VAIN = (
    ".*does not have many workers.*",
    "Checkpoint directory .* exists and is not empty",
    ".*LeafSpec.*",
    ".*srun. command is available.*",
)
log = logging.getLogger(__name__)


def train(
    labels: Path,
    patches: Path,
    covariates: list[Path],
    out: Path,
    history: Path,
    cfg: Train,
    model: Network,
    experiment: Experiment,
    size_px: float,
    antecedent_days: int,
    member: int,
    threads: int,
) -> None:
    """Train one network with early stopping; write its best checkpoint and its history.

    What is needed to go on after a kill lies in `<member>.resume` beside the checkpoint until training ends.

    Args:
        labels: folder of the labels that training may see, of `unpack_labels`.
        patches: index of patches, of `sample_patches`.
        covariates: files of `open_covariates`.
        out: checkpoint to write.
        history: table of the epochs to write (CSV).
        cfg: section `learning.train`.
        model: settings of the experiment's network.
        experiment: what the network is shown.
        size_px: edge of a patch [pixel].
        antecedent_days: labels older than this are not shown [day].
        member: number of the member; it is added to the seed.
        threads: threads to use.
    """
    torch.set_num_threads(threads)
    lightning.seed_everything(cfg.seed + member, verbose=False)
    keep = out.with_suffix(".resume")
    shown = {
        "size": int(size_px),
        "days": experiment.days,
        "form": experiment.form,
        "stride": model.stride,
        "antecedent_days": antecedent_days if experiment.antecedent_labels else 0,
    }
    data = datasets(Labels.open(labels), patches, open_covariates(covariates), shown)
    lesson = make_lesson(data["train"], cfg, model, experiment, cfg.seed + member, digest(patches))
    trainer, rows = fit(lesson, data, cfg, keep)
    if trainer.is_global_zero:
        with atomic_write(history) as partial:
            pd.DataFrame(rows)[COLUMNS].to_csv(partial, index=False)
        if name := not_finite(
            torch.load(keep / BEST, map_location="cpu", weights_only=True)["state_dict"]
        ):
            shutil.rmtree(keep)
            msg = f"{out}: training came to no numbers (weights '{name}'); lower learning.train.learning_rate, and look at {history}"
            raise LoamError(msg)
        (
            keep / LAST
        ).unlink()  # a kill between the next two lines would leave a checkpoint to go on from, without its best
        (keep / BEST).replace(out)
        shutil.rmtree(keep)


def digest(path: Path) -> str:
    """Hash of a file's content, which need not fit into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def datasets(
    labels: Labels, patches: Path, covariates: Covariates, shown: dict[str, Any]
) -> dict[str, PatchDataset]:
    """Patches that train and that stop training.

    Args:
        labels: those that training may see.
        patches: index of patches.
        covariates: of the run.
        shown: keyword arguments of `PatchDataset`.

    Raises:
        LoamError: a split has no patch, or the labels hold dates that training must not see.
    """
    index = pd.read_parquet(patches)
    require_same_grid(covariates.file, covariates.grid, labels.file, labels.grid)
    hidden = [SPLITS.index(split) for split in NEVER_SEEN]
    if np.isin(labels.units, hidden).any():
        msg = f"{labels.file}: holds labels of a test or of calibration; give train the labels that training may see"
        raise LoamError(msg)
    found = {}
    for name in ("train", "validate"):
        chosen = index[index["split"] == name]
        if chosen.empty:
            msg = f"{patches}: no patch of split '{name}'; remove the file and run again"
            raise LoamError(msg)
        found[name] = PatchDataset(chosen, labels, covariates, **shown)
    return found


def make_lesson(
    data: PatchDataset, cfg: Train, model: Network, experiment: Experiment, seed: int, patches: str
) -> SoilMoistureModule:
    """A fresh network with what it must know of the training patches.

    Args:
        data: training patches.
        cfg: section `learning.train`.
        model: settings of the experiment's network.
        experiment: what the network is shown.
        seed: of weights and noise.
        patches: digest of the index of patches, for the checkpoint.
    """
    first = data[0]
    steps, channels = first["dynamic"].shape[:2]
    shape: dict[str, Any] = {"dynamic_channels": channels, "static_channels": len(first["static"])}
    shape |= {"steps": steps} if model.architecture == "unet" else {}
    return SoilMoistureModule(
        model=model.arguments | shape | {"statistics": channel_statistics(data, cfg.seed)},
        window={
            "days": experiment.days,
            "form": experiment.form,
            "antecedent_labels": experiment.antecedent_labels,
            "antecedent_days": data.antecedent_days,
            "channels": list(data.covariates.static_names),
        },
        loss=cfg.loss,
        typical_variance=typical_variance(data, cfg.seed) if cfg.weight_by_uncertainty else None,
        static_noise=cfg.static_noise,
        monotonicity_penalty=cfg.monotonicity_penalty,
        learning_rate=cfg.learning_rate,
        weight_decay=cfg.weight_decay,
        seed=seed,
        run={
            "epochs": cfg.epochs,
            "batch_size": cfg.batch_size,
            "patience": cfg.patience,
            "patches": patches,
            "precision": cfg.precision,
            "labels": digest(data.labels.file),
        },
    )


def fit(
    lesson: SoilMoistureModule, data: dict[str, PatchDataset], cfg: Train, scratch: Path
) -> tuple[lightning.Trainer, list[dict[str, float]]]:
    """Train on as many processes as the settings say, from the last checkpoint of the same run if there is one.

    Args:
        lesson: what to train; its weights are changed.
        data: datasets `train` and `validate`.
        cfg: section `learning.train`.
        scratch: folder for `best.ckpt` and `last.ckpt`.

    Returns:
        The trainer, and a row of figures per epoch.

    Raises:
        LoamError: a GPU is asked for and there is none.
    """
    for told in TOLD_IN_VAIN:
        warnings.filterwarnings("ignore", message=told)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    torch.set_float32_matmul_precision("high")  # on GPUs that have it; nothing changes on a CPU
    # Deterministic algorithms would fill all new memory first; nothing here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set by the module itself
    device = device_of(cfg.accelerator)
    best = ModelCheckpoint(
        scratch, "best", monitor="validation_loss", mode="min", enable_version_counter=False
    )
    stop = [] if cfg.patience is None else [Stop("validation_loss", patience=cfg.patience)]
    rows = Rows()
    trainer = lightning.Trainer(
        max_epochs=cfg.epochs,
        callbacks=[best, *stop, rows, Last(scratch / LAST)],
        logger=False,
        gradient_clip_val=1.0,
        accelerator=cfg.accelerator,
        devices=cfg.devices,
        num_nodes=cfg.nodes,
        strategy=cfg.strategy,
        deterministic="warn",
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        precision=cfg.precision,
        plugins=[Whole()],
    )
    if device.type == "cuda":
        lesson.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # of Module, told of Tensor alone
    trainer.fit(
        lesson,
        datamodule=PatchDataModule(data, cfg, lesson.hparams["seed"]),
        ckpt_path=resumable(lesson, scratch),
        weights_only=True,
    )
    return trainer, rows.rows


def resumable(lesson: SoilMoistureModule, scratch: Path) -> Path | None:
    """The last checkpoint of the same run; one of another run is removed.

    Args:
        lesson: its hyperparameters hold all that decides the result.
        scratch: folder of the checkpoints.
    """
    last = scratch / LAST
    if not last.exists():
        return None
    try:
        then = torch.load(last, map_location="cpu", weights_only=True)["hyper_parameters"]
    except Exception as error:
        log.warning(
            "%s: cannot be read (%s); training starts from the beginning",
            last,
            str(error).splitlines()[0],
        )
        then = None
    if then is not None and _plain(then) == _plain(lesson.hparams):
        log.info("%s: training goes on from here", last)
        return last
    log.info("%s: is of other settings or data; training starts from the beginning", last)
    last.unlink(missing_ok=True)
    return None


def _plain(values: Any) -> str:
    return json.dumps(dict(values), sort_keys=True, default=list)


class PatchDataModule(lightning.LightningDataModule):
    """Batches that train and batches that validate; each process gets its own samples of the same batch."""

    def __init__(self, data: dict[str, PatchDataset], cfg: Train, seed: int) -> None:
        """Remember the datasets."""
        super().__init__()
        self.data, self.cfg, self.seed = data, cfg, seed

    @property
    def steps_per_epoch(self) -> int:
        """Steps of training per epoch, however many processes share them."""
        return max(len(self.data["train"]) // self.cfg.batch_size, 1)

    def _loader(self, split: str, sampler: DistributedSampler, **more: Any) -> DataLoader:
        assert self.trainer is not None
        size = self.cfg.batch_size // self.trainer.world_size
        workers = self.cfg.workers
        return DataLoader(
            self.data[split],
            size,
            sampler=sampler,
            num_workers=workers,
            persistent_workers=workers > 0,
            **more,
        )

    def train_dataloader(self) -> DataLoader:
        """Shuffled in each epoch by seed and epoch alone, so that a run that goes on sees what it would have seen."""
        assert self.trainer is not None
        world, rank = self.trainer.world_size, self.trainer.global_rank
        full = len(self.data["train"]) >= self.cfg.batch_size
        sampler: DistributedSampler = DistributedSampler(
            self.data["train"], world, rank, seed=self.seed, drop_last=full
        )
        # The loader's processes start on the first batches before Lightning tells the sampler its epoch: not 0 in a run that goes on.
        sampler.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]  # its own kind of tracker
        return self._loader("train", sampler, drop_last=full)

    def val_dataloader(self) -> DataLoader:
        """Every patch once."""
        assert self.trainer is not None
        world, rank = self.trainer.world_size, self.trainer.global_rank
        return self._loader(
            "validate",
            UnrepeatedDistributedSampler(
                self.data["validate"], num_replicas=world, rank=rank, shuffle=False
            ),
        )


class Stop(EarlyStopping):
    """Early stopping that remembers its decision: a run killed after it trains no epoch more."""

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Stop at once where the checkpoint says so."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class Rows(lightning.Callback):
    """A row of figures per epoch, kept in checkpoints; and a plain line, which reads the same on a terminal and in a log file."""

    def __init__(self) -> None:
        """Start without rows."""
        self.rows: list[dict[str, float]] = []

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Note and tell the epoch's figures."""
        figures = {name: float(trainer.callback_metrics[name]) for name in COLUMNS[1:]}
        self.rows.append({"epoch": trainer.current_epoch} | figures)
        if trainer.is_global_zero:
            text = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
            log.info("epoch %d of %s: %s", trainer.current_epoch + 1, trainer.max_epochs, text)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self.rows = list(state_dict["rows"])


class Last(Checkpoint):
    """All that training needs to go on, written at the end of each epoch; a kill leaves the whole file of the epoch before."""

    def __init__(self, path: Path) -> None:
        """Remember where to write."""
        self.path = path

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Write it; every process takes part."""
        trainer.save_checkpoint(self.path)


class Whole(TorchCheckpointIO):
    """Checkpoints that are there whole or not at all; Lightning's own come from the temporary folder, often another disk, by a copy."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write beside, then rename."""
        with atomic_write(Path(path)) as partial:
            super().save_checkpoint(checkpoint, partial, storage_options)
