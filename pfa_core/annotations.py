"""Readers of our own annotation files and of COCO's; those of other formats are in `pfa_core/importers`.

Free of torch. Nothing here opens an image or a video: names are as in the file.

Formats of people: COCO keypoints JSON, and native JSON: `joint_names`, and under `annotations` per person `image`,
`joints` {name: [x, y, visible]} in image px (visible: 0 not labelled, 1 occluded, 2 visible), `person_box` and
`torso_box` [x, y, w, h]. Format of videos: native CSV with the header `file,label,group,split`; all but `file` may be
missing.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pfa_core.errors import AnnotationsInvalid
from pfa_core.people import Box, Person, PoseData
from pfa_core.skeleton import JointSet, joint_name, joint_set

_SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLabel:
    """A video or an image (or one person in it), and what is known of it."""

    file: str
    label: str | None = None
    group: str | None = None
    split: str | None = None
    person_box: Box | None = None


def read_pose_json(data: bytes) -> PoseData:
    """Read people from native JSON or COCO keypoints JSON, whichever it is.

    Raises:
        AnnotationsInvalid: neither, or a value in it is not what it must be; the message says which.
    """
    plain = _json(data)
    if "annotations" not in plain or not isinstance(plain["annotations"], list):
        raise AnnotationsInvalid('The JSON needs a list "annotations" with one entry a person.')
    if "images" in plain and "categories" in plain:
        return _coco(plain)
    return _native(plain)


def read_label_csv(data: bytes) -> list[FileLabel]:
    """Read `file,label,group,split` with a header; all columns but `file` are optional, empty cells are unknown.

    Raises:
        AnnotationsInvalid: not UTF-8 CSV, no `file` column, an unsafe or doubled file name, or an unknown split.
    """
    rows = csv.DictReader(io.StringIO(_text(data), newline=""), strict=True)
    try:
        header = [name.strip() for name in rows.fieldnames or []]
        if "file" not in header:
            raise AnnotationsInvalid('The CSV needs a header with a column "file".')
        rows.fieldnames = header
        found = [_file_label(row, line=rows.line_num) for row in rows]
    except csv.Error as error:
        raise AnnotationsInvalid(f"The CSV does not read, near line {rows.line_num}: {error}.") from error
    names = [label.file for label in found]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise AnnotationsInvalid(f"The CSV names {twice!r} twice.")
    return found


def _file_label(row: Mapping[str | None, Any], *, line: int) -> FileLabel:
    if None in row:
        raise AnnotationsInvalid(f"Line {line} of the CSV has more cells than the header.")
    cell = {str(key): (value or "").strip() or None for key, value in row.items()}
    name = cell["file"]
    if name is None:
        raise AnnotationsInvalid(f"Line {line} of the CSV names no file.")
    split = cell.get("split")
    if split is not None and split not in _SPLITS:
        raise AnnotationsInvalid(f"Line {line} of the CSV: split must be one of {', '.join(_SPLITS)}, not {split!r}.")
    return FileLabel(file=relative_name(name), label=cell.get("label"), group=cell.get("group"), split=split)


def _native(plain: Mapping[str, Any]) -> PoseData:
    """`joint_names` may be missing: then the set is every joint that some person names, in order of appearance."""
    people = [_native_person(entry, number=number) for number, entry in enumerate(plain["annotations"])]
    if "joint_names" in plain:
        joints = joint_set(_strings(plain["joint_names"], where="joint_names"))
        for person in people:
            unknown = sorted(set(person.joints) - set(joints.names))
            if unknown:
                raise AnnotationsInvalid(f"{person.image}: {', '.join(unknown)} is not among joint_names.")
    else:
        names = list(dict.fromkeys(name for person in people for name in person.joints))
        if not names:
            raise AnnotationsInvalid('The JSON has neither "joint_names" nor any joint.')
        joints = JointSet(tuple(names))
    return PoseData(joints=joints, people=tuple(people))


def _native_person(entry: object, *, number: int) -> Person:
    if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
        raise AnnotationsInvalid(f'annotations[{number}] needs an "image", the name of its file.')
    joints = entry.get("joints") or {}
    if not isinstance(joints, dict):
        raise AnnotationsInvalid(f"annotations[{number}]: joints must be an object of name: [x, y, visible].")
    group = entry.get("group", entry.get("dup_cluster"))
    return Person.from_json(
        {**entry, "joints": {joint_name(name): point for name, point in joints.items()}},
        image=Path(relative_name(entry["image"])),
        split=entry.get("split"),
        group=None if group is None else str(group),
    )


def _coco(plain: Mapping[str, Any]) -> PoseData:
    """COCO keypoints: boxes are [x, y, w, h], keypoints a flat list of x, y, visible in the category's order."""
    try:
        files = {image["id"]: Path(relative_name(image["file_name"])) for image in plain["images"]}
        categories = {c["id"]: joint_set(_strings(c["keypoints"], where="keypoints")) for c in plain["categories"]
                      if c.get("keypoints")}  # fmt: skip
        entries = [entry for entry in plain["annotations"] if entry["category_id"] in categories]
        people = tuple(
            _coco_person(entry, image=files[entry["image_id"]], joints=categories[entry["category_id"]])
            for entry in entries
            if not entry.get("iscrowd")
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise AnnotationsInvalid(f"The COCO JSON lacks a field or names an unknown id: {error!r}.") from error
    if not categories:
        raise AnnotationsInvalid("The COCO JSON has no category with keypoints.")
    names = dict.fromkeys(name for joints in categories.values() for name in joints.names)
    return PoseData(joints=JointSet(tuple(names)), people=people)


def _coco_person(entry: Mapping[str, Any], *, image: Path, joints: JointSet) -> Person:
    flat = entry.get("keypoints") or []
    if len(flat) != 3 * len(joints):
        raise AnnotationsInvalid(f"{image}: {len(flat)} numbers of keypoints, {3 * len(joints)} are needed.")
    points = {name: list(flat[3 * k : 3 * k + 3]) for k, name in enumerate(joints.names)}
    return Person.from_json({"joints": points, "person_box": entry.get("bbox")}, image=image)


def _json(data: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(_text(data))
    except (ValueError, RecursionError) as error:
        raise AnnotationsInvalid(f"The annotations are not JSON: {error}.") from error
    if not isinstance(plain, dict):
        raise AnnotationsInvalid("The JSON must be an object.")
    return plain


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationsInvalid(f"The annotations are not UTF-8: {error}.") from error


def _strings(value: object, *, where: str) -> Sequence[str]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise AnnotationsInvalid(f"{where} must be a list of names.")
    return value


def relative_name(name: str) -> str:
    """A file name that stays inside the folder that it is relative to.

    Raises:
        AnnotationsInvalid: it is empty, absolute, or leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if not name.strip() or "\0" in name or path.is_absolute() or ".." in path.parts:
        raise AnnotationsInvalid(f"{name!r} is not a relative file name.")
    return str(path)
