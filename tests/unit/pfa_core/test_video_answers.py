"""Answers about encoded videos: each frame's pose is that of the frame alone; windows and stretches by hand."""

import csv
import itertools
import json
from collections import deque
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pfa_core.config.net import NetConfig
from pfa_core.config.video_answers import VideoActionConfig, VideoPoseConfig
from pfa_core.errors import BoxOutsideImage, ConfigInvalid, NoUsableVideos, VideoUnreadable
from pfa_core.manifest import ModelConfig
from pfa_core.models import build
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.one_euro import OneEuro
from pfa_core.predict import ActionPredictor, PosePredictor
from pfa_core.progress import run_to_end
from pfa_core.skeleton import FLIC
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from pfa_core.video_actions import acted, judged, overall, ranges, window_frames
from pfa_core.video_answers import Answered, Places, answer_actions, answer_poses
from pfa_core.video_poses import PIECE_FRAMES, posed, smoothed
from pfa_core.video_source import Pieces, VideoSource
from tests.integration.clips import write_clip

LIMITS = DecodeLimits()
LABELS = ("run", "walk", "wave")
NET = NetConfig(width=1 / 32, crop_px=64, norm="batch")


@pytest.fixture(scope="module")
def poser() -> PosePredictor:
    config = ModelConfig(kind="pose", net=NET, joints=FLIC)
    torch.manual_seed(0)
    return PosePredictor(build(config), config)


ACTION = ModelConfig(kind="action", net=NET, labels=LABELS, settings={"short_side_px": 64, "test_frames": 3})


def action_net() -> nn.Module:
    """The same weights whenever it is asked."""
    torch.manual_seed(0)
    return build(ACTION).eval()


@pytest.fixture(scope="module")
def actor() -> ActionPredictor:
    return ActionPredictor(action_net(), ACTION)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> VideoSource:
    path = write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", num_frames=2 * PIECE_FRAMES + 7)
    return VideoSource.of_file(path, limits=LIMITS)


def ended(steps: Any) -> Pieces:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Pieces = end.value
            return found


@pytest.mark.parametrize("step", [1, 3])
def test_a_frame_has_the_pose_that_it_has_alone(
    tmp_path: Path, poser: PosePredictor, clip: VideoSource, step: int
) -> None:
    boxes = ((0.0, 0.0, 40.0, 60.0), (30.0, 5.0, 45.0, 50.0))
    config = VideoPoseConfig(boxes=boxes, frame_step=step)
    pieces = ended(posed(clip, poser, config, folder=tmp_path / "work", limits=LIMITS))
    frames = list(smoothed(pieces, config))
    assert [frame["frame"] for frame in frames] == list(range(0, clip.num_frames, step))
    images = itertools.islice(read_frames(clip.path, limits=LIMITS), 0, None, step)
    for frame, image in zip(frames, images, strict=True):
        assert frame["time_s"] == pytest.approx(frame["frame"] / 25, abs=1e-6)
        for person, box in zip(frame["people"], boxes, strict=True):
            alone = poser(image, box=box)
            assert person["box"] == list(box)
            assert np.allclose([k[:2] for k in person["keypoints"]], alone.keypoints_px, atol=2e-2)
            assert np.allclose([k[2] for k in person["keypoints"]], alone.scores, atol=1e-3)


def test_what_is_stopped_anywhere_goes_on_to_the_same_answer(
    tmp_path: Path, poser: PosePredictor, actor: ActionPredictor, clip: VideoSource
) -> None:
    pose, action = VideoPoseConfig(frame_step=2, detect="hog"), VideoActionConfig(window_s=0.2, stride_s=0.12)

    def stopped(find: Any, name: str) -> Pieces:
        """Closed after each piece, and begun again."""
        while True:
            with closing(find(folder=tmp_path / name)) as steps:
                if next(steps, None) is None:
                    return Pieces(tmp_path / name)

    for name, find in (
        ("pose", partial(posed, clip, poser, pose, limits=LIMITS)),
        ("action", partial(acted, clip, actor, action, limits=LIMITS)),
    ):
        whole = ended(find(folder=tmp_path / f"{name}-whole"))
        assert whole.count > 1
        assert list(stopped(find, f"{name}-parts")) == list(whole)


