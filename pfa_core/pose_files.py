"""Poses of video frames or images as files: JSON lines, CSV, COCO keypoints JSON. Free of torch; written as a stream.

A frame is as `video_poses.smoothed` has it; a listed one also knows whose it is: `video` (id) and `file` (name).
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pfa_core.skeleton import JointSet

CSV_COLUMNS = ("file", "frame", "time_s", "person", "joint", "x_px", "y_px", "score", "visible")
COCO_HIDDEN, COCO_VISIBLE = 1, 2

Json = dict[str, Any]


class Listed:
    """Frames in files of JSON lines, to be gone through any number of times, each with what is known of its video."""

    def __init__(self, files: Sequence[tuple[Path, Json]]) -> None:
        """Args: files: path, and what every frame of it is given."""
        self._files = files

    def __iter__(self) -> Iterator[Json]:
        for path, about in self._files:
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    yield {**about, **json.loads(line)}


def write_lines(path: Path, documents: Iterable[Json]) -> int:
    """A JSON document a line. Returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for document in documents:
            file.write(json.dumps(document, allow_nan=False) + "\n")
            count += 1
    return count


def write_pose_csv(path: Path, frames: Iterable[Json], joints: JointSet) -> None:
    """A row for each joint of each person of each listed frame."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for frame in frames:
            about = (frame["file"], frame["frame"], frame["time_s"])
            for person in frame["people"]:
                for name, (x, y, score, visible) in zip(joints.names, person["keypoints"], strict=True):
                    seen = "" if visible is None else str(visible).lower()
                    writer.writerow([*about, person["id"], name, x, y, score, seen])


def write_pose_coco(path: Path, frames: Sequence[Json] | Listed, joints: JointSet, *, model: str) -> None:
    """COCO keypoints JSON: an image a listed frame, an annotation a person, one category with the model's joints.

    Images bear `frame` and `time_s` beside COCO's members, annotations `track_id`: the person's id within the video.
    The third number of a keypoint is 2, and 1 where the model says that the joint cannot be seen.

    Args:
        frames: gone through twice. Each also has `width_px` and `height_px`.
    """
    with path.open("w", encoding="utf-8") as file:
        about = json.dumps({"description": f"pose by {model}"})
        file.write(f'{{"info": {about}, "categories": [{json.dumps(coco_category(joints))}], "images": [')
        for number, frame in enumerate(frames, start=1):
            file.write(("" if number == 1 else ",\n") + json.dumps(_image(number, frame)))
        file.write('], "annotations": [')
        written = 0
        for number, frame in enumerate(frames, start=1):
            for person in frame["people"]:
                written += 1
                annotation = _annotation(written, number, person, frame)
                file.write(("" if written == 1 else ",\n") + json.dumps(annotation, allow_nan=False))
        file.write("]}")


def coco_category(joints: JointSet) -> Json:
    """The one category, whose keypoints are the joints."""
    names = joints.names
    skeleton = [[names.index(limb.start) + 1, names.index(limb.end) + 1] for limb in joints.limbs]
    return {"id": 1, "name": "person", "keypoints": list(names), "skeleton": skeleton}


def coco_keypoints(keypoints: Sequence[Sequence[Any]]) -> list[float]:
    """[x, y, score, visible] of each joint -> COCO's flat x, y, v."""
    return [
        number
        for x, y, _, visible in keypoints
        for number in (round(x, 2), round(y, 2), COCO_HIDDEN if visible is False else COCO_VISIBLE)
    ]


def _image(number: int, frame: Json) -> Json:
    about = {} if frame["time_s"] is None else {"frame": frame["frame"], "time_s": frame["time_s"]}
    name = frame["file"] if not about else f"{frame['file']}#{frame['frame']:06d}"
    return {"id": number, "file_name": name, "width": frame["width_px"], "height": frame["height_px"], **about}


def _annotation(number: int, image: int, person: Json, frame: Json) -> Json:
    box = person["box"] or [0.0, 0.0, float(frame["width_px"]), float(frame["height_px"])]
    keypoints = person["keypoints"]
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": box,
        "area": box[2] * box[3],
        "keypoints": coco_keypoints(keypoints),
        "num_keypoints": len(keypoints),
        "score": sum(score for _, _, score, _ in keypoints) / len(keypoints),
        "track_id": person["id"],
    }
