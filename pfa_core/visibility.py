"""From which score on a joint counts as visible, chosen on validation people. Not in the paper.

Axes: N people, K joints, P scores of visible joints, Q of others.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_SCORES = 20
"""Fewer scores of either kind decide nothing: then a joint takes the threshold of all joints together."""
MISSED = 0.05
"""Share of the visible joints that are given up where nothing is known of others."""

Rule = Literal["balanced", "quantile"]


def visible_thresholds(scores: Floats, visible: Flags) -> Floats | None:
    """The score from which on each joint counts as visible.

    A joint with MIN_SCORES scores of both kinds gets the threshold of the best balanced accuracy of its own. Any other
    gets that of all joints together. Where all joints together have fewer than MIN_SCORES of the others, thresholds
    are the scores below which MISSED of the visible joints lie: of the joint where it has MIN_SCORES, else of all.

    Args:
        scores: (N, K) of the joints that a model found.
        visible: (N, K) whether a joint is labelled as visible and lies in the crop; the others are occluded, outside,
            or not labelled.

    Returns:
        (K,) thresholds; None where fewer than MIN_SCORES joints are visible in all.
    """
    if visible.sum() < MIN_SCORES:
        return None
    rule: Rule = "balanced" if (~visible).sum() >= MIN_SCORES else "quantile"
    of_all = _threshold(scores[visible], scores[~visible], rule)
    needed = (MIN_SCORES, MIN_SCORES if rule == "balanced" else 0)
    thresholds = np.full(scores.shape[1], of_all)
    for k, (column, seen) in enumerate(zip(scores.T, visible.T, strict=True)):
        if seen.sum() >= needed[0] and (~seen).sum() >= needed[1]:
            thresholds[k] = _threshold(column[seen], column[~seen], rule)
    return thresholds


def _threshold(positive: Floats, negative: Floats, rule: Rule) -> float:
    return balanced_threshold(positive, negative) if rule == "balanced" else float(np.quantile(positive, MISSED))


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
