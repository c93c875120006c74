"""Splits: in order of time, with gaps, and nothing in two parts."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers import days
from hypothesis import given, settings
from hypothesis import strategies as st

from loam.config.samples import SplitSettings
from loam.core.errors import LoamError
from loam.core.splits import SPLITS, TESTS, Splits, splits_of_pixels
from loam.samples.splits import build_splits

BASE = {
    "train_share": 0.55,
    "validate_share": 0.1,
    "calibrate_share": 0.05,
    "test_share": 0.3,
    "gap_days": 30,
    "block_px": 16,
    "buffer_px": None,
    "test_block_share": 0.25,
    "random_share": 0.15,
    "seed": 3,
}


def split(
    count: int = 150, step: int = 6, shape: tuple[int, int] = (70, 64), **changes: float
) -> tuple[Splits, np.ndarray]:
    times = days("2022-01-03T22:50", count, step)
    return build_splits(times, shape, SplitSettings(**BASE | changes), 5), times


def test_dates_are_in_order_with_gaps() -> None:
    splits, times = split()
    part = {name: np.array(texts, dtype="datetime64[s]") for name, texts in splits.dates.items()}
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
    units = splits.of_units(times)
    name_of = dict(enumerate(SPLITS))
    tests = {tuple(position) for position in splits.test_blocks}
    date_part = {text: part for part, texts in splits.dates.items() for text in texts}
    held = {(text, row, column) for text, row, column in splits.random_units}
    for (index, row, column), code in np.ndenumerate(units):
        text = str(times[index].astype("datetime64[s]"))
        in_test_block, date = (row, column) in tests, date_part[text]
        expected = {
            ("train", False): "random" if (text, row, column) in held else "train",
            ("train", True): "spatial",
            ("test", False): "temporal",
            ("test", True): "spatiotemporal",
            ("validate", False): "validate",
            ("calibrate", False): "calibrate",
        }.get((date, in_test_block), "unused")
        assert name_of[int(code)] == expected


def test_the_same_seed_draws_the_same() -> None:
    assert split()[0] == split()[0]
    assert split(seed=4)[0] != split()[0]


def test_a_site_of_one_block_still_trains() -> None:
    splits, times = split(shape=(16, 16))
    units = splits.of_units(times)
    assert (units == SPLITS.index("train")).any()
    assert not np.isin(units, [SPLITS.index("spatial"), SPLITS.index("spatiotemporal")]).any()


def test_no_date_left_for_a_part_is_named_with_the_remedy() -> None:
    with pytest.raises(
        LoamError,
        match=r"no date is left for 'validate' of 20 acquisitions \(gap_days = 60\); lower gap_days, raise validate_share",
    ):
        split(20, gap_days=60)


def test_blocks_become_pixels_up_to_the_edge() -> None:
    parts = splits_of_pixels(np.array([[1, 2], [3, 4]]), 3, (5, 4), 0)
    assert parts.tolist() == [[1, 1, 1, 2]] * 3 + [[3, 3, 3, 4]] * 2


def test_times_that_the_splits_do_not_know_are_unused() -> None:
    splits, _ = split()
    assert (splits.of_units(days("2030-01-01", 3)) == 0).all()
    assert set(TESTS) < set(SPLITS)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(100, 150), st.integers(20, 60), st.integers(5, 40))
def test_what_is_written_is_read(seed: int, count: int, size: int, block: int) -> None:
    splits, times = split(count, 6, (size, size), seed=seed, block_px=block)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "splits.json"
        path.write_text(splits.as_json(note="for people"))
        again = Splits.read(path)
    assert again == splits
    np.testing.assert_array_equal(again.of_units(times), splits.of_units(times))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"dates": {}}', '{"dates": [], "blocks": 1, "random": 2}', "\0"]
)
def test_a_file_that_is_none_of_splits_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(LoamError, match=r"splits.json: is no file of splits .*remove it and run"):
        Splits.read(tmp_path / "splits.json")
