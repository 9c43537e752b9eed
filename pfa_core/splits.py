"""Which labelled items are learned from and which are held out for validation."""

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

import numpy as np

from pfa_core.errors import DatasetUnsuitable

MIN_ITEMS = 10
"""Smaller training sets are used whole: a part of them would say nothing."""


class Splittable(Protocol):
    """Anything with a split and a group."""

    @property
    def split(self) -> str | None: ...
    @property
    def group(self) -> str | None: ...


T = TypeVar("T", bound=Splittable)


def train_and_val(
    items: Sequence[T], *, seed: int, val_fraction: float, labels: Sequence[Hashable] | None = None
) -> tuple[list[T], list[T]]:
    """Divide items into those to train on and those to validate on; test items are in neither.

    Validation items are those of split `val`. Without any, a share of the others is held out by a seeded choice:
    whole groups, where groups are known, and never the last items of a label.

    Args:
        val_fraction: that share, in [0, 1); 0 holds nobody out.
        labels: one per item, where the items are labelled.

    Raises:
        DatasetUnsuitable: nothing is left to train on.
    """
    train = [i for i, item in enumerate(items) if item.split in (None, "train")]
    val = [i for i, item in enumerate(items) if item.split == "val"]
    if not val and val_fraction and len(train) >= MIN_ITEMS:
        val = _held_out(items, train, seed=seed, fraction=val_fraction, labels=labels)
        train = sorted(set(train) - set(val))
    if not train:
        raise DatasetUnsuitable('The data set has nothing to train on: no labelled item of split "train".')
    return [items[i] for i in train], [items[i] for i in val]


def _held_out(
    items: Sequence[T], train: list[int], *, seed: int, fraction: float, labels: Sequence[Hashable] | None
) -> list[int]:
    groups: dict[Hashable, list[int]] = {}
    for i in train:
        group = items[i].group
        groups.setdefault(("item", i) if group is None else group, []).append(i)
    left = set(train)
    chosen: list[int] = []
    members = list(groups.values())
    for place in np.random.default_rng((seed, 0)).permutation(len(members)):
        if len(chosen) >= fraction * len(train):
            break
        rest = left - set(members[place])
        if rest and (labels is None or {labels[i] for i in rest} == {labels[i] for i in left}):
            left = rest
            chosen += members[place]
    return sorted(chosen)


def epoch_items(step: int, *, num_items: int, batch_size: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The items of a batch when each epoch goes through all items in a new order: a pure function of the step.

    Shape: (batch_size,) int64.
    """
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    chosen = np.empty(batch_size, dtype=np.int64)
    for epoch in range(int(places[0]) // num_items, int(places[-1]) // num_items + 1):
        here = places // num_items == epoch
        order = np.random.default_rng((seed, 1, epoch)).permutation(num_items)
        chosen[here] = order[places[here] % num_items]
    return chosen
