"""Synthetic clips: the labels agree with the pixels, the files with the labels, and a seed decides everything."""

import csv
import json
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pfa_core.errors import ConfigInvalid
from pfa_core.skeleton import LSP
from pfa_core.synthetic import (
    ACTIONS,
    JOINTS,
    Clip,
    SceneConfig,
    make_clip_set,
    make_pose_images,
    plan_clips,
    render_clip,
    write_video,
)

SHORT = SceneConfig(num_frames=10)
CALM = SceneConfig(num_frames=12, noise=0.0, shake_px=0.0)


@pytest.fixture(scope="module")
def clips() -> dict[str, Clip]:
    """One clip of each action, by different actors, without noise."""
    return {action: render_clip(action, actor=i, seed=70 + i, config=CALM) for i, action in enumerate(ACTIONS)}


def test_joints_are_lsp_and_the_nose() -> None:
    assert JOINTS.names == (*LSP.names, "nose")


def test_shapes_and_metadata(clips: dict[str, Clip]) -> None:
    for i, (action, clip) in enumerate(clips.items()):
        assert clip.frames.shape == (12, 240, 320, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.joints_px.shape == (12, len(JOINTS), 2)
        assert clip.visible.shape == (12, len(JOINTS))
        assert (clip.action, clip.actor, clip.fps) == (action, i, 25.0)


def test_the_whole_body_stays_in_the_picture() -> None:
    for number, action in enumerate(ACTIONS):
        clip = render_clip(action, actor=20 + number, seed=number, config=SceneConfig(num_frames=36, noise=0))
        assert (clip.visible > 0).all(), action
        edges = (clip.silhouette[:, [0, -1]].sum(), clip.silhouette[:, :, [0, -1]].sum())
        assert edges == (0, 0), action


def test_the_figure_covers_its_joints(clips: dict[str, Clip]) -> None:
    for action, clip in clips.items():
        for t, points in enumerate(clip.joints_px):
            near = cv2.dilate(clip.silhouette[t], np.ones((5, 5), np.uint8))  # head top and nose lie on its edge
            for name, (x, y) in zip(JOINTS.names, points, strict=True):
                cover = near if name in {"head_top", "nose"} else clip.silhouette[t]
                assert cover[int(y), int(x)] > 127, (action, t, name)


def test_joints_move_as_the_pixels_do(clips: dict[str, Clip]) -> None:
    """Dense flow between frames, found by OpenCV, at each seen joint, is the joint's own displacement."""
    engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    measured, told = [], []
    for clip in clips.values():
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in clip.frames]
        for t in range(0, 11):
            flow = np.asarray(engine.calc(grey[t], grey[t + 1], np.zeros((240, 320, 2), np.float32)))
            for name in ("left_hip", "right_hip", "left_knee", "right_knee", "neck", "left_shoulder", "right_shoulder"):
                k = JOINTS.index(name)
                if clip.visible[t, k] == 2 and clip.visible[t + 1, k] == 2:
                    x, y = clip.joints_px[t, k].astype(int)
                    measured.append(flow[y, x])
                    told.append(clip.joints_px[t + 1, k] - clip.joints_px[t, k])
    error = np.linalg.norm(np.array(measured) - np.array(told), axis=1)
    assert len(error) > 300
    assert np.linalg.norm(told, axis=1).max() > 3, "the clips must move for this to say something"
    assert np.median(error) < 0.5
    assert np.quantile(error, 0.8) < 1.5


def test_limbs_never_look_longer_than_their_longest(clips: dict[str, Clip]) -> None:
    """A limb's length in the picture is its length in space times a cosine: bounded by the body's height."""
    for clip in clips.values():
        points = {name: clip.joints_px[:, k].astype(float) for k, name in enumerate(JOINTS.names)}
        for side in ("left", "right"):
            shank = np.linalg.norm(points[f"{side}_knee"] - points[f"{side}_ankle"], axis=1)
            thigh = np.linalg.norm(points[f"{side}_knee"] - points[f"{side}_hip"], axis=1)
            # a standing person of height 1 has hips at about 0.53; no leg is longer than the person is tall
            height = np.ptp(clip.joints_px[..., 1], axis=1).max()
            assert (shank + thigh).max() < 0.75 * height


