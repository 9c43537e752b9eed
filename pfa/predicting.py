"""From files to what a model says about them, without a service: images one by one, videos as a prediction job does."""

import csv
import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pfa.files_below import VIDEO_SUFFIXES
from pfa_core.config.video_answers import VideoActionConfig, VideoPoseConfig
from pfa_core.errors import (
    ConfigInvalid,
    DatasetUnsuitable,
    ImageUnreadable,
    InputError,
    ModelUnsuitable,
    NoUsableVideos,
)
from pfa_core.figures import overlay_people
from pfa_core.images import read_image, write_png
from pfa_core.left_out import LeftOut, opening, reasons
from pfa_core.models import load_model
from pfa_core.people import Box
from pfa_core.person_finder import find_people
from pfa_core.pose_files import write_pose_coco, write_pose_csv
from pfa_core.predict import ActionPredictor, PosePredictor
from pfa_core.progress import Progress
from pfa_core.video.limits import DecodeLimits
from pfa_core.video_answers import Answered, Places, answer_actions, answer_poses
from pfa_core.video_poses import keypoints_of
from pfa_core.video_source import VideoSource
from pfa_store.specs import resolve

FORMATS = "json, csv, coco (poses), png (poses of images), mp4 (poses of videos)"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_VIDEO_FORMAT = {".jsonl": "json", ".json": "json", ".csv": "csv", ".mp4": "mp4"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for."""

    model: Path
    files: Sequence[Path]
    out: Path
    formats: Sequence[str]
    overrides: Mapping[str, Any]
    device: str = "auto"


@dataclass(slots=True)
class Found:
    """What came of it."""

    images: list[Json] = field(default_factory=list)
    videos: list[Json] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """For people."""

    def to_json(self) -> Json:
        """As plain values."""
        left_out = [{"file": one.name, "code": one.code, "message": one.message} for one in self.left_out]
        return {"images": self.images, "videos": self.videos, "left_out": left_out, "files": self.files}


def predicted(wanted: Wanted, *, scratch: Path) -> Generator[Progress, None, Found]:
    """Find the poses or the actions in files.

    Raises:
        ModelUnsuitable: a model that is only pretrained.
        ConfigInvalid: a value, or a format that the model has not.
        DatasetUnsuitable: not one file can be used; the message has the first few reasons.
    """
    module, manifest = load_model(wanted.model)
    found = Found()
    images, videos = _sorted_out(wanted.files, found)
    if manifest.config.kind == "pose":
        posing = PosePredictor(module, manifest.config, device=wanted.device)
        overlay = "mp4" in wanted.formats
        pose = resolve(VideoPoseConfig(), {**wanted.overrides, "overlay": overlay})
        yield from _poses_of_images(images, posing, pose, wanted, found)
        if videos:
            places = _places(scratch)
            steps = answer_poses(videos, posing, pose, places=places, limits=DecodeLimits(), model=str(wanted.model))
            yield from _of_videos(steps, wanted, found, places)
    elif manifest.config.kind == "action":
        _refuse(set(wanted.formats) - {"json", "csv"})
        acting = ActionPredictor(module, manifest.config, device=wanted.device)
        action = resolve(VideoActionConfig(), wanted.overrides)
        yield from _actions_of_images(images, acting, action, wanted, found)
        if videos:
            places = _places(scratch)
            steps = answer_actions(
                videos, acting, action, places=places, limits=DecodeLimits(), model=str(wanted.model)
            )
            yield from _of_videos(steps, wanted, found, places)
    else:
        raise ModelUnsuitable(
            f"A pose or an action model is needed; {wanted.model} is of kind {manifest.config.kind!r}."
        )
    if not found.images and not found.videos:
        raise DatasetUnsuitable(f"None of the files can be used.{reasons(found.left_out)}")
    return found


def _refuse(formats: set[str]) -> None:
    if formats:
        raise ConfigInvalid(f"--format {sorted(formats)[0]} is for poses; actions are written as json and csv.")


def _sorted_out(paths: Sequence[Path], found: Found) -> tuple[list[Path], list[VideoSource]]:
    """Images, and videos with what is known of them; folders are looked through."""
    images: list[Path] = []
    videos: list[VideoSource] = []
    for path in paths:
        inside = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        for file in inside:
            if file.suffix.lower() in IMAGE_SUFFIXES:
                images.append(file)
            elif not path.is_dir() or file.suffix.lower() in VIDEO_SUFFIXES:
                try:
                    videos.append(VideoSource.of_file(file, limits=DecodeLimits()))
                except InputError as error:
                    found.left_out.append(LeftOut.of(error, name=str(file), path=file))
    return images, videos


def _poses_of_images(
    images: Sequence[Path], predictor: PosePredictor, config: VideoPoseConfig, wanted: Wanted, found: Found
) -> Generator[Progress, None, None]:
    frames: list[Json] = []
    for number, path in enumerate(images, start=1):
        try:
            frames.append(_pose_of_image(path, predictor, config, wanted, found))
        except InputError as error:
            found.left_out.append(LeftOut.of(error, name=str(path), path=path))
        yield Progress(phase="images", step=number, total=len(images))
    if not frames:
        return
    joints = list(predictor.joints.names)
    found.images = [{"file": one["file"], "joints": joints, "people": one["people"]} for one in frames]
    if "csv" in wanted.formats:
        write_pose_csv(_named(wanted, found, "images.csv"), frames, predictor.joints)
    if "coco" in wanted.formats:
        write_pose_coco(_named(wanted, found, "images.coco.json"), frames, predictor.joints, model=str(wanted.model))
    _write_json(wanted, found)


def _pose_of_image(path: Path, predictor: PosePredictor, config: VideoPoseConfig, wanted: Wanted, found: Found) -> Json:
    with opening(ImageUnreadable):
        image = read_image(path.read_bytes(), max_pixels=DecodeLimits().max_pixels * 8)
    who: list[tuple[Box | None, float | None]] = [(box, None) for box in config.boxes] or [(None, None)]
    if config.detect == "hog":
        who = [(person.box, person.score) for person in find_people(image)]
    poses = [predictor(image, box=box) for box, _ in who]
    people = [
        {
            "id": number, "box": None if box is None else list(box), "score": score,
            "side_px": pose.crop.side_px, "keypoints": keypoints_of(pose),
        }
        for number, ((box, score), pose) in enumerate(zip(who, poses, strict=True), start=1)
    ]  # fmt: skip
    found.lines.append(f"{path}: {len(people)} {'person' if len(people) == 1 else 'people'}")
    if "png" in wanted.formats:
        name = f"{len(found.lines):04d}-{path.stem}.png"
        _named(wanted, found, name).write_bytes(write_png(overlay_people(image, poses)))
    height_px, width_px = image.shape[:2]
    return {
        "file": str(path), "frame": 0, "time_s": None, "width_px": width_px, "height_px": height_px, "people": people,
    }  # fmt: skip


def _actions_of_images(
    images: Sequence[Path], predictor: ActionPredictor, config: VideoActionConfig, wanted: Wanted, found: Found
) -> Generator[Progress, None, None]:
    looks = predictor.by(config.protocol)
    for number, path in enumerate(images, start=1):
        try:
            with opening(ImageUnreadable):
                image = read_image(path.read_bytes(), max_pixels=DecodeLimits().max_pixels * 8)
            ranked = [[label, round(p, 6)] for label, p in looks(image).ranked[: config.top]]
            found.images.append({"file": str(path), "labels": ranked})
            found.lines.append(f"{path}: {ranked[0][0]} {ranked[0][1]:.3f}")
        except InputError as error:
            found.left_out.append(LeftOut.of(error, name=str(path), path=path))
        yield Progress(phase="images", step=number, total=len(images))
    if found.images and "csv" in wanted.formats:
        with _named(wanted, found, "images.csv").open("w", newline="", encoding="utf-8") as file:
            rows = [(one["file"], label, p) for one in found.images for label, p in one["labels"]]
            csv.writer(file).writerows([("file", "label", "probability"), *rows])
    if found.images:
        _write_json(wanted, found)


def _write_json(wanted: Wanted, found: Found) -> None:
    if "json" in wanted.formats:
        _named(wanted, found, "images.json").write_text(json.dumps(found.images, indent=1))


def _of_videos(
    steps: Generator[Progress, None, Answered], wanted: Wanted, found: Found, places: Places
) -> Generator[Progress, None, None]:
    """Answers of videos, of which the files of the wanted formats are kept."""
    try:
        answered = yield from steps
    except NoUsableVideos as error:
        if not found.images:
            raise
        found.left_out.append(LeftOut(name="the videos", code=error.code, message=str(error)))
        return
    found.left_out += answered.left_out
    for name in answered.files:
        kind = "coco" if name.endswith(".coco.json") else _VIDEO_FORMAT[Path(name).suffix]
        if kind in wanted.formats:
            (places.out / name).replace(_named(wanted, found, name))
    for entry in answered.videos:
        found.videos.append(entry)
        best = entry["labels"][0] if "labels" in entry else None
        said = f"{entry['num_frames']} frames" if best is None else f"{best[0]} {best[1]:.3f}"
        found.lines.append(f"{entry['video']}: {said}")


def _places(scratch: Path) -> Places:
    places = Places(work=scratch / "pieces", out=scratch / "files")
    places.out.mkdir()
    return places


def _named(wanted: Wanted, found: Found, name: str) -> Path:
    found.files.append(name)
    return wanted.out / name
