"""Who is who from one search for people to the next: boxes that overlap are one person. Free of torch.

Source: the matching of Bochinski et al. 2017, "High-Speed Tracking-by-Detection Without Using Image Information", but
that a person who is not found again keeps the last box for a while.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pfa_core.people import Box
from pfa_core.person_finder import FoundPerson, intersection_over_union

MIN_IOU = 0.3
"""Boxes that share less of what both cover are two people's."""
MAX_MISSED = 2
"""Searches in a row that may miss a person who is still followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A person who is followed."""

    id: int
    """1, 2, ... in the order of appearance; never given again."""
    box: Box
    score: float
    missed: int = 0


class Follower:
    """The people of a video so far."""

    def __init__(self, *, max_people: int) -> None:
        self._max_people = max_people
        self._people: list[Followed] = []
        self._next_id = 1

    @property
    def people(self) -> Sequence[Followed]:
        """Those who are followed now, by id."""
        return tuple(self._people)

    def update(self, found: Sequence[FoundPerson]) -> None:
        """Take what a search found: the best overlaps are matched first, who is left over is new."""
        pairs = sorted(
            (-intersection_over_union(person.box, one.box), i, k)
            for i, person in enumerate(self._people)
            for k, one in enumerate(found)
        )
        match_of: dict[int, int] = {}
        for negative_iou, i, k in pairs:
            if -negative_iou >= MIN_IOU and i not in match_of and k not in match_of.values():
                match_of[i] = k
        kept = []
        for i, person in enumerate(self._people):
            if i in match_of:
                one = found[match_of[i]]
                kept.append(Followed(id=person.id, box=one.box, score=one.score))
            elif person.missed < MAX_MISSED:
                kept.append(Followed(id=person.id, box=person.box, score=person.score, missed=person.missed + 1))
        for k, one in enumerate(found):
            if k not in match_of.values() and len(kept) < self._max_people:
                kept.append(Followed(id=self._next_id, box=one.box, score=one.score))
                self._next_id += 1
        self._people = kept

    def to_json(self) -> dict[str, Any]:
        """All that is known, as plain values."""
        people = [[one.id, list(one.box), one.score, one.missed] for one in self._people]
        return {"next_id": self._next_id, "people": people}

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Undo `to_json`."""
        self._next_id = plain["next_id"]
        self._people = [
            Followed(id=person_id, box=(box[0], box[1], box[2], box[3]), score=score, missed=missed)
            for person_id, box, score, missed in plain["people"]
        ]
