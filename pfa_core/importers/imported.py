"""What every reader of annotations gives: people or labels, and what their user should know."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pfa_core.annotations import FileLabel
from pfa_core.people import Person, PoseData

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The content of annotation files: people in images, or labels of files."""

    people: PoseData | None = None
    labels: tuple[FileLabel, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is odd about the data, one sentence each; they can be used all the same."""


def overlap_warnings(items: Iterable[Person | FileLabel]) -> list[str]:
    """A sentence where groups are on both sides of a split: their test is easier than one on strangers."""
    sides: dict[str, set[str]] = {}
    for item in items:
        if item.group is not None and item.split is not None:
            sides.setdefault(item.group, set()).add("test" if item.split == "test" else "train")
    both = sorted(group for group, found in sides.items() if len(found) > 1)
    if not both:
        return []
    return [f"The split is not clean: {len(both)} groups are in training and in test: {shown(both)}."]


def shown(names: Sequence[str]) -> str:
    """The first few of many names, for a message."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
