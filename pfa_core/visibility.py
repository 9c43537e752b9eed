"""From which score on a joint counts as visible, chosen on validation people. Not in the paper.

Axes: N people, K joints, P scores of visible joints, Q of others.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_SCORES = 20
"""A joint with fewer visible scores takes the threshold of all joints together."""
MISSED = 0.05
"""Share of the visible joints that is given up where scores do not tell them from the others."""
CHANCE = 0.01
"""How often scores that tell nothing are taken for some that do."""


def visible_thresholds(scores: Floats, visible: Flags) -> Floats | None:
    """The score from which on each joint counts as visible.

    It is the threshold of the best balanced accuracy where the scores of the visible are larger than the others' beyond
    chance; where they are not, or there are no others, it is the score below which MISSED of the visible lie. Each
    joint has its own; one with fewer than MIN_SCORES visible scores takes that of all joints together.

    Args:
        scores: (N, K) of the joints that a model found.
        visible: (N, K) whether a joint is labelled as visible and lies in the crop; the others are occluded, outside,
            or not labelled.

    Returns:
        (K,) thresholds; None where fewer than MIN_SCORES joints are visible in all.
    """
    if visible.sum() < MIN_SCORES:
        return None
    thresholds = np.full(scores.shape[1], _threshold(scores[visible], scores[~visible]))
    for k, (column, seen) in enumerate(zip(scores.T, visible.T, strict=True)):
        if seen.sum() >= MIN_SCORES:
            thresholds[k] = _threshold(column[seen], column[~seen])
    return thresholds


def _threshold(positive: Floats, negative: Floats) -> float:
    if len(negative):
        found = balanced_threshold(positive, negative)
        if (positive >= found).mean() - (negative >= found).mean() > _beyond_chance(len(positive), len(negative)):
            return found
    return float(np.quantile(positive, MISSED))


def _beyond_chance(num_positive: int, num_negative: int) -> float:
    """What the largest difference of the two rates exceeds with probability CHANCE where scores tell nothing.

    Source: Smirnov 1939, the one-sided two-sample test: P(difference > d) -> exp(-2 d^2 PQ / (P + Q)).
    """
    return math.sqrt(-math.log(CHANCE) * (num_positive + num_negative) / (2 * num_positive * num_negative))


def balanced_threshold(positive: Floats, negative: Floats) -> float:
    """The threshold t for which "score >= t" is right most often, positives and negatives weighing alike.

    Candidates are the middles between neighbouring scores, and one that all scores reach. Of equally good ones the
    lowest is taken, so that scores that tell nothing leave everything visible.

    Args:
        positive: (P,) scores in [0, 1], P >= 1.
        negative: (Q,) likewise, Q >= 1.
    """
    values = np.unique(np.concatenate([positive, negative]))
    candidates = np.concatenate([[0.0], (values[:-1] + values[1:]) / 2])
    hits = len(positive) - np.searchsorted(np.sort(positive), candidates)  # positives at or above
    rejections = np.searchsorted(np.sort(negative), candidates)  # negatives below
    return float(candidates[np.argmax(hits / len(positive) + rejections / len(negative))])
