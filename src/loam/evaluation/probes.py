"""Questions to a trained model: what it makes of the weather of other dates, of other places, and of more rain."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from loam.config.evaluation import Probes
from loam.core.antecedent_labels import ANTECEDENT
from loam.core.features import WEATHER, open_covariates
from loam.core.grid import require_same_grid
from loam.core.labels import Labels
from loam.core.models import OpenModel, TrainedModel
from loam.core.raster import atomic_write
from loam.core.splits import TESTS

# Groups of covariates that are shuffled together: what goes together in nature would give the others away.
WEATHER_GROUPS = {
    "precipitation": ("precipitation",),
    "air": ("temperature", "humidity", "wind"),
    "evapotranspiration": ("evapotranspiration",),
}
TERRAIN = ("elevation", "slope", "northness", "eastness", "curvature", "wetness_index")
VEGETATION = ("ndvi", "ndvi_age")


@dataclass(frozen=True)
class Patches:
    """Test patches of one split as a model is shown them."""

    date: np.ndarray  # (patch) datetime64[ns]
    dynamic: np.ndarray  # (patch, time, channel, row, column), units of WEATHER
    static: np.ndarray  # (patch, channel, y, x)
    ssm: np.ndarray  # labels (patch, y, x), NaN missing


def probe_model(
    checkpoint: Path,
    labels: Path,
    patches: Path,
    covariates: list[Path],
    out: Path,
    cfg: Probes,
    size_px: int,
    accelerator: Literal["auto", "cpu", "gpu"],
    open_model: OpenModel,
    threads: int,
) -> None:
    """Ask one member, and write sums of its errors per split, date and question, as Parquet.

    Args:
        checkpoint: of the member.
        labels: folder of all labels, of `unpack_labels`.
        patches: index of patches, of `sample_patches`.
        covariates: files of `open_covariates`.
        out: Parquet file to write.
        cfg: section `evaluation.probes`.
        size_px: edge of a patch [pixel].
        accelerator: where to compute.
        open_model: opens the checkpoint.
        threads: threads to use.
    """
    opened, known = open_covariates(covariates), Labels.open(labels)
    require_same_grid(opened.file, opened.grid, known.file, known.grid)
    model = open_model(checkpoint, opened, known, accelerator, threads)
    index = pd.read_parquet(patches)
    answers = list(_answers(model, known, index, size_px, cfg))
    with atomic_write(out) as partial:
        pd.concat(answers, ignore_index=True).to_parquet(partial, index=False)


def _answers(
    model: TrainedModel, labels: Labels, index: pd.DataFrame, size: int, cfg: Probes
) -> Iterator[pd.DataFrame]:
    """Answers on the test patches of every split that has some; none of pass 2, which would not be the natural distribution."""
    rain = (cfg.rain_factor, cfg.rain_mm * model.days_per_step, cfg.tolerance)
    for number, split in enumerate(TESTS):
        rng = np.random.default_rng([cfg.seed, number])
        chosen = draw(
            index[(index["split"] == split) & (index["pass"] == 1)], cfg.patches_per_split, rng
        )
        if len(chosen):
            shown = read_patches(chosen, labels, model, size)
            yield ask(model, shown, rain, rng).assign(split=split)


def draw(index: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    """At most so many rows of the index of patches, each with the same chance, in their order."""
    return index.iloc[np.sort(rng.permutation(len(index))[:most])]


def ask(
    model: TrainedModel,
    patches: Patches,
    rain: tuple[float, float, float],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Answers to all questions, summed per date: columns `date`, `case`, and those of `errors`; `not_drier` where more rain fell.

    Args:
        model: what is asked.
        patches: of one split.
        rain: factor of precipitation, precipitation added to every step [mm], and the fall of SSM that counts as none [1].
        rng: of the shuffles.
    """
    unchanged = model.answer(patches.dynamic, patches.static)
    tables = [errors(patches, unchanged, "unchanged")]
    for case, dynamic, static in questions(patches, model.channels, rng):
        tables.append(errors(patches, model.answer(dynamic, static), case))
    factor, plus_mm, tolerance = rain
    wetter = model.answer(more_rain(patches.dynamic, factor, plus_mm), patches.static)
    not_drier = (wetter >= unchanged - tolerance).sum(axis=(1, 2))
    fallen = pd.Series(not_drier).groupby(patches.date).sum()
    tables.append(
        errors(patches, wetter, "more_rain").assign(
            not_drier=lambda table: fallen.loc[table["date"]].to_numpy()
        )
    )
    return pd.concat(tables, ignore_index=True)


