"""The scores of named actions: top-1, top-5, per class and the confusion matrix, with intervals.

Axes: N clips, C classes.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pfa_core.metrics import Floats, confusion, topk_hits
from pfa_core.scores import MEAN, Scored, Scores, short

TOP = 5


def score_actions(
    probabilities: Floats,
    true: NDArray[np.int64],
    *,
    labels: tuple[str, ...],
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    streams: Mapping[str, Floats] | None = None,
) -> Scored:
    """Score N clips.

    Args:
        probabilities: (N, C).
        true: (N,) classes.
        groups: (N,) clips of one group are resampled together; None: each by itself.
        seed: of the resamples.
        streams: (N, C) of each stream of a model of several, whose mean `probabilities` is; nan: not looked at.

    Returns:
        With the metrics of `evaluate_action` but for what it knows of single clips.
    """
    k = top_of(len(labels))
    right = topk_hits(probabilities, true, k=1)[:, None]  # (N, 1)
    every = np.ones_like(right)
    shown = true[:, None] == np.arange(len(labels))  # (N, C)
    scores = Scores(range(len(true)) if groups is None else groups, seed=seed)
    scores.add("accuracy", ["all"], right, every)
    scores.add(f"top_{k}", ["all"], topk_hits(probabilities, true, k=k)[:, None], every)
    scores.add("per_class", labels, right & shown, shown, mean=True)
    (top1,), (top_k,) = scores.of("accuracy"), scores.of(f"top_{k}")
    *classes, mean = scores.of("per_class")
    assert mean.part == MEAN
    metrics: dict[str, Any] = {
        "task": "action",
        "num_clips": len(true),
        "accuracy": top1.value,
        "top_k": {"k": k, "accuracy": top_k.value},
        "mean_class_accuracy": mean.value,
        "labels": list(labels),
        "per_class": [{"label": row.part, "num_clips": row.count, "accuracy": row.value} for row in classes],
        "confusion": confusion(probabilities.argmax(axis=1), true, num_labels=len(labels)).tolist(),
        "intervals": {
            "accuracy": short(top1.interval),
            "top_k": short(top_k.interval),
            "mean_class_accuracy": short(mean.interval),
            "per_class": {row.part: short(row.interval) for row in classes},
        },
        "bootstrap": scores.bootstrap(),
    }
    if streams is not None:
        metrics["streams"] = _add_streams(scores, {**streams, "fused": probabilities}, true)
    return Scored(metrics=metrics, scores=scores.rows(), details={})


def _add_streams(scores: Scores, streams: Mapping[str, Floats], true: NDArray[np.int64]) -> dict[str, Any]:
    """Score each stream by itself on the clips that it looked at."""
    looked = np.stack([~np.isnan(rows).any(axis=1) for rows in streams.values()], axis=1)  # (N, streams)
    right = np.stack([topk_hits(np.nan_to_num(rows), true, k=1) for rows in streams.values()], axis=1)
    scores.add("stream_accuracy", list(streams), right & looked, looked)
    return {
        row.part: {"accuracy": row.value, "num_clips": row.count, "interval": short(row.interval)}
        for row in scores.of("stream_accuracy")
    }


def top_of(num_labels: int) -> int:
    """How many guesses are scored: 5; with up to five classes one fewer than there are, as all of them never miss."""
    return max(1, min(TOP, num_labels - 1))
