"""Sizes that PCK is measured by, from boxes drawn by hand."""

from pathlib import Path

import numpy as np

from pfa_core.images import write_png
from pfa_core.people import Box, Person, Point
from pfa_core.pose_samples import cut_people
from pfa_core.progress import run_to_end
from pfa_core.skeleton import JointSet

JOINTS = JointSet(("left_elbow", "right_elbow", "nose"))


def test_sizes_are_the_longer_sides_of_the_labelled_extent_and_of_the_person_box(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(write_png(np.zeros((100, 100, 3), dtype=np.uint8)))

    def person(box: Box | None, **joints: Point) -> Person:
        return Person(image=path, joints=joints, torso_box=(40, 40, 20, 20), person_box=box)

    people = [
        person((5, 5, 30, 70), left_elbow=(10, 20, 2), right_elbow=(50, 35, 1), nose=(99, 99, 0)),
        person(None, left_elbow=(10, 20, 2), nose=(12, 80, 2)),
        person((5, 5, 80, 10)),
    ]
    samples, _ = run_to_end(cut_people(people, joints=JOINTS, torso_scale=3, crop_px=32), lambda _: None)
    np.testing.assert_array_equal(samples.sizes_px(), [40, 60, np.nan])
    np.testing.assert_array_equal(samples.box_sizes_px(), [70, np.nan, 80])
