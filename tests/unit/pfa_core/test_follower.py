"""Following people by hand: who keeps a number, who gets a new one, who is given up."""

import json

import numpy as np

from pfa_core.follower import MAX_MISSED, Follower
from pfa_core.person_finder import FoundPerson


def at(x: float, score: float = 1.0) -> FoundPerson:
    return FoundPerson((x, 0.0, 40.0, 80.0), score)


def test_two_who_walk_towards_each_other_keep_their_numbers_however_they_are_listed() -> None:
    follower = Follower(max_people=5)
    rng = np.random.default_rng(0)
    for step in range(6):
        places = [at(10.0 + 8 * step), at(200.0 - 8 * step)]
        follower.update([places[i] for i in rng.permutation(2)])
        found = {one.box[0]: one.id for one in follower.people}
        if step == 0:
            left, right = found[10.0], found[200.0]
        assert found == {10.0 + 8 * step: left, 200.0 - 8 * step: right}
    assert {left, right} == {1, 2}


def test_who_is_missed_stays_for_a_while_and_numbers_are_never_given_again() -> None:
    follower = Follower(max_people=5)
    follower.update([at(0)])
    for _ in range(MAX_MISSED):
        follower.update([])
        (held,) = follower.people
        assert (held.id, held.box[0]) == (1, 0.0)
    follower.update([])
    assert len(follower.people) == 0
    follower.update([at(0)])
    assert [one.id for one in follower.people] == [2]


def test_no_more_are_followed_than_wanted() -> None:
    follower = Follower(max_people=2)
    follower.update([at(0), at(100), at(200)])
    assert [one.box[0] for one in follower.people] == [0.0, 100.0]


def test_it_goes_on_from_plain_values() -> None:
    whole, halves = Follower(max_people=3), Follower(max_people=3)
    searches = [[at(0), at(100)], [at(5)], [], [at(110), at(10)], [at(300)]]
    for search in searches:
        whole.update(search)
        restored = Follower(max_people=3)
        restored.restore(json.loads(json.dumps(halves.to_json())))
        restored.update(search)
        halves = restored
    assert halves.people == whole.people
    assert halves.to_json() == whole.to_json()
