"""Synthetic clips of people, with the truth about every joint: what the demo and the tests learn from.

Figures of round cones with clothes, faces and shadows act in random places before a hand-held camera; `pfa_core.puppet`
draws them. This module writes sets of them: videos with labels, and still images with joints, in the formats that
users bring (`file,label,group,split` as CSV, native pose JSON). Whole actors are held out for the test.
"""

import csv
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from pfa_core.errors import ConfigInvalid
from pfa_core.puppet.clip import ACTIONS, JOINTS, Clip, SceneConfig, View, render_clip

__all__ = [
    "ACTIONS", "JOINTS", "Clip", "ClipPlan", "ClipSet", "SceneConfig", "View", "make_clip_set", "make_pose_images",
    "plan_clips", "render_clip", "write_video",
]  # fmt: skip

TEST_SHARE = 0.25
"""Part of the actors that is held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """One clip of a set, before it is rendered."""

    file: str
    """Relative to the set's folder, such as `videos/walk_03.mp4`."""
    action: str
    actor: int
    seed: int
    split: str
    """`train` or `test`."""

    @property
    def group(self) -> str:
        return f"actor_{self.actor:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSet:
    """A folder of clips: `videos/*.mp4` and `labels.csv`."""

    folder: Path
    clips: tuple[ClipPlan, ...]
    config: SceneConfig

    @property
    def labels(self) -> Path:
        return self.folder / "labels.csv"


