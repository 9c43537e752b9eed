"""Finding people: boxes by hand, and a picture in which OpenCV's detector has something to find."""

import os
from pathlib import Path

import numpy as np
import pytest

from pfa_core.images import read_image
from pfa_core.people import Box
from pfa_core.person_finder import FoundPerson, find_people, intersection_over_union, overlap, strongest

DATA = Path(os.environ.get("PFA_TEST_DATA", Path(__file__).resolve().parents[4] / "shared/data"))
CROWD = DATA / "pose_images/mmpose_samples/images/ochuman_003799.jpg"


def count_cells(first: Box, second: Box) -> tuple[int, int, int]:
    """Unit cells of both boxes, and those in both, one by one."""

    def cells(box: Box) -> set[tuple[int, int]]:
        return {
            (x, y) for x in range(int(box[0]), int(box[0] + box[2])) for y in range(int(box[1]), int(box[1] + box[3]))
        }

    return len(cells(first)), len(cells(second)), len(cells(first) & cells(second))


@pytest.mark.parametrize("second", [(0, 0, 4, 6), (2, 1, 4, 6), (4, 0, 3, 3), (1, 1, 2, 2), (-3, -3, 20, 20)])
def test_shared_area_equals_a_count_of_cells(second: Box) -> None:
    first = (0.0, 0.0, 4.0, 6.0)
    ours, theirs, both = count_cells(first, second)
    assert overlap(first, second) == pytest.approx(both / min(ours, theirs))
    assert intersection_over_union(first, second) == pytest.approx(both / (ours + theirs - both))


def test_the_weaker_of_two_that_cover_each_other_goes() -> None:
    inner, outer = FoundPerson((10, 10, 20, 40), 0.5), FoundPerson((5, 5, 40, 80), 0.9)
    beside = FoundPerson((60, 5, 40, 80), 0.2)
    assert strongest([inner, beside, outer]) == [outer, beside]


@pytest.mark.parametrize("size", [(16, 16), (16, 900), (900, 16), (130, 70), (1200, 1600)])
def test_any_image_gets_an_answer_and_boxes_lie_in_it(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 255, (*size, 3), dtype=np.uint8)
    for person in find_people(image):
        x, y, w, h = person.box
        assert 0 <= x < x + w <= size[1] + 0.01
        assert 0 <= y < y + h <= size[0] + 0.01


def test_a_blank_image_shows_nobody() -> None:
    assert find_people(np.full((240, 320, 3), 128, np.uint8)) == []


@pytest.mark.skipif(not CROWD.is_file(), reason=f"real pictures are missing: {CROWD} (PFA_TEST_DATA)")
def test_people_of_a_photograph_are_found_at_any_size_and_no_more_than_wanted() -> None:
    photograph = read_image(CROWD.read_bytes(), max_pixels=10**7)
    found = find_people(photograph)
    assert len(found) >= 2
    assert [person.score for person in found] == sorted((person.score for person in found), reverse=True)
    twice = photograph.repeat(2, axis=0).repeat(2, axis=1)
    best, same = found[0].box, find_people(twice, max_people=1)
    assert len(same) == 1
    halved = tuple(number / 2 for number in same[0].box)
    assert intersection_over_union(best, (halved[0], halved[1], halved[2], halved[3])) > 0.9
