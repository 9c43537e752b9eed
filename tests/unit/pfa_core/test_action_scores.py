"""Tables of action scores: worked out by hand, and JSON whatever is missing."""

import json

import numpy as np
import pytest

from pfa_core.action_scores import score_actions, top_of


def test_action_table_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1]])
    table = score_actions(probabilities, np.array([0, 0, 1]), labels=("a", "b", "c")).metrics
    assert table["accuracy"] == pytest.approx(2 / 3)
    assert table["top_k"] == {"k": 2, "accuracy": 1.0}
    assert table["mean_class_accuracy"] == pytest.approx(3 / 4)
    assert table["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert [row["accuracy"] for row in table["per_class"]] == [0.5, 1.0, None]
    assert [row["num_clips"] for row in table["per_class"]] == [2, 1, 0]
    assert table["intervals"]["per_class"]["c"] is None
    json.dumps(table, allow_nan=False)


def test_streams_by_hand() -> None:
    """Of three clips appearance has one right, motion one of the two that it looked at, the mean two."""
    true = np.array([0, 1, 1])
    appearance = np.array([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1]])
    motion = np.array([[0.7, 0.3], [0.4, 0.6], [np.nan, np.nan]])
    motion[0] = [0.45, 0.55]
    fused = np.array([[0.525, 0.475], [0.45, 0.55], [0.9, 0.1]])
    streams = {"appearance": appearance, "motion": motion}
    scored = score_actions(fused, true, labels=("a", "b"), streams=streams)
    found = scored.metrics["streams"]
    assert {name: (row["num_clips"], row["accuracy"]) for name, row in found.items()} == {
        "appearance": (3, pytest.approx(1 / 3)), "motion": (2, 0.5), "fused": (3, pytest.approx(2 / 3)),
    }  # fmt: skip
    assert [row.part for row in scored.scores if row.metric == "stream_accuracy"] == ["appearance", "motion", "fused"]
    json.dumps(scored.metrics, allow_nan=False)
    nowhere = score_actions(appearance, true, labels=("a", "b"), streams={"motion": np.full((3, 2), np.nan)}).metrics
    assert nowhere["streams"]["motion"] == {"accuracy": None, "num_clips": 0, "interval": None}


def test_top_5_leaves_at_least_one_class_out() -> None:
    assert [top_of(num) for num in (1, 2, 3, 5, 6, 101)] == [1, 1, 2, 4, 5, 5]


def test_interval_of_one_person_a_group_is_that_of_a_mean() -> None:
    """100 clips by themselves, half of them right: the interval is about 1/2 +- 1.96 sqrt(1/4 / 100)."""
    true = np.zeros(100, dtype=np.int64)
    probabilities = np.tile([[0.9, 0.1], [0.1, 0.9]], (50, 1))
    low, high = score_actions(probabilities, true, labels=("a", "b")).metrics["intervals"]["accuracy"]
    assert low == pytest.approx(0.402, abs=0.02)
    assert high == pytest.approx(0.598, abs=0.02)


def test_clips_of_one_person_are_resampled_together() -> None:
    """Ten people of ten clips each, all right or all wrong: there are ten facts, and the interval is wide."""
    true = np.zeros(100, dtype=np.int64)
    probabilities = np.repeat(np.tile([[0.9, 0.1], [0.1, 0.9]], (5, 1)), 10, axis=0)
    people = [f"person {n // 10}" for n in range(100)]
    table = score_actions(probabilities, true, labels=("a", "b"), groups=people).metrics
    low, high = table["intervals"]["accuracy"]
    assert table["bootstrap"]["num_groups"] == 10
    assert low == pytest.approx(0.2, abs=0.01)  # binomial(10, 1/2): 2.5 % quantile 2, 97.5 % quantile 8
    assert high == pytest.approx(0.8, abs=0.01)
