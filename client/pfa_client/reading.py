"""From JSON to records, where a record holds other records."""

from collections.abc import Mapping
from typing import Any

from pfa_client.answers import Actions, Features, ImagePose, Keypoint, PersonPose, Pose
from pfa_client.records import Dataset, Job, LeftOut, Model, ModelVersion, Progress, Uploaded, Video, record

Json = Mapping[str, Any]


def uploaded(plain: Json) -> Uploaded:
    videos = tuple(record(Video, video) for video in plain["videos"])
    return Uploaded(videos=videos, left_out=_left_out(plain))


def dataset(plain: Json) -> Dataset:
    joints = plain.get("joint_names")
    return record(
        Dataset,
        plain,
        joint_names=None if joints is None else tuple(joints),
        labels=tuple(plain.get("labels", ())),
        left_out=_left_out(plain),
        warnings=tuple(plain.get("warnings", ())),
    )


def job(plain: Json) -> Job:
    return record(Job, plain, progress=record(Progress, plain["progress"]))


def model(plain: Json) -> Model:
    return record(Model, plain, versions=tuple(model_version(version) for version in plain["versions"]))


def model_version(plain: Json) -> ModelVersion:
    aliases, files = tuple(plain.get("aliases", ())), tuple(plain.get("files") or ())
    return record(ModelVersion, plain, aliases=aliases, files=files)


def pose(plain: Json) -> Pose:
    box = plain.get("box")
    keypoints = tuple(record(Keypoint, keypoint) for keypoint in plain["keypoints"])
    people = tuple(_person(person) for person in plain.get("people", ()))
    return record(Pose, plain, keypoints=keypoints, box=None if box is None else tuple(box), people=people)


def image_pose(plain: Json) -> ImagePose:
    found = plain.get("pose")
    return record(ImagePose, plain, pose=None if found is None else pose(found))


def _person(plain: Json) -> PersonPose:
    box = plain.get("box")
    keypoints = tuple(record(Keypoint, keypoint) for keypoint in plain["keypoints"])
    return record(PersonPose, plain, keypoints=keypoints, box=None if box is None else tuple(box))


def actions(plain: Json) -> Actions:
    labels = tuple((entry["label"], float(entry["probability"])) for entry in plain["labels"])
    streams = tuple(plain.get("streams", ("appearance",)))
    return record(Actions, plain, labels=labels, streams=streams)


def features(plain: Json) -> Features:
    return record(Features, plain, values=tuple(plain["values"]))


def _left_out(plain: Json) -> tuple[LeftOut, ...]:
    return tuple(record(LeftOut, entry) for entry in plain.get("left_out", ()))
