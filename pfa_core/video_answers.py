"""The answers of a model about videos, as files: what a prediction job and `pfa predict` have in common.

Per video, numbered from 1: `frames-0001.jsonl` and `overlay-0001.mp4` of poses, `windows-0001.jsonl` of actions; of all
videos together: `poses.csv` and `poses.coco.json`, or `actions.csv` and `actions.json`.
"""

import csv
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pfa_core import video_actions, video_poses
from pfa_core.config.video_answers import VideoActionConfig, VideoPoseConfig
from pfa_core.errors import InputError, NoUsableVideos
from pfa_core.left_out import LeftOut, facts, reasons
from pfa_core.pose_files import Listed, write_lines, write_pose_coco, write_pose_csv
from pfa_core.predict import ActionPredictor, PosePredictor
from pfa_core.progress import Progress
from pfa_core.video.limits import DecodeLimits
from pfa_core.video_overlay import write_overlay
from pfa_core.video_source import Pieces, VideoSource

Json = dict[str, Any]

POSE_FILES = ("poses.csv", "poses.coco.json")
ACTION_FILES = ("actions.csv", "actions.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was found out."""

    videos: list[Json]
    """Of each video `video` (id), `file`, `width_px`, `height_px`, `fps`, `damage`, the names of its files, and
    `num_frames`, or `num_windows`, `labels` and `ranges`."""
    left_out: list[LeftOut]
    files: list[str]
    """Names of all files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where answers are worked out and left."""

    work: Path
    """Pieces; what is begun here is gone on with."""
    out: Path
    """The files."""


@dataclass(slots=True)
class _Found:
    """Videos that are worked out, each with its pieces, and those that cannot be used."""

    videos: list[tuple[int, VideoSource, Pieces]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def answer_poses(
    videos: Sequence[VideoSource],
    predictor: PosePredictor,
    config: VideoPoseConfig,
    *,
    places: Places,
    limits: DecodeLimits,
    model: str,
) -> Generator[Progress, None, Answered]:
    """Find the poses of videos and write them down.

    Raises:
        NoUsableVideos: not one of them decodes, or holds the boxes; the message has the first few reasons.
    """
    counts = [video_poses.num_looked_at(video, config) for video in videos]
    work = partial(video_poses.posed, predictor=predictor, config=config, limits=limits)
    found = yield from _worked_out(videos, work, places=places, phase="poses", counts=counts)
    entries: list[Json] = []
    listed: list[tuple[Path, Json]] = []
    for number, video, pieces in found.videos:
        name = f"frames-{number:04d}.jsonl"
        count = write_lines(places.out / name, video_poses.smoothed(pieces, config))
        entries.append({**_about(video, pieces), "num_frames": count, "frames": name})
        size = {"width_px": video.width_px, "height_px": video.height_px}
        listed.append((places.out / name, {"video": video.id, "file": video.name, **size}))
        yield Progress(phase="files", step=len(entries), total=len(found.videos))
    write_pose_csv(places.out / "poses.csv", Listed(listed), predictor.joints)
    yield Progress(phase="files", step=len(entries), total=len(found.videos))
    write_pose_coco(places.out / "poses.coco.json", Listed(listed), predictor.joints, model=model)
    if config.overlay:
        yield from _overlays(found, entries, predictor, config, places=places, limits=limits)
    return Answered(
        videos=entries, left_out=found.left_out, files=_names(entries, "frames", "overlay", common=POSE_FILES)
    )


def answer_actions(
    videos: Sequence[VideoSource],
    predictor: ActionPredictor,
    config: VideoActionConfig,
    *,
    places: Places,
    limits: DecodeLimits,
    model: str,
) -> Generator[Progress, None, Answered]:
    """Judge what is done in videos and write it down. Raises: as `answer_poses`."""
    counts = [video_actions.num_windows(video, config) for video in videos]
    work = partial(video_actions.acted, predictor=predictor, config=config, limits=limits)
    found = yield from _worked_out(videos, work, places=places, phase="actions", counts=counts)
    entries: list[Json] = []
    for number, video, pieces in found.videos:
        name = f"windows-{number:04d}.jsonl"
        count = write_lines(places.out / name, video_actions.judged(pieces, video, predictor.labels, config))
        entries.append({
            **_about(video, pieces),
            "num_windows": count,
            "labels": video_actions.overall(pieces, predictor.labels, top=config.top),
            "ranges": video_actions.ranges(pieces, video, predictor.labels),
            "windows": name,
        })  # fmt: skip
        yield Progress(phase="files", step=len(entries), total=len(found.videos))
    _write_action_csv(places.out / "actions.csv", entries)
    document = {"model": model, "videos": entries}
    (places.out / "actions.json").write_text(json.dumps(document, indent=1, allow_nan=False))
    return Answered(videos=entries, left_out=found.left_out, files=_names(entries, "windows", common=ACTION_FILES))


def _worked_out(
    videos: Sequence[VideoSource],
    work: Callable[..., Generator[int, None, Pieces]],
    *,
    places: Places,
    phase: str,
    counts: Sequence[int],
) -> Generator[Progress, None, _Found]:
    """`counts`: what there is to do of each video."""
    found = _Found()
    done, total = 0, sum(counts)
    for number, (video, count) in enumerate(zip(videos, counts, strict=True), start=1):
        yield Progress(phase=phase, step=done, total=total)
        steps = work(video, folder=places.work / f"{number:04d}")
        try:
            while True:
                yield Progress(phase=phase, step=done + min(count, next(steps)), total=total)
        except StopIteration as end:
            found.videos.append((number, video, end.value))
        except InputError as error:
            found.left_out.append(LeftOut(name=video.name, code=error.code, message=str(error), path=video.path))
        finally:
            steps.close()
        done += count
    if not found.videos:
        raise NoUsableVideos(
            f"None of the {len(videos)} videos can be used.{reasons(found.left_out)}", left_out=facts(found.left_out)
        )
    return found


def _overlays(
    found: _Found,
    entries: Sequence[Json],
    predictor: PosePredictor,
    config: VideoPoseConfig,
    *,
    places: Places,
    limits: DecodeLimits,
) -> Generator[Progress, None, None]:
    total, done = sum(entry["num_frames"] for entry in entries), 0
    for (number, video, pieces), entry in zip(found.videos, entries, strict=True):
        entry["overlay"] = f"overlay-{number:04d}.mp4"
        frames = video_poses.smoothed(pieces, config)
        step = config.frame_step
        path = places.out / entry["overlay"]
        for written in write_overlay(path, video, frames, predictor.joints, frame_step=step, limits=limits):
            yield Progress(phase="overlay", step=done + written, total=total)
        done += entry["num_frames"]
        yield Progress(phase="overlay", step=done, total=total)


def _about(video: VideoSource, pieces: Pieces) -> Json:
    last = pieces.last()
    assert last is not None
    return {
        "video": video.id,
        "file": video.name,
        "width_px": video.width_px,
        "height_px": video.height_px,
        "fps": video.fps,
        "damage": last["damage"],
    }


def _write_action_csv(path: Path, entries: Sequence[Json]) -> None:
    """A row a stretch of one label."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "start_s", "end_s", "label", "probability"))
        for entry in entries:
            for one in entry["ranges"]:
                writer.writerow([entry["file"], one["start_s"], one["end_s"], one["label"], one["probability"]])


def _names(entries: Sequence[Json], *members: str, common: Sequence[str]) -> list[str]:
    """Names of all files: those of each video, then those of all together."""
    return [entry[member] for entry in entries for member in members if member in entry] + list(common)