def test_smoothing_is_the_filter_of_each_person(tmp_path: Path, poser: PosePredictor, clip: VideoSource) -> None:
    raw = VideoPoseConfig()
    pieces = ended(posed(clip, poser, raw, folder=tmp_path / "work", limits=LIMITS))
    config = VideoPoseConfig(smoothing="one_euro", min_cutoff_hz=0.7, beta=1.5)
    expected = OneEuro(min_cutoff_hz=0.7, beta=1.5)
    moved = 0.0
    for before, after in zip(smoothed(pieces, raw), smoothed(pieces, config), strict=True):
        (one,), (other,) = before["people"], after["people"]
        points = np.array([k[:2] for k in one["keypoints"]])
        wanted = expected(points, time_s=before["time_s"], side_px=80.0)
        assert np.allclose([k[:2] for k in other["keypoints"]], wanted, atol=2e-3)
        moved = max(moved, float(np.abs(wanted - points).max()))
    assert moved > 0.1, "the filter had something to do"


def test_a_window_has_the_answer_that_it_has_alone(tmp_path: Path, actor: ActionPredictor, clip: VideoSource) -> None:
    config = VideoActionConfig(window_s=0.4, stride_s=0.2, top=2, protocol="crops250")
    pieces = ended(acted(clip, actor, config, folder=tmp_path / "work", limits=LIMITS))
    frames = np.stack(list(read_frames(clip.path, limits=LIMITS, short_side_px=64)))
    starts = range(0, len(frames) - 10 + 1, 5)
    alone = [actor(frames[first : first + 10]) for first in starts]
    found = list(judged(pieces, clip, LABELS, config))
    assert [(w["start_s"], w["end_s"]) for w in found] == [(round(n / 25, 6), round((n + 10) / 25, 6)) for n in starts]
    for window, expected in zip(found, alone, strict=True):
        assert [label for label, _ in window["labels"]] == [label for label, _ in expected.ranked[:2]]
        assert np.allclose([p for _, p in window["labels"]], [p for _, p in expected.ranked[:2]], atol=1e-5)
    mean = np.mean([one.probabilities for one in alone], axis=0)
    assert dict(overall(pieces, LABELS, top=3)) == pytest.approx(dict(zip(LABELS, mean, strict=True)), abs=1e-5)


def test_a_video_shorter_than_a_window_is_one(tmp_path: Path, actor: ActionPredictor, clip: VideoSource) -> None:
    config = VideoActionConfig(window_s=10, protocol="crops250")
    pieces = ended(acted(clip, actor, config, folder=tmp_path / "work", limits=LIMITS))
    (window,) = judged(pieces, clip, LABELS, config)
    frames = np.stack(list(read_frames(clip.path, limits=LIMITS, short_side_px=64)))
    assert np.allclose([p for _, p in window["labels"]], [p for _, p in actor(frames).ranked], atol=1e-5)
    assert (window["start_s"], window["end_s"]) == (0, pytest.approx(len(frames) / 25))


def test_a_window_is_bounded_however_many_frames_a_second_has(tmp_path: Path) -> None:
    video = VideoSource(id="v", name="v", path=tmp_path, num_frames=9000, fps=1000.0, width_px=8, height_px=8)
    assert window_frames(video, VideoActionConfig(window_s=5, stride_s=1)) == (600, 1000)
    assert window_frames(replace(video, fps=25.0), VideoActionConfig(window_s=5, stride_s=1)) == (125, 25)


def test_stretches_by_hand(tmp_path: Path) -> None:
    """Windows of 4 frames every 2 frames at 1 frame a second: their middles are at 2, 4, 6 and 8 s."""
    video = VideoSource(id="v", name="v", path=tmp_path, num_frames=10, fps=1.0, width_px=8, height_px=8)
    pieces = Pieces(tmp_path)
    said = [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.9, 0.0], [0.6, 0.2, 0.2]]
    for n, probabilities in enumerate(said):
        window = {"first": 2 * n, "last": 2 * n + 3, "probabilities": probabilities}
        pieces.add({"windows": [window], "ends": n == 3, "damage": None})
    assert ranges(pieces, video, LABELS) == [
        {"start_s": 0.0, "end_s": 5.0, "label": "run", "probability": 0.6},
        {"start_s": 5.0, "end_s": 7.0, "label": "walk", "probability": 0.9},
        {"start_s": 7.0, "end_s": 10.0, "label": "run", "probability": 0.6},
    ]


