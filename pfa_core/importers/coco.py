"""COCO keypoints JSON, written. It is read in `pfa_core/annotations.py`, beside the native form.

Source: Lin et al. 2014, https://cocodataset.org/#format-data. The form has no place for splits, groups and torso boxes:
COCO has a file a split, and so has who writes it from here.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pfa_core.people import Person, PoseData, box_around
from pfa_core.skeleton import JointSet


def write_coco(data: PoseData, *, sizes: Mapping[str, tuple[int, int]] | None = None) -> bytes:
    """People as COCO keypoints JSON, which `pfa_core.annotations.read_pose_json` reads back.

    Args:
        sizes: image name -> (height, width) px, where known; without it an image has no size.
    """
    names = list(dict.fromkeys(str(person.image) for person in data.people))
    ids = {name: number for number, name in enumerate(names, start=1)}
    return json.dumps({
        "images": [_image(name, ids[name], (sizes or {}).get(name)) for name in names],
        "categories": [_category(data.joints)],
        "annotations": [_annotation(person, number, ids[str(person.image)], data.joints)
                        for number, person in enumerate(data.people, start=1)],
    }, allow_nan=False).encode()  # fmt: skip


def _image(name: str, number: int, size: tuple[int, int] | None) -> dict[str, Any]:
    known = {} if size is None else {"height": size[0], "width": size[1]}
    return {"id": number, "file_name": name, **known}


def _category(joints: JointSet) -> dict[str, Any]:
    """`skeleton` counts joints from 1."""
    limbs = [[joints.index(limb.start) + 1, joints.index(limb.end) + 1] for limb in joints.limbs]
    return {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(joints.names), "skeleton": limbs}


def _annotation(person: Person, number: int, image: int, joints: JointSet) -> dict[str, Any]:
    """A joint that is not labelled is 0, 0, 0, as COCO wants it."""
    points, labelled = person.keypoints(joints)
    flat = [value for name, known in zip(joints.names, labelled, strict=True)
            for value in (person.joints[name] if known else (0, 0, 0))]  # fmt: skip
    around = box_around(points[labelled]) if labelled.any() else (0.0, 0.0, 0.0, 0.0)
    box = around if person.person_box is None else person.person_box
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": list(box),
        "area": box[2] * box[3],
        "num_keypoints": int(np.count_nonzero(labelled)),
        "keypoints": flat,
    }
