"""Questions to a model whose answers are known: it reads rain of the last day and one map, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loam.core.features import WEATHER
from loam.evaluation.probes import (
    Patches,
    another_date,
    another_patch,
    ask,
    draw,
    errors,
    exchanged,
    more_rain,
    questions,
    static_groups,
)

CHANNELS = ("elevation", "slope", "sand", "ndvi", "ndvi_age", "last_ssm")
RAIN = (1.5, 5.0, 1e-3)


class Known:
    """SSM is 0.02 x rain of the last day plus 0.3 x slope, and falls again above 8 mm where `floods`."""

    channels, days_per_step = CHANNELS, 1.0

    def __init__(self, floods: bool = False) -> None:
        self.floods = floods

    def answer(self, dynamic: np.ndarray, static: np.ndarray) -> np.ndarray:
        rain = dynamic[:, -1, WEATHER.index("precipitation")]
        drowned = self.floods & (rain > 8)
        wet = np.where(drowned, 0.16 - 0.02 * (rain - 8), 0.02 * rain)
        return wet + 0.3 * static[:, CHANNELS.index("slope")]


def patches(count: int = 60, dates: int = 12) -> Patches:
    rng = np.random.default_rng(0)
    number = np.arange(count) % dates
    daily = rng.gamma(0.5, 8, (dates, 4, len(WEATHER), 1, 1)).astype(np.float32)
    dynamic = np.tile(daily[number], (1, 1, 1, 8, 8))
    static = rng.random((count, len(CHANNELS), 8, 8)).astype(np.float32)
    ssm = Known().answer(dynamic, static)
    ssm[:, 0] = np.nan
    return Patches(
        np.datetime64("2022-01-01T05", "ns") + number * np.timedelta64(6, "D"), dynamic, static, ssm
    )


def asked(model: Known | None = None) -> pd.DataFrame:
    return ask(model or Known(), patches(), RAIN, np.random.default_rng(1))


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
        Known(floods=True).answer(more_rain(shown.dynamic, 1.5, 5), shown.static)
        < Known(True).answer(shown.dynamic, shown.static) - 1e-3
    )
    assert 0 < drier.mean() < 1
    assert wrong["pixels"].sum() - wrong["not_drier"].sum() == drier.sum()


def test_more_rain_changes_rain_alone() -> None:
    shown = patches()
    wetter = more_rain(shown.dynamic, 1.5, 5)
    rain = WEATHER.index("precipitation")
    np.testing.assert_allclose(wetter[:, :, rain], shown.dynamic[:, :, rain] * 1.5 + 5)
    others = [channel for channel in range(len(WEATHER)) if channel != rain]
    assert np.array_equal(wetter[:, :, others], shown.dynamic[:, :, others])


@given(st.lists(st.integers(0, 8), min_size=2, max_size=50), st.integers(0, 50))
def test_every_patch_gets_another_date_and_each_is_used_once(numbers: list[int], seed: int) -> None:
    date = np.datetime64("2022-01-01") + np.array(numbers)
    other = another_date(date, np.random.default_rng(seed))
    assert sorted(other) == list(range(len(numbers)))
    if np.unique(date, return_counts=True)[1].max() <= len(numbers) / 2:
        assert (date[other] != date).all()


@given(st.integers(2, 40), st.integers(0, 50))
def test_every_patch_gets_another_patch(count: int, seed: int) -> None:
    other = another_patch(count, np.random.default_rng(seed))
    assert sorted(other) == list(range(count)) and (other != np.arange(count)).all()


def test_exchanges_keep_what_is_there_and_leave_the_other_channels() -> None:
    shown = patches()
    for case, dynamic, static in questions(shown, CHANNELS, np.random.default_rng(2)):
        for before, after in ((shown.dynamic, dynamic), (shown.static, static)):
            np.testing.assert_allclose(np.sort(after, axis=None), np.sort(before, axis=None))
        moved = {
            CHANNELS[channel]
            for channel in range(len(CHANNELS))
            if not np.array_equal(static[:, channel], shown.static[:, channel])
        }
        expected = {
            "terrain": {"elevation", "slope"},
            "soil": {"sand"},
            "vegetation": {"ndvi", "ndvi_age"},
            "antecedent_labels": {"last_ssm"},
        }
        assert moved == (set(CHANNELS) if case == "static" else expected.get(case, set()))
    assert np.array_equal(
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
