"""Splits: in order of time, with gaps, and nothing in two parts."""

import numpy as np
import pytest
from helpers import days
from hypothesis import given, settings
from hypothesis import strategies as st

from loam.config.samples import Splits
from loam.core.errors import LoamError
from loam.core.splits import PARTS, TESTS, pixel_parts, unit_parts
from loam.learning.splits import build_splits

BASE = {
    "train_share": 0.55, "validate_share": 0.1, "calibrate_share": 0.05, "test_share": 0.3, "gap_days": 30,
    "block_px": 16, "rim_px": None, "test_block_share": 0.25, "random_share": 0.15, "seed": 3,
}  # fmt: skip


def split(
    count: int = 150, step: int = 6, shape: tuple[int, int] = (70, 64), **changes: float
) -> tuple[dict, np.ndarray]:
    times = days("2022-01-03T22:50", count, step)
    return build_splits(times, shape, Splits(**BASE | changes), 5), times


def test_dates_are_in_order_with_gaps() -> None:
    splits, times = split()
    part = {name: np.array(texts, dtype="datetime64[s]") for name, texts in splits["dates"].items()}
    gap = np.timedelta64(30, "D")
    assert part["validate"][0] - part["train"][-1] > gap
    assert part["test"][0] - part["calibrate"][-1] > gap
    assert part["train"][-1] < part["validate"][0] <= part["validate"][-1] < part["calibrate"][0]
    assert sum(map(len, part.values())) == len(times)
    assert len(set(np.concatenate(list(part.values())))) == len(times)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(100, 200),
    st.integers(20, 90),
    st.integers(5, 40),
    st.integers(0, 10),
)
def test_every_unit_is_in_one_part_and_the_four_tests_are_what_they_say(
    seed: int, count: int, size: int, block: int, gap: int
) -> None:
    splits, times = split(count, 6, (size, size + 7), seed=seed, block_px=block, gap_days=gap)
    units = unit_parts(splits, times)
    name_of = dict(enumerate(PARTS))
    tests = {tuple(position) for position in splits["blocks"]["test"]}
    date_part = {text: part for part, texts in splits["dates"].items() for text in texts}
    held = {(text, row, column) for text, row, column in splits["random"]}
    for (index, row, column), code in np.ndenumerate(units):
        text = str(times[index].astype("datetime64[s]"))
        in_test_block, date = (row, column) in tests, date_part[text]
        expected = {
            ("train", False): "random" if (text, row, column) in held else "train", ("train", True): "space",
            ("test", False): "time", ("test", True): "both", ("validate", False): "validate", ("calibrate", False): "calibrate",
        }.get((date, in_test_block), "unused")  # fmt: skip
        assert name_of[int(code)] == expected


def test_the_same_seed_draws_the_same() -> None:
    assert split()[0] == split()[0]
    assert split(seed=4)[0] != split()[0]


def test_a_site_of_one_block_still_trains() -> None:
    splits, times = split(shape=(16, 16))
    units = unit_parts(splits, times)
    assert (units == PARTS.index("train")).any()
    assert not np.isin(units, [PARTS.index("space"), PARTS.index("both")]).any()


def test_no_date_left_for_a_part_is_named_with_the_remedy() -> None:
    with pytest.raises(
        LoamError,
        match=r"no date is left for 'validate' of 20 acquisitions \(gap_days = 60\); lower gap_days, raise validate_share",
    ):
        split(20, gap_days=60)


def test_blocks_become_pixels_up_to_the_edge() -> None:
    parts = pixel_parts(np.array([[1, 2], [3, 4]]), 3, (5, 4), 0)
    assert parts.tolist() == [[1, 1, 1, 2]] * 3 + [[3, 3, 3, 4]] * 2


def test_times_that_the_splits_do_not_know_are_unused() -> None:
    splits, _ = split()
    assert (unit_parts(splits, days("2030-01-01", 3)) == 0).all()
    assert set(TESTS) < set(PARTS)