def test_left_is_the_persons_left() -> None:
    """Who faces the camera has the left shoulder on the right of the picture."""
    for seed in range(4):
        clip = render_clip("wave_both", actor=seed, seed=seed, config=SceneConfig(num_frames=2))
        assert abs(clip.view.heading_deg) <= 50
        left, right = (clip.joints_px[:, JOINTS.index(f"{side}_shoulder"), 0] for side in ("left", "right"))
        assert (left > right).all()


def test_the_far_arm_is_hidden_when_seen_from_the_side() -> None:
    """Among walkers, the hip turned away from the camera is hidden more often than the near one."""
    hidden = {"near": 0, "far": 0}
    for seed in range(6):
        clip = render_clip("walk", actor=seed, seed=seed, config=SHORT)
        near = "left" if clip.view.heading_deg < 0 else "right"  # facing left, the left side is towards the camera
        for side in ("left", "right"):
            seen = clip.visible[:, JOINTS.index(f"{side}_hip")]
            hidden["near" if side == near else "far"] += int((seen == 1).sum())
    assert hidden["far"] > 3 * hidden["near"]


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (render_clip("squat", actor=3, seed=9, config=SHORT) for _ in range(2))
    assert first.frames.tobytes() == second.frames.tobytes()
    assert first.joints_px.tobytes() == second.joints_px.tobytes()
    other = render_clip("squat", actor=3, seed=10, config=SHORT)
    assert other.frames.tobytes() != first.frames.tobytes()


def test_single_frames_are_those_of_the_clip() -> None:
    whole = render_clip("punch", actor=1, seed=4, config=SHORT)
    part = render_clip("punch", actor=1, seed=4, config=SHORT, only=[2, 7])
    np.testing.assert_array_equal(part.frames, whole.frames[[2, 7]])
    np.testing.assert_array_equal(part.joints_px, whole.joints_px[[2, 7]])
    np.testing.assert_array_equal(part.visible, whole.visible[[2, 7]])


def test_boxes_are_tight(clips: dict[str, Clip]) -> None:
    clip = clips["bend"]
    left, top, width, height = clip.person_box(5)
    points = clip.joints_px[5]
    assert (left, top) == (points[:, 0].min(), points[:, 1].min())
    assert (left + width, top + height) == pytest.approx((points[:, 0].max(), points[:, 1].max()), abs=1e-3)
    torso = points[[JOINTS.index(f"{s}_{j}") for s in ("left", "right") for j in ("shoulder", "hip")]]
    assert clip.torso_box(5)[2:] == pytest.approx(np.ptp(torso, axis=0), abs=1e-3)


def _decode(path: Path) -> tuple[NDArray[np.uint8], float]:
    with av.open(str(path)) as container:
        frames = np.array([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], dtype=np.uint8)
        rate = container.streams.video[0].average_rate
    assert rate is not None
    return frames, float(rate)


def test_a_written_video_decodes_to_its_frames(tmp_path: Path) -> None:
    clip = render_clip("run", actor=2, seed=5, config=SceneConfig(num_frames=12))
    write_video(clip, tmp_path / "run.mp4")
    frames, fps = _decode(tmp_path / "run.mp4")
    assert frames.shape == clip.frames.shape
    assert fps == 25.0
    for shown, drawn in zip(frames, clip.frames, strict=True):
        error = np.mean((shown.astype(float) - drawn.astype(float)) ** 2)
        assert 10 * np.log10(255**2 / error) > 31  # colour is stored at half size
        luma = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float) for image in (shown, drawn)]
        assert 10 * np.log10(255**2 / np.mean((luma[0] - luma[1]) ** 2)) > 36


def test_a_plan_holds_whole_actors_out() -> None:
    clips = plan_clips(num_actors=8, seed=3)
    assert len(clips) == 8 * len(ACTIONS)
    split_of = {clip.actor: clip.split for clip in clips}
    assert all(split_of[clip.actor] == clip.split for clip in clips)
    assert sorted(split_of.values()) == ["test"] * 2 + ["train"] * 6
    assert len({clip.seed for clip in clips}) == len(clips)
    assert plan_clips(num_actors=8, seed=3) == clips