def test_fast_looks_at_fewer_frames_in_their_centre(actor: ActionPredictor) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (9, 80, 72, 3), dtype=np.uint8)
    fast = actor.by("fast")
    assert actor.by("fast") is fast
    assert actor.by("crops250") is actor
    sample = fast.sample(frames)
    assert len(sample.frames_u8) == 3, "the model's own number is smaller than that of the protocol"
    side, height, width = 64, *sample.frames_u8.shape[1:3]
    top, left = (height - side) // 8 * 4, (width - side) // 8 * 4
    crops = sample.frames_u8[:, top : top + side, left : left + side]
    both = np.concatenate([crops, crops[:, :, ::-1]])
    rows = torch.from_numpy(np.ascontiguousarray(both)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = action_net()(normalise_rgb(rows)).softmax(dim=1).mean(dim=0).numpy()
    assert np.allclose(fast(frames).probabilities, expected, atol=1e-5)


def poses(videos: list[VideoSource], poser: PosePredictor, config: VideoPoseConfig, tmp_path: Path) -> Answered:
    places = Places(work=tmp_path / "work", out=tmp_path / "out")
    places.out.mkdir()
    steps = answer_poses(videos, poser, config, places=places, limits=LIMITS, model="poser@1")
    return run_to_end(steps, lambda progress: None)


def test_files_of_poses_agree_with_each_other(tmp_path: Path, poser: PosePredictor, clip: VideoSource) -> None:
    damaged = tmp_path / "cut.mp4"
    damaged.write_bytes(clip.path.read_bytes()[:200])
    videos = [clip, VideoSource(id="cut", name="cut.mp4", path=damaged, num_frames=9, fps=25, width_px=8, height_px=8)]
    found = poses(videos, poser, VideoPoseConfig(frame_step=4), tmp_path)
    out = tmp_path / "out"
    assert sorted(found.files) == sorted(path.name for path in out.iterdir())
    ((left_out,), (entry,)) = found.left_out, found.videos
    assert (left_out.name, left_out.code, entry["file"]) == ("cut.mp4", "video_unreadable", "clip.mp4")
    frames = [json.loads(line) for line in (out / entry["frames"]).read_text().splitlines()]
    assert len(frames) == entry["num_frames"] == -(-clip.num_frames // 4)
    rows = list(csv.DictReader((out / "poses.csv").read_text().splitlines()))
    listed = [k[:3] for frame in frames for person in frame["people"] for k in person["keypoints"]]
    assert [[float(row["x_px"]), float(row["y_px"]), float(row["score"])] for row in rows] == listed
    assert [row["joint"] for row in rows[:9]] == list(FLIC.names)
    coco = json.loads((out / "poses.coco.json").read_text())
    assert [image["frame"] for image in coco["images"]] == [frame["frame"] for frame in frames]
    assert len(coco["annotations"]) == len(frames)
    flat = [number for one in coco["annotations"] for number in one["keypoints"]]
    assert np.allclose(np.reshape(flat, (-1, 3))[:, :2], [k[:2] for k in listed], atol=0.006)
    info = probe(out / entry["overlay"], limits=LIMITS)
    assert (info.num_frames, info.width_px, info.height_px) == (len(frames), 80, 64)
    assert info.fps == pytest.approx(25 / 4, rel=1e-2)


def test_what_lies_before_the_damage_is_kept_and_the_damage_told(
    tmp_path: Path, poser: PosePredictor, actor: ActionPredictor, clip: VideoSource
) -> None:
    content = bytearray(clip.path.read_bytes())
    start = len(content) * 8 // 10
    content[start : start + 3000] = b"\xff" * 3000
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(content)
    whole: deque[object] = deque()
    with pytest.raises(VideoUnreadable) as damage:
        whole.extend(read_frames(torn, limits=LIMITS))
    num_whole = len(whole)
    assert 10 < num_whole < clip.num_frames
    video = replace(clip, path=torn)
    pieces = ended(posed(video, poser, VideoPoseConfig(), folder=tmp_path / "pose", limits=LIMITS))
    last = pieces.last()
    assert last is not None
    assert last["damage"] == {"code": "video_unreadable", "message": str(damage.value)}
    assert len(list(smoothed(pieces, VideoPoseConfig()))) == num_whole
    config = VideoActionConfig(window_s=0.2, stride_s=0.2)
    pieces = ended(acted(video, actor, config, folder=tmp_path / "action", limits=LIMITS))
    last = pieces.last()
    assert last is not None
    assert last["damage"]["code"] == "video_unreadable"
    assert len(list(judged(pieces, video, LABELS, config))) == num_whole // 5


def test_a_stop_in_any_phase_changes_no_file(tmp_path: Path, poser: PosePredictor, clip: VideoSource) -> None:
    config = VideoPoseConfig(frame_step=2, smoothing="one_euro")
    expected = poses([clip], poser, config, tmp_path)
    phases, stops = set(), 0
    while True:
        places = Places(work=tmp_path / "work-again", out=tmp_path / f"out-{stops}")
        places.out.mkdir()
        steps = answer_poses([clip], poser, config, places=places, limits=LIMITS, model="poser@1")
        progress = None
        with closing(steps):
            for _ in range(stops + 1):
                progress = next(steps, None)
                if progress is not None:
                    phases.add(progress.phase)
        if progress is None:
            break
        stops += 1
    assert phases == {"poses", "files", "overlay"}
    for name in expected.files:
        if not name.endswith(".mp4"):
            assert (places.out / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert sorted(path.name for path in places.out.iterdir()) == sorted(expected.files), "nothing else is left"


def test_nothing_usable_is_an_error_that_says_why(tmp_path: Path, poser: PosePredictor, clip: VideoSource) -> None:
    with pytest.raises(NoUsableVideos, match="does not touch"):
        poses([clip], poser, VideoPoseConfig(boxes=((500.0, 0.0, 10.0, 10.0),)), tmp_path)
    with pytest.raises(BoxOutsideImage):
        ended(posed(clip, poser, VideoPoseConfig(boxes=((500.0, 0, 9, 9),)), folder=tmp_path / "x", limits=LIMITS))


def test_files_of_actions_agree_with_each_other(tmp_path: Path, actor: ActionPredictor, clip: VideoSource) -> None:
    places = Places(work=tmp_path / "work", out=tmp_path / "out")
    places.out.mkdir()
    config = VideoActionConfig(window_s=0.5, stride_s=0.5, top=2)
    steps = answer_actions([clip], actor, config, places=places, limits=LIMITS, model="actor@1")
    found = run_to_end(steps, lambda progress: None)
    assert sorted(found.files) == sorted(path.name for path in places.out.iterdir())
    document = json.loads((places.out / "actions.json").read_text())
    assert document == {"model": "actor@1", "videos": found.videos}
    (entry,) = found.videos
    rows = list(csv.DictReader((places.out / "actions.csv").read_text().splitlines()))
    assert [(row["label"], float(row["start_s"])) for row in rows] == [
        (one["label"], one["start_s"]) for one in entry["ranges"]
    ]
    assert len((places.out / entry["windows"]).read_text().splitlines()) == entry["num_windows"]


@pytest.mark.parametrize(
    "values",
    [
        {"boxes": ((0.0, 0.0, 1.0, 1.0),), "detect": "hog"},
        {"boxes": ((0.0, 0.0, 1.0, 1.0),) * 17},
        {"boxes": ((0.0, 0.0, float("nan"), 1.0),)},
        {"boxes": ((0.0, 0.0, 0.0, 1.0),)},
        {"frame_step": 0},
        {"detect_every_frames": 0},
        {"min_cutoff_hz": 0.0},
        {"beta": -1.0},
    ],
)
def test_impossible_values_are_refused(values: Any) -> None:
    with pytest.raises(ConfigInvalid):
        VideoPoseConfig(**values)
