"""COCO keypoints JSON is written as COCO's own tools want it, and reads back as it was."""

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pfa_core.annotations import read_pose_json
from pfa_core.importers.coco import write_coco
from pfa_core.importers.published_joints import NAMES, published_joints
from pfa_core.people import Person, PoseData

PLACE = st.floats(0, 5000, width=32)
POINT = st.tuples(PLACE, PLACE, st.sampled_from([1, 2]))
BOX = st.tuples(PLACE, PLACE, st.floats(1, 500, width=32), st.floats(1, 500, width=32))


@given(name=st.sampled_from(NAMES), data=st.data())
def test_what_is_written_reads_back(name: str, data: st.DataObject) -> None:
    joints = published_joints(name).joints
    people = tuple(
        Person(
            image=Path(data.draw(st.sampled_from(["a.jpg", "b/c.png"]))),
            joints=data.draw(st.dictionaries(st.sampled_from(joints.names), POINT)),
            person_box=data.draw(BOX),
        )
        for _ in range(data.draw(st.integers(0, 4)))
    )
    back = read_pose_json(write_coco(PoseData(joints=joints, people=people)))
    assert back.joints == joints
    assert [_labelled(person) for person in back.people] == list(people)


def test_real_people_survive(test_data: Path) -> None:
    """COCO's own seventeen joints, as another tool converted them."""
    everybody = read_pose_json((test_data / "pose_images/mmpose_samples/annotations.json").read_bytes())
    theirs = [_labelled(person) for person in everybody.people if person.image_name.startswith("coco_")]
    assert len(theirs) > 3
    joints = published_joints("coco-17").joints
    back = read_pose_json(write_coco(PoseData(joints=joints, people=tuple(theirs))))
    assert [_labelled(person) for person in back.people] == [
        replace(person, torso_box=None, group=None, split=None) for person in theirs
    ]


def test_a_document_by_hand() -> None:
    person = Person(
        image=Path("a.jpg"), joints={"left_hip": (3, 4, 2), "left_knee": (3, 14, 1), "left_ankle": (0, 0, 0)}
    )
    data = PoseData(joints=published_joints("coco-17").joints, people=(person,))
    plain = json.loads(write_coco(data, sizes={"a.jpg": (480, 640)}))
    assert plain["images"] == [{"id": 1, "file_name": "a.jpg", "height": 480, "width": 640}]
    (annotation,) = plain["annotations"]
    assert (annotation["num_keypoints"], annotation["bbox"], annotation["area"]) == (2, [3, 4, 0, 10], 0)
    assert annotation["keypoints"][3 * 11 : 3 * 12] == [3, 4, 2]
    assert annotation["keypoints"][3 * 15 : 3 * 16] == [0, 0, 0]
    assert [12, 14] in plain["categories"][0]["skeleton"]  # left hip, left knee, counted from 1 as in COCO


def _labelled(person: Person) -> Person:
    return replace(person, joints={name: point for name, point in person.joints.items() if point[2]})