def test_a_clip_set_on_disk(tmp_path: Path) -> None:
    tiny = SceneConfig(num_frames=3)
    made = make_clip_set(tmp_path, num_actors=2, seed=1, config=tiny, actions=("walk", "bend"))
    with made.labels.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["file", "label", "group", "split"]
    assert [row["file"] for row in rows] == [clip.file for clip in made.clips]
    assert {row["label"] for row in rows} == {"walk", "bend"}
    assert {row["split"] for row in rows} == {"train", "test"}
    for row in rows:
        frames, _ = _decode(tmp_path / row["file"])
        assert len(frames) == 3
    again = make_clip_set(
        tmp_path / "again", num_actors=2, seed=1, config=tiny, actions=("walk", "bend"), num_threads=1
    )
    for clip in again.clips:
        np.testing.assert_array_equal(_decode(tmp_path / clip.file)[0], _decode(tmp_path / "again" / clip.file)[0])


def _read_native(path: Path) -> list[dict[str, Any]]:
    """An independent reader of the native schema: fails on whatever another program could not read."""
    document = json.loads(path.read_text())
    names = document["joint_names"]
    assert len(set(names)) == len(names)
    people = document["annotations"]
    for person in people:
        assert (path.parent / person["image"]).is_file()
        image = cv2.imread(str(path.parent / person["image"]))
        assert image is not None
        height, width = image.shape[:2]
        assert (person["width"], person["height"]) == (width, height)
        assert set(person["joints"]) <= set(names)
        for x, y, seen in person["joints"].values():
            assert 0 <= x <= width
            assert 0 <= y <= height
            assert seen in (1, 2)
        for name in ("person_box", "torso_box"):
            left, top, wide, high = person[name]
            assert min(wide, high) >= 0
            assert left + wide <= width
            assert top + high <= height
    return list(people)


def test_pose_images_follow_the_native_schema(tmp_path: Path) -> None:
    config = SceneConfig(num_frames=8)
    clips = plan_clips(num_actors=4, seed=2, actions=("jump", "punch"))
    people = _read_native(make_pose_images(tmp_path, clips, per_clip=3, seed=0, config=config))
    assert len(people) == len(clips) * 3
    assert [person["person_id"] for person in people] == list(range(len(people)))
    by_group: dict[str, set[str]] = {}
    for person in people:
        by_group.setdefault(person["group"], set()).add(person["split"])
    assert sorted(map(sorted, by_group.values())) == [["test"], ["train"], ["train"], ["train"]]
    assert len({person["image"] for person in people}) == len(people)


def test_pose_images_have_the_keys_of_the_shared_data(tmp_path: Path, test_data: Path) -> None:
    native = json.loads((test_data / "pose_images/lspet/annotations.json").read_text())["annotations"][0]
    clips = plan_clips(num_actors=2, seed=2, actions=("walk",))
    path = make_pose_images(tmp_path, clips, per_clip=1, seed=0, config=SceneConfig(num_frames=2))
    ours = json.loads(path.read_text())["annotations"][0]
    assert set(native) - {"dup_cluster"} <= set(ours)
    for key in set(native) & set(ours):
        assert isinstance(ours[key], type(native[key])), key


@pytest.mark.parametrize(
    "broken",
    [
        lambda folder: render_clip("fly", actor=0, seed=0, config=SHORT),
        lambda folder: render_clip("walk", actor=0, seed=0, config=SHORT, only=[10]),
        lambda folder: render_clip("walk", actor=0, seed=0, config=SHORT, only=[]),
        lambda folder: plan_clips(num_actors=1, seed=0),
        lambda folder: plan_clips(num_actors=2, seed=0, actions=("fly",)),
        lambda folder: plan_clips(num_actors=2, seed=0, actions=()),
        lambda folder: make_pose_images(folder, plan_clips(num_actors=2, seed=0), per_clip=0, seed=0, config=SHORT),
        lambda folder: SceneConfig(width_px=321),
        lambda folder: SceneConfig(num_frames=0),
        lambda folder: SceneConfig(noise=-1.0),
    ],
)
def test_what_cannot_be_made_says_so(broken: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        broken(tmp_path)
