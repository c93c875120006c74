"""Sorting networks and the bootstrap in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loam.moisture.kernels import sort_tile
from loam.moisture.ranks import extremes_network, rank_table, sorting_network


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 130), st.integers(0, 10**6))
def test_the_network_sorts_any_number_of_values_and_puts_gaps_last(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tile = rng.integers(-9, 9, (count, 16)).astype(np.float32)
    tile[rng.random(tile.shape) < 0.2] = np.inf
    expected = np.sort(tile, axis=0)
    sort_tile(tile, sorting_network(count))
    np.testing.assert_array_equal(tile, expected)


@pytest.mark.parametrize("count", [5, 16, 50, 100, 333])
def test_the_extremes_are_in_place_after_fewer_exchanges(count: int) -> None:
    tile = np.random.default_rng(count).normal(size=(count, 64)).astype(np.float32)
    expected = np.sort(tile, axis=0)
    network, first = extremes_network(count, 0.1, 0.9), rank_table(count, 0.1, 0.9).first[count]
    sort_tile(tile, network)
    np.testing.assert_array_equal(tile[: first[0, 1]], expected[: first[0, 1]])
    np.testing.assert_array_equal(tile[first[1, 0] :], expected[first[1, 0] :])
    assert len(network) <= len(sorting_network(count))
    assert count < 50 or len(network) < len(sorting_network(count))


@pytest.mark.parametrize(("count", "share"), [(21, 0.1), (41, 0.25), (101, 0.9)])
def test_weights_are_the_limit_of_resampling(count: int, share: float) -> None:
    """Where the percentile is a rank, the weights are how often resamples of the dates give each rank."""
    rng = np.random.default_rng(count)
    rank = round(share * (count - 1))
    drawn = np.sort(rng.integers(0, count, (200_000, count)), axis=1)[:, rank]
    often = np.bincount(drawn, minlength=count) / len(drawn)
    table = rank_table(count, *((share, 0.95) if share < 0.5 else (0.05, share)))
    weights = table.weights[count, 0 if share < 0.5 else 1, :count]
    np.testing.assert_allclose(weights, often, atol=4e-3)
    assert weights.sum() == pytest.approx(1, abs=1e-5)


def test_expected_places_are_those_of_evenly_spread_values() -> None:
    rng = np.random.default_rng(3)
    for count in (8, 50):
        drawn = np.percentile(rng.uniform(0, 1, (count, 100_000)), [10, 90], axis=0).mean(axis=1)
        np.testing.assert_allclose(rank_table(count, 0.1, 0.9).expected[count], drawn, atol=1e-3)


def test_sampling_errors_of_both_percentiles_go_together_as_the_table_says() -> None:
    rng = np.random.default_rng(4)
    low, high = np.percentile(rng.uniform(0, 1, (100, 50_000)), [10, 90], axis=0)
    assert rank_table(100, 0.1, 0.9).correlation[100] == pytest.approx(
        np.corrcoef(low, high)[0, 1], abs=0.02
    )
