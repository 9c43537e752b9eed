"""Annotation readers: both pose formats, the label CSV, and what is wrong with bad files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pfa_core.annotations import FileLabel, read_label_csv, read_pose_json
from pfa_core.errors import AnnotationsInvalid
from pfa_core.people import Person
from pfa_core.skeleton import COCO, LSP, JointSet


def _native(**changes: Any) -> bytes:
    person = {"image": "images/a.jpg", "joints": {"l_wrist": [10, 20.5, 2], "nose": [1, 2, 0]},
              "torso_box": [1, 2, 30, 40], "dup_cluster": 7, **changes}  # fmt: skip
    return json.dumps({"joint_names": ["nose", "l_wrist", "r_wrist"], "annotations": [person]}).encode()


def _coco(**changes: Any) -> bytes:
    person = {"image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [10, 20, 2, 0, 0, 0], **changes}
    return json.dumps({
        "images": [{"id": 5, "file_name": "b.jpg"}],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_eye"]}, {"id": 2, "name": "dog"}],
        "annotations": [person],
    }).encode()  # fmt: skip


def test_native_person() -> None:
    data = read_pose_json(_native())
    assert data.joints.names == ("nose", "left_wrist", "right_wrist")
    (person,) = data.people
    assert (person.image, person.torso_box, person.person_box) == (Path("images/a.jpg"), (1, 2, 30, 40), None)
    assert (person.group, person.split) == ("7", None)
    points, labelled = person.keypoints(data.joints)
    assert labelled.tolist() == [False, True, False]
    np.testing.assert_array_equal(points, [[np.nan, np.nan], [10, 20.5], [np.nan, np.nan]])


def test_native_without_joint_names_takes_every_joint() -> None:
    plain = json.loads(_native())
    del plain["joint_names"]
    assert read_pose_json(json.dumps(plain).encode()).joints.names == ("left_wrist", "nose")


def test_coco_person() -> None:
    data = read_pose_json(_coco())
    assert data.joints == JointSet(("nose", "left_eye"))
    (person,) = data.people
    assert person.image == Path("b.jpg")
    assert person.person_box == (1, 2, 3, 4)
    assert person.keypoints(data.joints)[1].tolist() == [True, False]
    assert not read_pose_json(_coco(iscrowd=1)).people
    assert not read_pose_json(_coco(category_id=2)).people


@pytest.mark.parametrize("wrist", [[10, 20.5, 2], None, [1, 2]])
def test_person_survives_json(wrist: list[float] | None) -> None:
    (person,) = read_pose_json(_native(split="val", joints={"l_wrist": wrist})).people
    plain = json.loads(json.dumps(person.to_json(), allow_nan=False))
    assert Person.from_json(plain, image=person.image, split="val", group="7") == person


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"[1", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "object"),
        (b"{}", "annotations"),
        (b'{"annotations": []}', "joint_names"),
        (_native(image=None), "image"),
        (_native(image="/etc/passwd"), "relative"),
        (_native(image="../a.jpg"), "relative"),
        (_native(joints=[1]), "object"),
        (_native(joints={"l_wrist": [1]}), "numbers"),
        (_native(joints={"l_wrist": [1, float("nan"), 2]}), "place"),
        (_native(joints={"l_wrist": [1, True, 2]}), "place"),
        (_native(joints={"l_wrist": [1e300, 1, 2]}), "place"),
        (_native(joints={"l_wrist": [1, 2, 3]}), "visible"),
        (_native(joints={"tail": [1, 2, 2]}), "tail"),
        (_native(torso_box=[1, 2, -3, 4]), "negative"),
        (_native(split="training"), "split"),
        (_coco(image_id=6), "unknown id"),
        (_coco(keypoints=[1, 2]), "keypoints"),
    ],
)
def test_bad_pose_files_say_what_is_wrong(data: bytes, says: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=says):
        read_pose_json(data)


def test_label_csv() -> None:
    data = "\ufefffile, label ,group,split\r\nwalk/a.avi,walk,anna,train\r\nb.mp4,,,\r\n".encode()
    assert read_label_csv(data) == [
        FileLabel(file="walk/a.avi", label="walk", group="anna", split="train"),
        FileLabel(file="b.mp4"),
    ]
    assert read_label_csv(b"file\nc.avi\n") == [FileLabel(file="c.avi")]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "column"),
        (b"name,label\na,b\n", "column"),
        (b"file,label\n,walk\n", "names no file"),
        (b"file\na.avi\na.avi\n", "twice"),
        (b"file,label\na.avi,walk,extra\n", "more cells"),
        (b"file,split\na.avi,dev\n", "split"),
        (b"file\n../a.avi\n", "relative"),
        (b'file\n"a.avi\n', "line"),
    ],
)
def test_bad_label_files_say_what_is_wrong(data: bytes, says: str) -> None:
    with pytest.raises(AnnotationsInvalid, match=says):
        read_label_csv(data)


def test_lspet_reads(test_data: Path) -> None:
    data = read_pose_json((test_data / "pose_images" / "lspet" / "annotations.json").read_bytes())
    assert data.joints == LSP
    assert len(data.people) == 1800
    assert data.people[0].joints["left_wrist"] == (123.72, 136.19, 2)
    assert data.people[0].group == "1"


def test_mixed_joint_sets_read(test_data: Path) -> None:
    data = read_pose_json((test_data / "pose_images" / "mmpose_samples" / "annotations.json").read_bytes())
    assert len(data.people) == 29
    assert set(COCO.names) <= set(data.joints.names)


def test_readers_do_without_torch() -> None:
    code = "import sys, pfa_core.annotations, pfa_core.people; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