def write_video(clip: Clip, path: Path) -> None:
    """Encode a clip as MPEG-4 part 2 in mp4, near-lossless to the eye.

    FFmpeg's own `mpeg4` encoder: it needs no GPL part such as libx264, so it works with an LGPL build of FFmpeg as well
    as with the GPL one in PyAV's wheels; and it takes a millisecond a frame where libvpx-vp9 takes many. It makes no
    B frames, so frames come back in order and none is lost.
    """
    height, width = clip.frames.shape[1:3]
    with av.open(str(path), "w", format="mp4") as container:
        rate = Fraction(clip.fps).limit_denominator(1001)
        stream = container.add_stream("mpeg4", rate=rate, options={"qmin": "2", "qmax": "3", "mbd": "rd"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 8_000_000
        stream.thread_count = 1
        for pixels in clip.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def plan_clips(*, num_actors: int, seed: int, actions: Sequence[str] = ACTIONS) -> tuple[ClipPlan, ...]:
    """Every actor does every action once; a quarter of the actors, at least one, is held out as `test`.

    An actor stays in one place, as in the Weizmann set: the background says who it is, not what is done.

    Raises:
        ConfigInvalid: fewer than two actors, or an unknown action.
    """
    if num_actors < 2:
        raise ConfigInvalid(f"A set needs at least 2 actors, one of them for the test; got {num_actors}.")
    unknown = sorted(set(actions) - set(ACTIONS))
    if unknown or not actions:
        raise ConfigInvalid(f"There is no action {', '.join(unknown) or '(none given)'}; choose from {ACTIONS}.")
    num_test = max(1, round(num_actors * TEST_SHARE))
    draw = np.random.default_rng([seed, num_actors])
    held_out = set(draw.permutation(num_actors)[:num_test].tolist())
    return tuple(
        ClipPlan(
            file=f"videos/{action}_{actor:02d}.mp4", action=action, actor=actor,
            seed=int(np.random.SeedSequence([seed, actor, ACTIONS.index(action)]).generate_state(1)[0]),
            split="test" if actor in held_out else "train",
        )
        for actor in range(num_actors)
        for action in actions
    )  # fmt: skip


def make_clip_set(
    folder: Path, *, num_actors: int, seed: int, config: SceneConfig, actions: Sequence[str] = ACTIONS,
    num_threads: int = 2,
) -> ClipSet:  # fmt: skip
    """Write `videos/<action>_<actor>.mp4` and `labels.csv` into `folder`; the same arguments, the same frames.

    Raises:
        ConfigInvalid: see `plan_clips`.
    """
    clips = plan_clips(num_actors=num_actors, seed=seed, actions=actions)
    (folder / "videos").mkdir(parents=True, exist_ok=True)

    def film(plan: ClipPlan) -> None:
        clip = render_clip(plan.action, actor=plan.actor, place=plan.actor, seed=plan.seed, config=config)
        write_video(clip, folder / plan.file)

    with ThreadPoolExecutor(num_threads) as pool:  # rendering and encoding release the interpreter's lock
        list(pool.map(film, clips))
    made = ClipSet(folder=folder, clips=clips, config=config)
    with made.labels.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("file", "label", "group", "split"))
        table.writerows((clip.file, clip.action, clip.group, clip.split) for clip in clips)
    return made


def make_pose_images(
    folder: Path, clips: Sequence[ClipPlan], *, per_clip: int, seed: int, config: SceneConfig, num_threads: int = 2
) -> Path:
    """Write frames of the clips as `images/*.jpg` and their joints as `annotations.json`; returns the latter.

    The JSON is the native schema, with `split` and `group` (the actor) for each person.

    Args:
        per_clip: frames of each clip, at most all; one at a random place in each of as many equal stretches.

    Raises:
        ConfigInvalid: `per_clip` is not in 1..`config.num_frames`.
    """
    if not 1 <= per_clip <= config.num_frames:
        raise ConfigInvalid(f"per_clip must lie in 1..{config.num_frames}, got {per_clip}")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    edges = np.linspace(0, config.num_frames, per_clip + 1).astype(int)
    draw = np.random.default_rng(seed)
    chosen = [draw.integers(edges[:-1], edges[1:]).tolist() for _ in clips]

    def snap(number: int) -> list[dict[str, Any]]:
        plan, frames = clips[number], chosen[number]
        clip = render_clip(plan.action, actor=plan.actor, place=plan.actor, seed=plan.seed, config=config, only=frames)
        people = []
        for row, frame in enumerate(frames):
            name = f"images/{plan.action}_{plan.actor:02d}_{frame:03d}.jpg"
            _write_jpeg(folder / name, clip, row)
            person = _person(clip, row)
            people.append({"image": name, **person, "group": plan.group, "split": plan.split})
        return people

    with ThreadPoolExecutor(num_threads) as pool:
        people = [person for found in pool.map(snap, range(len(clips))) for person in found]
    for number, person in enumerate(people):
        person["person_id"] = number
    path = folder / "annotations.json"
    path.write_text(
        json.dumps({
            "dataset": "PFA synthetic people",
            "schema": "one record per person; joints: name -> [x, y, visible], boxes: [x, y, w, h], all in px of the "
            "upright image; visible: 0 = outside the image, 1 = behind another part of the body, 2 = visible",
            "joint_names": list(JOINTS.names),
            "count": len(people),
            "annotations": people,
        }, indent=1) + "\n", encoding="utf-8",
    )  # fmt: skip
    return path


def _write_jpeg(path: Path, clip: Clip, row: int) -> None:
    bgr = cv2.cvtColor(clip.frames[row], cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    path.write_bytes(encoded.tobytes())


def _person(clip: Clip, row: int) -> dict[str, Any]:
    """One person in the native schema, without image name, group and split."""
    height, width = clip.frames.shape[1:3]
    points = zip(JOINTS.names, clip.joints_px[row], clip.visible[row], strict=True)
    joints = {name: [round(float(x), 2), round(float(y), 2), int(seen)] for name, (x, y), seen in points if seen}
    shoulder, hip = (clip.joints_px[row, JOINTS.index(name)] for name in ("left_shoulder", "right_hip"))
    return {
        "person_id": 0,
        "width": width,
        "height": height,
        "joints": joints,
        "person_box": [round(value, 2) for value in clip.person_box(row)],
        "torso_box": [round(value, 2) for value in clip.torso_box(row)],
        "torso_diameter": round(float(np.hypot(*(shoulder - hip))), 2),
    }
