"""Patches of covariates and labels as tensors, put together only when asked for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from odc.geo.geobox import GeoBox
from torch.utils.data import Dataset

from loam.features import WEATHER, Covariates
from loam.flags import usable_labels
from loam.raster import open_dataset

STATISTICS_PATCHES = 512


@dataclass(frozen=True)
class Labels:
    """Labels of a run in memory: NaN where one may not be used."""

    grid: GeoBox
    times: np.ndarray  # (time) datetime64[ns]
    ssm: np.ndarray  # (time, y, x) float32
    uncertainty: np.ndarray  # (time, y, x) float32


def open_labels(path: Path) -> Labels:
    """Read `ssm.zarr`; a value under a flag that makes it unusable becomes NaN."""
    data = open_dataset(path)
    flags = data["flags"].values
    ssm, uncertainty = (usable_labels(data[name].values, flags) for name in ("ssm", "ssm_uncertainty"))
    return Labels(data.odc.geobox, data["time"].values, ssm, uncertainty)


class PatchDataset(Dataset[dict[str, torch.Tensor]]):
    """Samples of one split: `dynamic (time, channel, y, x)`, `static (channel, y, x)`, `ssm` and `uncertainty (y, x)`."""

    def __init__(
        self, index: pd.DataFrame, labels: Labels, covariates: Covariates, *, size: int, days: int, form: str, stride: int
    ) -> None:
        """Remember where the patches are.

        Args:
            index: rows of `patches.parquet`, of one split.
            labels: of the whole run.
            covariates: of the whole run.
            size: edge of a patch [pixel].
            days: length of the weather window [day].
            form: 'aggregate' or 'sequence'.
            stride: edge of the cells that the weather is given on [pixel].
        """
        position = pd.Series(np.arange(len(labels.times)), index=pd.DatetimeIndex(labels.times))
        self.where = np.stack([position.loc[index["date"]].to_numpy(), index["row"].to_numpy(), index["column"].to_numpy()], axis=1)
        self.labels, self.covariates = labels, covariates
        self.size, self.days, self.form, self.stride = size, days, form, stride

    def __len__(self) -> int:
        """Count the patches."""
        return len(self.where)

    def __getitem__(self, item: int) -> dict[str, torch.Tensor]:
        """One patch."""
        time, row, column = self.where[item]
        window = (slice(row, row + self.size), slice(column, column + self.size))
        day = self.labels.times[time]
        arrays = {
            "dynamic": self.covariates.dynamic(day, self.days, self.form, window, self.stride),
            "static": self.covariates.stationary(day, window),
            "ssm": self.labels.ssm[(time, *window)],
            "uncertainty": self.labels.uncertainty[(time, *window)],
        }
        return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}


def compressed(dynamic: torch.Tensor) -> torch.Tensor:
    """Precipitation as log(1 + mm), the other channels as they are: rain is skewed over three orders of magnitude."""
    rain = WEATHER.index("precipitation")
    return torch.cat([torch.log1p(dynamic[..., rain : rain + 1, :, :].clamp(min=0)), dynamic[..., rain + 1 :, :, :]], dim=-3)


def channel_statistics(dataset: PatchDataset, seed: int) -> dict[str, list[float]]:
    """Mean and standard deviation of every channel over some training patches; a constant channel gets 1."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(dataset))[:STATISTICS_PATCHES]
    samples = [dataset[int(item)] for item in chosen]
    dynamic = torch.stack([compressed(sample["dynamic"]) for sample in samples]).movedim(-3, 0).flatten(1)
    static = torch.stack([sample["static"] for sample in samples]).movedim(-3, 0).flatten(1)
    statistics = {}
    for name, values in (("dynamic", dynamic), ("static", static)):
        table = values.double().numpy()
        with np.errstate(invalid="ignore"):
            mean, deviation = np.nanmean(table, axis=1), np.nanstd(table, axis=1)
        statistics[f"{name}_mean"] = np.nan_to_num(mean).tolist()
        statistics[f"{name}_deviation"] = np.where(deviation > 1e-6, deviation, 1.0).tolist()
    return statistics