def questions(
    patches: Patches, channels: Sequence[str], rng: np.random.Generator
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, weather and static maps of every question in which something is shuffled among the patches.

    Weather comes from a patch of another date, static maps from another place, of what varies in both from another patch.
    """
    other_date, other = another_date(patches.date, rng), another_patch(len(patches.date), rng)
    for name, members in {**WEATHER_GROUPS, "weather": WEATHER}.items():
        chosen = [WEATHER.index(member) for member in members]
        yield name, exchanged(patches.dynamic, chosen, other_date), patches.static
    for name, chosen in {**static_groups(channels), "static": list(range(len(channels)))}.items():
        yield name, patches.dynamic, exchanged(patches.static, chosen, other)


def static_groups(channels: Sequence[str]) -> dict[str, list[int]]:
    """Places of the channels by group; what is neither terrain, vegetation nor a antecedent label comes from the soil map."""
    named = {"terrain": TERRAIN, "vegetation": VEGETATION, "antecedent_labels": ANTECEDENT}
    group = {member: name for name, members in named.items() for member in members}
    out: dict[str, list[int]] = {}
    for place, channel in enumerate(channels):
        out.setdefault(group.get(channel, "soil"), []).append(place)
    return out


def another_date(date: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For every patch one of another date, each patch used once `(patch)`; not wholly where one date has more than half of them."""
    dates, index, counts = np.unique(date, return_inverse=True, return_counts=True)
    # Dates in no order, the patches of each together.
    order = np.argsort(rng.permutation(dates.size)[index], kind="stable")
    other = np.empty(date.size, dtype=np.int64)
    other[order] = np.roll(order, int(counts.max()))
    return other


def another_patch(count: int, rng: np.random.Generator) -> np.ndarray:
    """For every patch another one, each used once `(patch)`."""
    order = rng.permutation(count)
    other = np.empty(count, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return other


def exchanged(values: np.ndarray, channels: Sequence[int], other: np.ndarray) -> np.ndarray:
    """A copy in which some channels of every patch are those of another `(patch, …, channel, y, x)`."""
    out, chosen = values.copy(), np.array(list(channels), dtype=np.intp)
    out[..., chosen, :, :] = values[other][..., chosen, :, :]
    return out


def more_rain(dynamic: np.ndarray, factor: float, plus_mm: float) -> np.ndarray:
    """Weather with more precipitation on every step; `plus_mm` per step [mm]."""
    out = dynamic.copy()
    rain = WEATHER.index("precipitation")
    out[..., rain, :, :] = out[..., rain, :, :] * factor + plus_mm
    return out


def errors(patches: Patches, estimate: np.ndarray, case: str) -> pd.DataFrame:
    """Per date: labelled pixels and sums over them of squared error, label and its square; all pixels asked."""
    known = np.isfinite(patches.ssm)
    label = np.where(known, patches.ssm, 0).astype(np.float64)
    squared = np.where(known, (estimate - label) ** 2, 0)
    sums = {
        "count": known.sum(axis=(1, 2)),
        "squared_error": squared.sum(axis=(1, 2)),
        "label": label.sum(axis=(1, 2)),
        "label_squared": (label**2).sum(axis=(1, 2)),
        "pixels": np.full(len(label), label[0].size),
    }
    table = pd.DataFrame(sums).groupby(patches.date).sum().rename_axis("date").reset_index()
    return table.assign(case=case)


def read_patches(index: pd.DataFrame, labels: Labels, model: TrainedModel, size: int) -> Patches:
    """What a model is shown of some patches, and their labels.

    Args:
        index: rows of `patches.parquet`.
        labels: of the run.
        model: what is asked.
        size: edge of a patch [pixel].
    """
    position = pd.Series(np.arange(len(labels.times)), index=pd.DatetimeIndex(labels.times))
    dynamic, static, ssm = [], [], []
    for date, row, column in zip(index["date"], index["row"], index["column"], strict=True):
        window = (slice(row, row + size), slice(column, column + size))
        weather, maps = model.shown(np.datetime64(date), window)
        dynamic.append(weather)
        static.append(maps)
        ssm.append(np.array(labels.values[(position.loc[date], 0, *window)]))
    return Patches(index["date"].to_numpy(), np.stack(dynamic), np.stack(static), np.stack(ssm))
