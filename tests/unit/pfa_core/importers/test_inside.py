"""Joints outside their image: single ones are dropped by name, a person without any inside is an error."""

from pathlib import Path

import pytest

from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.inside import inside
from pfa_core.people import Person, Point


def person(**joints: Point) -> Person:
    return Person(image=Path("a.jpg"), joints=joints)


def test_what_is_inside_stays_as_it_is() -> None:
    whole = person(nose=(0, 0, 2), left_hip=(99, 49, 1), right_hip=(-400, 0, 0), neck=(100, -1, 2))
    assert inside(whole, size=(50, 100)) == (whole, [])


def test_what_is_outside_is_named_and_dropped() -> None:
    kept, outside = inside(person(nose=(5, 5, 2), left_hip=(5, 51.5, 2), neck=(-2, 5, 1)), size=(50, 100))
    assert outside == ["left_hip", "neck"]
    assert kept.joints == {"nose": (5, 5, 2)}


def test_the_wrong_image_is_an_error() -> None:
    with pytest.raises(AnnotationsInvalid, match=r"a\.jpg: all joints.*100 x 50 px, nose at \(300, 5\)"):
        inside(person(nose=(300, 5, 2), neck=(5, 300, 1)), size=(50, 100))


def test_a_person_without_labels_is_nowhere_wrong() -> None:
    assert inside(person(nose=(0, 0, 0)), size=(50, 100))[1] == []
