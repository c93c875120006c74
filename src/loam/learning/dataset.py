"""Patches of covariates and labels as tensors, put together only when asked for."""

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from loam.core.antecedent_labels import ANTECEDENT, antecedent_labels
from loam.core.errors import LoamError
from loam.core.features import WEATHER, Covariates
from loam.core.labels import Labels

STATISTICS_PATCHES = 512
# Labels that a sample of each split may be shown: its own split's, and what trained. Never one that tests.
SHOWN = {
    "train": ("train",),
    "validate": ("train", "validate"),
    "calibrate": ("train", "validate", "calibrate"),
}


class PatchDataset(Dataset[dict[str, torch.Tensor]]):
    """Samples of one split: `dynamic (time, channel, y, x)`, `static (channel, y, x)`, `ssm` and `uncertainty (y, x)`, `weight ()`.

    The weight is that of the patch in the index: 1 on the average of the training split. With antecedent labels, `static` ends
    in the channels of `loam.core.antecedent_labels`.
    """

    def __init__(
        self,
        index: pd.DataFrame,
        labels: Labels,
        covariates: Covariates,
        *,
        size: int,
        days: int,
        form: str,
        stride: int,
        antecedent_days: int = 0,
    ) -> None:
        """Remember where the patches are.

        Args:
            index: rows of `patches.parquet`, of one split that is no test.
            labels: acquisitions of the index, and those before that antecedent labels come from.
            covariates: of the whole run.
            size: edge of a patch [pixel].
            days: length of the weather window [day].
            form: 'aggregate' or 'sequence'.
            stride: edge of the cells that the weather is given on [pixel].
            antecedent_days: show labels of so many days before; 0: none [day].

        Raises:
            LoamError: the rows are of several splits, or of one that tests.
        """
        splits = index["split"].unique().tolist()
        if len(splits) != 1 or splits[0] not in SHOWN:
            msg = f"samples/patches.parquet: a dataset is of one of {', '.join(SHOWN)}, not of {splits}; remove the file and run again"
            raise LoamError(msg)
        position = pd.Series(np.arange(len(labels.times)), index=pd.DatetimeIndex(labels.times))
        self.where = np.stack(
            [
                position.loc[index["date"]].to_numpy(),
                index["row"].to_numpy(),
                index["column"].to_numpy(),
            ],
            axis=1,
        )
        self.weight = torch.from_numpy(index["weight"].to_numpy(dtype=np.float32, copy=True))
        self.split, self.labels, self.covariates = splits[0], labels, covariates
        self.size, self.days, self.form, self.stride, self.antecedent_days = (
            size,
            days,
            form,
            stride,
            antecedent_days,
        )

    def __len__(self) -> int:
        """Count the patches."""
        return len(self.where)

    @property
    def static_names(self) -> tuple[str, ...]:
        """Channels of `static`."""
        return self.covariates.static_names + (ANTECEDENT if self.antecedent_days else ())

    def __getitem__(self, item: int) -> dict[str, torch.Tensor]:
        """One patch."""
        time, row, column = self.where[item].tolist()
        window = (slice(row, row + self.size), slice(column, column + self.size))
        day = self.labels.times[time]
        static = self.covariates.stationary(day, window)
        if self.antecedent_days:
            past = antecedent_labels(
                self.labels, day, window, self.antecedent_days, SHOWN[self.split]
            )
            static = np.concatenate([static, past])
        ssm, uncertainty = np.array(self.labels.values[(time, slice(None), *window)])
        arrays = {
            "dynamic": self.covariates.dynamic(day, self.days, self.form, window, self.stride),
            "static": static,
            "ssm": ssm,
            "uncertainty": uncertainty,
        }
        sample = {
            name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()
        }
        return sample | {"weight": self.weight[item]}


def compressed(dynamic: torch.Tensor) -> torch.Tensor:
    """Precipitation as log(1 + mm), the other channels as they are: rain is skewed over three orders of magnitude."""
    rain = WEATHER.index("precipitation")
    return torch.cat(
        [
            torch.log1p(dynamic[..., rain : rain + 1, :, :].clamp(min=0)),
            dynamic[..., rain + 1 :, :, :],
        ],
        dim=-3,
    )


def typical_variance(dataset: PatchDataset, seed: int) -> float:
    """Median of the squared uncertainty of labels over some training patches [1].

    Args:
        dataset: the training split.
        seed: of the choice.
    """
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:STATISTICS_PATCHES]
    sigma = np.stack([dataset[int(item)]["uncertainty"].numpy() for item in chosen])
    return max(float(np.nanmedian(np.square(sigma, dtype=np.float64))), 1e-12)


def channel_statistics(dataset: PatchDataset, seed: int) -> dict[str, list[float]]:
    """Mean and standard deviation of every channel over some training patches; a constant channel gets 1.

    Raises:
        LoamError: the dataset is not the training split: no other may shape the normalisation.
    """
    if dataset.split != "train":
        msg = f"learning: the normalisation would be fitted on split '{dataset.split}'; fit it on 'train'"
        raise LoamError(msg)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(dataset))[:STATISTICS_PATCHES]
    samples = [dataset[int(item)] for item in chosen]
    dynamic = (
        torch.stack([compressed(sample["dynamic"]) for sample in samples]).movedim(-3, 0).flatten(1)
    )
    static = torch.stack([sample["static"] for sample in samples]).movedim(-3, 0).flatten(1)
    statistics = {}
    for name, values in (("dynamic", dynamic), ("static", static)):
        table = values.double().numpy()
        with np.errstate(invalid="ignore"):
            mean, deviation = np.nanmean(table, axis=1), np.nanstd(table, axis=1)
        statistics[f"{name}_mean"] = np.nan_to_num(mean).tolist()
        statistics[f"{name}_deviation"] = np.where(deviation > 1e-6, deviation, 1.0).tolist()
    return statistics
