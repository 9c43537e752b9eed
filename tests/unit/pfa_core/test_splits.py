"""Held-out items: by split, by group, never a whole label; epochs visit everything once."""

from dataclasses import dataclass

import numpy as np
import pytest

from pfa_core.errors import DatasetUnsuitable
from pfa_core.splits import epoch_items, train_and_val


@dataclass(frozen=True)
class Item:
    number: int
    split: str | None = None
    group: str | None = None


def test_named_splits_are_kept_and_test_items_never_seen() -> None:
    items = [Item(0, "train"), Item(1, "val"), Item(2, "test"), Item(3)]
    train, val = train_and_val(items, seed=0, val_fraction=0.1)
    assert ([i.number for i in train], [i.number for i in val]) == ([0, 3], [1])


def test_a_tenth_is_held_out_by_whole_groups() -> None:
    items = [Item(n, group=f"g{n // 5}") for n in range(100)] + [Item(200, "test", "g0")]
    train, val = train_and_val(items, seed=3, val_fraction=0.1)
    assert len(val) == 10
    assert len(train) == 90
    assert not {i.group for i in train} & {i.group for i in val}
    assert train_and_val(items, seed=3, val_fraction=0.1) == (train, val)
    assert train_and_val(items, seed=4, val_fraction=0.1) != (train, val)


def test_no_label_loses_all_its_items() -> None:
    items = [Item(n, group=str(n % 3)) for n in range(30)]
    labels = ["rare" if n % 3 == 0 else "common" for n in range(30)]  # one group holds all of a label
    for seed in range(10):
        train, _ = train_and_val(items, seed=seed, val_fraction=0.1, labels=labels)
        assert {labels[i.number] for i in train} == {"rare", "common"}


def test_the_share_that_is_asked_for_is_held_out() -> None:
    items = [Item(n) for n in range(40)]
    assert [len(part) for part in train_and_val(items, seed=0, val_fraction=0.25)] == [30, 10]
    assert train_and_val(items, seed=0, val_fraction=0) == (items, [])


def test_few_items_are_all_learned_from() -> None:
    items = [Item(n) for n in range(8)]
    assert train_and_val(items, seed=0, val_fraction=0.1) == (items, [])


def test_one_group_is_not_held_out() -> None:
    items = [Item(n, group="same") for n in range(20)]
    assert train_and_val(items, seed=0, val_fraction=0.1) == (items, [])


def test_nothing_to_train_on() -> None:
    with pytest.raises(DatasetUnsuitable, match="train"):
        train_and_val([Item(0, "test"), Item(1, "val")], seed=0, val_fraction=0.1)


@pytest.mark.parametrize(("num_items", "batch_size"), [(7, 3), (3, 8), (5, 5)])
def test_every_epoch_visits_every_item_once(num_items: int, batch_size: int) -> None:
    steps = num_items * 4
    stream = np.concatenate(
        [epoch_items(step, num_items=num_items, batch_size=batch_size, seed=1) for step in range(steps)]
    )
    for epoch in stream[: len(stream) // num_items * num_items].reshape(-1, num_items):
        assert sorted(epoch.tolist()) == list(range(num_items))
    assert len({tuple(epoch) for epoch in stream[: num_items * 4].reshape(4, -1).tolist()}) > 1
