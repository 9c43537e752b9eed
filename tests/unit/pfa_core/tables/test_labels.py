"""Fewer labels: how many, of which classes, and the same ones for everybody."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfa_core.clips import LabelledClip
from pfa_core.tables.labels import with_count, with_share

SPLITS = (None, "train", "train", "val", "test")


def clips(sizes: dict[str, int]) -> list[LabelledClip]:
    """So many clips of each label, in all splits by turns."""
    names = [label for label, size in sizes.items() for _ in range(size)]
    return [
        LabelledClip(name=str(n), label=label, path=Path(str(n)), split=SPLITS[n % 5]) for n, label in enumerate(names)
    ]


def trained(items: list[LabelledClip]) -> list[LabelledClip]:
    return [item for item in items if item.split in (None, "train")]


def share(items: list[LabelledClip], fraction: float, seed: int) -> list[LabelledClip]:
    return with_share(items, fraction, seed=seed, labels=[item.label for item in items])


@given(fraction=st.floats(0.01, 1.0), seed=st.integers(0, 50))
def test_a_share_is_that_of_each_class_and_others_stay(fraction: float, seed: int) -> None:
    items = clips({"walk": 40, "run": 25, "wave": 5})
    found = share(items, fraction, seed)
    before, after = (Counter(item.label for item in trained(part)) for part in (items, found))
    assert after == {label: max(1, round(fraction * count)) for label, count in before.items()}
    assert [item for item in found if item not in trained(items)] == [i for i in items if i not in trained(items)]
    assert found == sorted(found, key=lambda item: int(item.name)), "the order is kept"


def test_a_seed_draws_the_same_and_another_seed_others() -> None:
    items = clips({"walk": 100})
    assert share(items, 0.3, 4) == share(items, 0.3, 4)
    assert share(items, 0.3, 4) != share(items, 0.3, 5)


def test_what_a_seed_draws_grows() -> None:
    items = clips({"walk": 60, "run": 45})
    names = [{item.name for item in share(items, fraction, 2)} for fraction in (0.1, 0.3, 1.0)]
    assert names[0] < names[1] < names[2] == {item.name for item in items}


def test_people_without_labels_are_drawn_as_one() -> None:
    items = clips({"walk": 50, "run": 50})
    found = with_share(items, 0.5, seed=0)
    assert len(trained(found)) == 30
    counts = {Counter(i.label for i in trained(with_share(items, 0.5, seed=s)))["walk"] for s in range(8)}
    assert len(counts) > 1, "classes are not looked at"


def test_every_item_is_drawn_equally_often() -> None:
    items = clips({"walk": 25})
    drawn = Counter(item.name for seed in range(600) for item in trained(share(items, 0.2, seed)))
    expected = 600 * 3 / 15
    assert all(count == pytest.approx(expected, abs=5 * expected**0.5) for count in drawn.values())
    assert len(drawn) == 15


@given(count=st.integers(3, 60), seed=st.integers(0, 20))
def test_a_count_is_met_and_classes_keep_their_shares(count: int, seed: int) -> None:
    items = clips({"walk": 50, "run": 30, "wave": 20})
    found = trained(with_count(items, count, seed=seed, labels=[item.label for item in items]))
    sizes = Counter(item.label for item in found)
    assert len(found) == count
    for label, exact in (("walk", count / 2), ("run", count * 0.3), ("wave", count / 5)):
        assert sizes[label] >= 1
        assert abs(sizes[label] - exact) < 1 or sizes[label] == 1


def test_a_count_beyond_what_there_is_takes_all() -> None:
    items = clips({"walk": 10, "run": 10})
    assert with_count(items, 50, seed=0, labels=[item.label for item in items]) == items
