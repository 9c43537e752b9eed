"""Fewer labels: which training items a run may learn from. The same for every initialisation, by seed alone."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

from pfa_core.seeds import generator
from pfa_core.splits import Splittable

T = TypeVar("T", bound=Splittable)

LABELS = 7
"""The stream of randomness that labels are drawn from."""


def with_share(items: Sequence[T], fraction: float, *, seed: int, labels: Sequence[Hashable] | None = None) -> list[T]:
    """The items with only a share of the training items, in their order; those of `val` and `test` all stay.

    What a seed draws for a smaller share is part of what it draws for a larger one.

    Args:
        fraction: in (0, 1], of each label's items where labels are given, at least one.
        labels: one per item.
    """
    strata = _strata(items, labels)
    quota = {label: max(1, round(fraction * len(members))) for label, members in strata.items()}
    return _drawn(items, strata, quota, seed=seed)


def with_count(items: Sequence[T], count: int, *, seed: int, labels: Sequence[Hashable]) -> list[T]:
    """As `with_share`, with so many training items in all: of each label its share, rounded, and at least one.

    Fewer than `count` where there are no more; more where there are more labels than that.
    """
    strata = _strata(items, labels)
    total = sum(map(len, strata.values()))
    exact = {label: min(1.0, count / total) * len(members) for label, members in strata.items()}
    quota = {label: max(1, int(share)) for label, share in exact.items()}
    for label in sorted(exact, key=lambda label: int(exact[label]) - exact[label]):  # the largest remainder first
        if sum(quota.values()) < min(count, total) and quota[label] < exact[label]:
            quota[label] += 1
    return _drawn(items, strata, quota, seed=seed)


def _strata(items: Sequence[T], labels: Sequence[Hashable] | None) -> dict[Hashable, list[int]]:
    """Places of the training items by label, labels in the order of their first appearance."""
    strata: dict[Hashable, list[int]] = {}
    for place, item in enumerate(items):
        if item.split in (None, "train"):
            strata.setdefault(None if labels is None else labels[place], []).append(place)
    return strata


def _drawn(items: Sequence[T], strata: dict[Hashable, list[int]], quota: dict[Hashable, int], *, seed: int) -> list[T]:
    kept = {place for place, item in enumerate(items) if item.split not in (None, "train")}
    for number, (label, members) in enumerate(strata.items()):
        order = generator(LABELS, seed, number).permutation(len(members))
        kept |= set(np.array(members)[order[: quota[label]]].tolist())
    return [items[place] for place in sorted(kept)]
