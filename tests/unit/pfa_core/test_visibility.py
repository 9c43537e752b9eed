"""Thresholds against a literal search, and who decides when there is little to go by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pfa_core.visibility import CHANCE, MIN_SCORES, MISSED, balanced_threshold, visible_thresholds

SCORES = st.lists(st.floats(0, 1).map(lambda x: round(x, 2)), min_size=1, max_size=30)


def balanced_accuracy(threshold: float, positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    return (
        sum(p >= threshold for p in positive) / len(positive) + sum(n < threshold for n in negative) / len(negative)
    ) / 2


@given(positive=SCORES, negative=SCORES)
def test_no_threshold_is_better(positive: list[float], negative: list[float]) -> None:
    seen, hidden = np.array(positive), np.array(negative)
    found = balanced_accuracy(balanced_threshold(seen, hidden), seen, hidden)
    best = max(balanced_accuracy(t, seen, hidden) for t in np.arange(-0.005, 1.01, 0.01))
    assert found == pytest.approx(best)


def test_scores_that_tell_nothing_leave_everything_visible() -> None:
    same = np.array([0.2, 0.4, 0.4, 0.9])
    assert balanced_threshold(same, same) <= same.min()
    assert balanced_threshold(np.array([0.1]), np.array([0.9])) <= 0.1


def test_each_joint_has_its_own_threshold_between_its_own_scores() -> None:
    num = MIN_SCORES
    seen, hidden = np.linspace(0.6, 0.9, num), np.linspace(0.1, 0.4, num)
    scores = np.stack([np.concatenate([hidden, seen]), np.concatenate([hidden, seen]) / 10], axis=1)
    visible = np.repeat([[False, False], [True, True]], num, axis=0)
    thresholds = visible_thresholds(scores, visible)
    assert thresholds == pytest.approx([0.5, 0.05])


def test_a_joint_with_few_visible_scores_takes_the_threshold_of_all() -> None:
    num = MIN_SCORES
    scores = np.concatenate([np.full((num, 2), 0.2), np.full((num, 2), 0.8)])
    scores[:, 1] += 0.1
    visible = np.repeat([[False, False], [True, True]], num, axis=0)
    visible[num:-3, 1] = False
    thresholds = visible_thresholds(scores, visible)
    assert thresholds is not None
    assert thresholds[0] == pytest.approx(0.5)
    assert thresholds[1] == balanced_threshold(scores[visible], scores[~visible])


def test_scores_that_differ_by_chance_alone_give_up_a_twentieth() -> None:
    """Both kinds are drawn alike, so that no threshold means anything."""
    given_up = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        scores = rng.uniform(0, 1, (120, 1))
        visible = rng.uniform(0, 1, (120, 1)) < 0.7
        threshold = visible_thresholds(scores, visible)
        assert threshold is not None
        given_up.append((scores[visible] < threshold[0]).mean())
    assert np.median(given_up) == pytest.approx(MISSED, abs=0.01)
    assert np.mean(np.array(given_up) > 0.1) <= 3 * CHANCE


def test_without_hidden_joints_a_twentieth_of_the_visible_is_given_up() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.3, 0.9, (400, 2)) * [1, 0.5]
    thresholds = visible_thresholds(scores, np.ones_like(scores, dtype=bool))
    assert thresholds is not None
    assert (scores < thresholds).mean(axis=0) == pytest.approx(0.05, abs=0.003)
    visible = np.ones_like(scores, dtype=bool)
    visible[3, 1] = visible[5, 0] = False  # two say no more than none
    assert visible_thresholds(scores, visible) == pytest.approx(thresholds, abs=0.005)
    visible[: 400 - MIN_SCORES // 2, 1] = False  # ... but these do, of their own joint too few stay visible
    of_all = visible_thresholds(scores, visible)
    assert of_all is not None
    assert of_all[1] == balanced_threshold(scores[visible], scores[~visible])


def test_a_handful_of_visible_joints_says_nothing() -> None:
    visible = np.zeros((MIN_SCORES, 2), dtype=bool)
    visible[: MIN_SCORES - 1, 0] = True
    assert visible_thresholds(np.full((MIN_SCORES, 2), 0.5), visible) is None
