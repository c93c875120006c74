"""Wet events against a confusion matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from loam.evaluation.events import event_scores


def test_hand_worked_values() -> None:
    target, estimate = np.array([0.9, 0.8, 0.7, 0.1, 0.2]), np.array([0.8, 0.1, 0.9, 0.9, 0.0])
    assert dict(event_scores(target, estimate, 0.7)) == pytest.approx(
        {"pod": 2 / 3, "far": 1 / 3, "csi": 2 / 4, "pod_ranked": 2 / 3}
    )


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60),
    st.floats(0.05, 0.95),
)
def test_they_follow_from_the_confusion_matrix(
    pairs: list[tuple[float, float]], threshold: float
) -> None:
    target, estimate = np.array(pairs).T
    (_, alarms), (misses, hits) = confusion_matrix(
        target >= threshold, estimate >= threshold, labels=[False, True]
    )
    scores = dict(event_scores(target, estimate, threshold))
    for name, part, whole in (
        ("pod", hits, hits + misses),
        ("far", alarms, hits + alarms),
        ("csi", hits, hits + misses + alarms),
    ):
        assert (np.isnan(scores[name]) and whole == 0) or scores[name] == part / whole


def test_a_perfect_model_finds_all_without_alarm_and_one_that_never_warns_nothing() -> None:
    target = np.linspace(0, 1, 50)
    assert dict(event_scores(target, target, 0.9)) == {
        "pod": 1,
        "far": 0,
        "csi": 1,
        "pod_ranked": 1,
    }
    dry = dict(event_scores(target, np.zeros(50), 0.9))
    assert dry["pod"] == dry["csi"] == 0 and np.isnan(dry["far"])


def test_by_rank_the_scale_does_not_matter_and_chance_finds_its_share() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(4000)
    squeezed = 0.4 + 0.1 * target**3
    assert dict(event_scores(target, squeezed, 0.9))["pod"] == 0
    assert dict(event_scores(target, squeezed, 0.9))["pod_ranked"] == 1
    assert dict(event_scores(target, rng.random(4000), 0.9))["pod_ranked"] == pytest.approx(
        0.1, abs=0.03
    )
    assert np.isnan(dict(event_scores(target, squeezed, 2.0))["pod_ranked"])
    constant = dict(event_scores(np.sort(target), np.full(4000, 0.3), 0.9))["pod_ranked"]
    assert constant == pytest.approx(np.mean(target >= 0.9))  # in whatever order the samples come
