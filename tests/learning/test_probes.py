"""Questions to a model whose answers are known: it reads rain of the last day and one map, and nothing else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from learning.task import TRAIN, all_labels, learn

from loam.config.evaluation import Probes
from loam.core.features import WEATHER
from loam.learning.probes import (
    Patches,
    another_date,
    another_patch,
    answer,
    ask,
    draw,
    errors,
    exchanged,
    more_rain,
    probe_model,
    questions,
    static_groups,
)

CHANNELS = ("elevation", "slope", "sand", "ndvi", "ndvi_age", "last_ssm")
RAIN = (1.5, 5.0, 1e-3)


class Known(torch.nn.Module):
    """SSM is 0.02 x rain of the last day plus 0.3 x slope, and falls again above 8 mm where `floods`."""

    def __init__(self, floods: bool = False) -> None:
        super().__init__()
        self.floods = floods

    def forward(
        self, dynamic: torch.Tensor, static: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rain = dynamic[:, -1, WEATHER.index("precipitation")]
        wet = (
            torch.where(rain > 8, 0.16 - 0.02 * (rain - 8), 0.02 * rain)
            if self.floods
            else 0.02 * rain
        )
        mean = wet + 0.3 * static[:, CHANNELS.index("slope")]
        return mean, torch.zeros_like(mean)


def patches(count: int = 60, dates: int = 12) -> Patches:
    rng = np.random.default_rng(0)
    number = np.arange(count) % dates
    dynamic = torch.from_numpy(
        rng.gamma(0.5, 8, (dates, 4, len(WEATHER), 1, 1)).astype(np.float32)
    )[number].repeat(1, 1, 1, 8, 8)
    static = torch.from_numpy(rng.random((count, len(CHANNELS), 8, 8)).astype(np.float32))
    ssm = Known()(dynamic, static)[0].numpy()
    ssm[:, 0] = np.nan
    return Patches(
        np.datetime64("2022-01-01T05", "ns") + number * np.timedelta64(6, "D"), dynamic, static, ssm
    )


def asked(model: torch.nn.Module | None = None) -> pd.DataFrame:
    return ask(model or Known(), patches(), CHANNELS, RAIN, np.random.default_rng(1))


def test_only_what_the_model_reads_matters() -> None:
    error = asked().groupby("case")["squared_error"].sum()
    assert error["unchanged"] == pytest.approx(0, abs=1e-6)
    for unread in ("air", "evapotranspiration", "soil", "vegetation", "antecedent_labels"):
        assert error[unread] == pytest.approx(0, abs=1e-6)
    for read in ("precipitation", "weather", "terrain", "static"):
        assert error[read] > 1
    assert error["weather"] == pytest.approx(error["precipitation"])  # the same dates are exchanged
    assert set(error.index) == {
        "unchanged",
        "precipitation",
        "air",
        "evapotranspiration",
        "weather",
        "terrain",
        "soil",
        "vegetation",
        "antecedent_labels",
        "static",
        "more_rain",
    }


def test_sums_are_those_of_the_labelled_pixels_of_each_date() -> None:
    shown = patches()
    estimate = np.full(shown.ssm.shape, 0.2, np.float32)
    table = errors(shown, estimate, "unchanged").set_index("date")
    for date in np.unique(shown.date):
        labels = shown.ssm[shown.date == date]
        known = labels[np.isfinite(labels)]
        row = table.loc[date]
        assert (row["count"], row["pixels"]) == (known.size, labels.size)
        assert row["squared_error"] == pytest.approx(((0.2 - known) ** 2).sum(), rel=1e-5)
        assert (row["label"], row["label_squared"]) == pytest.approx(
            (known.sum(), (known**2).sum()), rel=1e-5
        )


def test_more_rain_is_caught_where_it_dries() -> None:
    honest, wrong = (
        asked(model).query("case == 'more_rain'") for model in (Known(), Known(floods=True))
    )
    assert (honest["not_drier"] == honest["pixels"]).all()
    shown = patches()
    drier = (
        answer(Known(floods=True), more_rain(shown.dynamic, 1.5, 5), shown.static)
        < answer(Known(True), shown.dynamic, shown.static) - 1e-3
    )
    assert 0 < drier.mean() < 1
    assert wrong["pixels"].sum() - wrong["not_drier"].sum() == drier.sum()


def test_more_rain_changes_rain_alone() -> None:
    shown = patches()
    wetter = more_rain(shown.dynamic, 1.5, 5)
    rain = WEATHER.index("precipitation")
    torch.testing.assert_close(wetter[:, :, rain], shown.dynamic[:, :, rain] * 1.5 + 5)
    others = [channel for channel in range(len(WEATHER)) if channel != rain]
    assert torch.equal(wetter[:, :, others], shown.dynamic[:, :, others])


@given(st.lists(st.integers(0, 8), min_size=2, max_size=50), st.integers(0, 50))
def test_every_patch_gets_another_date_and_each_is_used_once(numbers: list[int], seed: int) -> None:
    date = np.datetime64("2022-01-01") + np.array(numbers)
    other = another_date(date, np.random.default_rng(seed)).numpy()
    assert sorted(other) == list(range(len(numbers)))
    if np.unique(date, return_counts=True)[1].max() <= len(numbers) / 2:
        assert (date[other] != date).all()


@given(st.integers(2, 40), st.integers(0, 50))
def test_every_patch_gets_another_patch(count: int, seed: int) -> None:
    other = another_patch(count, np.random.default_rng(seed)).numpy()
    assert sorted(other) == list(range(count)) and (other != np.arange(count)).all()


def test_exchanges_keep_what_is_there_and_leave_the_other_channels() -> None:
    shown = patches()
    for case, dynamic, static in questions(shown, CHANNELS, np.random.default_rng(2)):
        for before, after in ((shown.dynamic, dynamic), (shown.static, static)):
            torch.testing.assert_close(
                after.flatten().sort().values, before.flatten().sort().values
            )
        moved = {
            CHANNELS[channel]
            for channel in range(len(CHANNELS))
            if not torch.equal(static[:, channel], shown.static[:, channel])
        }
        expected = {
            "terrain": {"elevation", "slope"},
            "soil": {"sand"},
            "vegetation": {"ndvi", "ndvi_age"},
            "antecedent_labels": {"last_ssm"},
        }
        assert moved == (set(CHANNELS) if case == "static" else expected.get(case, set()))
    assert torch.equal(
        exchanged(
            shown.static,
            [],
            another_patch(60, np.random.default_rng(0)),
        ),
        shown.static,
    )


def test_groups_hold_every_channel_once() -> None:
    groups = static_groups(CHANNELS)
    assert sorted(place for places in groups.values() for place in places) == list(
        range(len(CHANNELS))
    )
    assert groups["soil"] == [2]


def test_draws_are_capped_and_keep_their_order() -> None:
    index = pd.DataFrame({"row": np.arange(30)})
    drawn = draw(index, 10, np.random.default_rng(0))["row"]
    assert len(drawn) == 10 and drawn.is_monotonic_increasing and drawn.is_unique
    assert len(draw(index, 99, np.random.default_rng(0))) == 30


def test_a_trained_checkpoint_is_asked_on_the_test_patches_of_pass_1(
    site: Path, tmp_path: Path
) -> None:
    learn(site, tmp_path, TRAIN.model_copy(update={"epochs": 1}))
    index = pd.read_parquet(site / "patches.parquet")
    index["split"] = np.where(index["split"] == "validate", "spatiotemporal", index["split"])
    index.loc[index.index[-1], "pass"] = 2
    index.to_parquet(tmp_path / "patches.parquet")
    cfg = Probes(patches_per_split=12, rain_factor=1.5, rain_mm=5, tolerance=1e-3, seed=1)
    files = (
        tmp_path / "0.ckpt",
        all_labels(site / "ssm.zarr", site, tmp_path / "labels"),
        tmp_path / "patches.parquet",
        [site / "static.zarr", site / "weather.zarr"],
    )
    probe_model(*files, tmp_path / "asked.parquet", cfg, 16, "cpu", 1)
    table = pd.read_parquet(tmp_path / "asked.parquet")
    assert set(table["split"]) == {"spatiotemporal"}
    assert table[table["case"] == "unchanged"]["pixels"].sum() == 12 * 16 * 16
    assert {"precipitation", "weather", "static", "more_rain"} <= set(table["case"])
    rain = table[table["case"] == "more_rain"]
    assert ((rain["not_drier"] >= 0) & (rain["not_drier"] <= rain["pixels"])).all()
    assert not list(tmp_path.glob("tmp*"))  # what it unpacked is gone
