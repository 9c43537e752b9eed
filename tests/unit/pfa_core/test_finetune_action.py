"""Action finetuning: it memorises, holds out, trains what it is told to, and tests as the paper does."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from pfa_core.clips import ClipFrames, LabelledClip, read_clip, read_clips, spaced
from pfa_core.config.action import ActionConfig
from pfa_core.config.net import LearnConfig, NetConfig
from pfa_core.errors import DatasetUnsuitable, ImageUnreadable, ModelUnsuitable, VideoUnsupported
from pfa_core.evaluate import evaluate_action, evaluate_pose
from pfa_core.finetune_action import ActionBatches, finetune_action
from pfa_core.images import write_png
from pfa_core.nets.action import ActionNet
from pfa_core.progress import Progress, run_to_end
from pfa_core.video.limits import DecodeLimits
from tests.unit.pfa_core.pictures import stripes, write_clip

NET = NetConfig(width=1 / 16, crop_px=64, norm="batch")
LIMITS = DecodeLimits()


def config(steps: int, *, layers: Literal["full", "last2"] = "full") -> ActionConfig:
    return ActionConfig(
        net=NET,
        learn=LearnConfig(
            batch_size=8, steps=steps, learning_rate=0.02, schedule="one_cycle", max_norm=5.0,
            validate_every_steps=1000, checkpoint_every_steps=1000,
        ),
        short_side_px=72,
        layers=layers,
        test_frames=3,
    )  # fmt: skip


def ignore(_: Progress) -> None:
    pass


def striped_images(folder: Path, count: int) -> list[LabelledClip]:
    clips = []
    for n in range(count):
        label = "stand" if n % 2 else "lie"
        path = folder / f"{n}.png"
        path.write_bytes(write_png(stripes(upright=label == "stand", seed=n)))
        clips.append(LabelledClip(name=path.name, label=label, path=path, still=True))
    return clips


def test_memorises_eight_images_and_tells_new_ones(tmp_path: Path) -> None:
    clips = striped_images(tmp_path, 12)
    result = run_to_end(
        finetune_action(clips[:8], config=config(60), folder=tmp_path / "run", seed=0, device="cpu"), ignore
    )
    assert result.config.labels == ("lie", "stand")
    table = run_to_end(evaluate_action(result.model, result.config, clips), ignore)
    assert table["accuracy"] == 1.0
    assert table["confusion"] == [[6, 0], [0, 6]]
    with pytest.raises(ModelUnsuitable):
        run_to_end(evaluate_pose(result.model, result.config, []), ignore)


def test_last2_leaves_the_backbone_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    init = ActionNet(NET, 7)
    steps = finetune_action(
        striped_images(tmp_path, 8), config=config(5, layers="last2"), folder=tmp_path, seed=0, init=init, device="cpu"
    )
    model = run_to_end(steps, ignore).model
    for name, tensor in init.appearance.state_dict().items():
        torch.testing.assert_close(model.appearance.state_dict()[name], tensor, rtol=0, atol=0)
    assert not torch.equal(model.hidden.weight, init.hidden.weight)


def test_fewer_than_two_labels(tmp_path: Path) -> None:
    clips = [replace(clip, label="walk") for clip in striped_images(tmp_path, 4)]
    with pytest.raises(DatasetUnsuitable, match="two labels"):
        next(finetune_action(clips, config=config(1), folder=tmp_path, seed=0))


def test_clips_of_unknown_labels_are_counted(tmp_path: Path) -> None:
    clips = striped_images(tmp_path, 4)
    result = run_to_end(finetune_action(clips, config=config(1), folder=tmp_path, seed=0, device="cpu"), ignore)
    table = run_to_end(evaluate_action(result.model, result.config, [*clips, replace(clips[0], label="fly")]), ignore)
    assert (table["num_clips"], table["num_unknown"]) == (4, 1)
    with pytest.raises(DatasetUnsuitable, match="lie, stand"):
        run_to_end(evaluate_action(result.model, result.config, [replace(clips[0], label="fly")]), ignore)


def test_batches_are_crops_of_the_frames() -> None:
    """Frames whose every pixel tells clip, frame, row and column show where each crop was taken."""
    rows, columns = np.indices((72, 90))
    clips = []
    for n, label in enumerate("ab"):
        frames = np.stack([np.stack([rows, columns, np.full_like(rows, 10 * n + t)], axis=-1) for t in range(3)])
        clip = LabelledClip(name=label, label=label, path=Path(label))
        clips.append(ClipFrames(clip=clip, frames_u8=frames.astype(np.uint8)))
    batches = ActionBatches(clips, labels=("a", "b"), config=config(1), seed=0)
    flips = places = frames_seen = 0
    for step in range(20):
        batch = batches(step)
        assert batch.crops_u8.shape == (8, 3, 64, 64)
        for crop, label in zip(batch.crops_u8.int(), batch.labels.tolist(), strict=True):
            assert int(crop[2, 0, 0]) // 10 == label
            down, along = crop[0, 1, 0] - crop[0, 0, 0], crop[1, 0, 1] - crop[1, 0, 0]
            assert int(down) == 1
            assert abs(int(along)) == 1
            flips += int(along) == -1
            places += int(crop[0, 0, 0]) == 8
            frames_seen |= 1 << int(crop[2, 0, 0]) % 10
    assert 50 < flips < 110  # of 160
    assert 5 < places < 35  # the last of 9 rows
    assert frames_seen == 0b111
    assert torch.equal(batches(3).crops_u8, batches(3).crops_u8)


@pytest.mark.parametrize(
    ("num_frames", "count", "expected"),
    [(100, 5, [0, 25, 50, 74, 99]), (3, 25, [0, 1, 2]), (10, 1, [4]), (1, 1, [0]), (4, 4, [0, 1, 2, 3])],
)
def test_spaced(num_frames: int, count: int, expected: list[int]) -> None:
    assert spaced(num_frames, count) == expected


def test_a_clip_is_read_at_working_size(tmp_path: Path) -> None:
    frames = [np.full((96, 128, 3), 10 + 12 * t, dtype=np.uint8) for t in range(20)]
    clip = LabelledClip(name="grey", label="a", path=write_clip(tmp_path / "c.avi", frames))
    read = read_clip(clip, short_side_px=72, max_frames=5, limits=LIMITS).frames_u8
    assert read.shape == (5, 72, 96, 3)
    np.testing.assert_allclose(read.mean(axis=(1, 2, 3)), [10 + 12 * t for t in spaced(20, 5)], atol=3)


def test_many_clips_share_the_memory(tmp_path: Path) -> None:
    frames = [np.full((72, 96, 3), 12 * t, dtype=np.uint8) for t in range(20)]
    path = write_clip(tmp_path / "c.avi", frames)
    clips = [LabelledClip(name=str(n), label="a", path=path, num_frames=20) for n in range(2)]
    frame_bytes = 72 * 96 * 3
    read = run_to_end(read_clips(clips, short_side_px=72, limits=LIMITS, memory_bytes=2 * 6 * frame_bytes), ignore)
    assert [len(clip.frames_u8) for clip in read] == [6, 6]


def test_errors_name_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"nothing that plays" * 10)
    clip = LabelledClip(name="mine.avi", label="a", path=path)
    with pytest.raises(VideoUnsupported, match=r"mine\.avi"):
        read_clip(clip, short_side_px=72, max_frames=5, limits=LIMITS)
    with pytest.raises(ImageUnreadable, match=r"mine\.avi"):
        read_clip(replace(clip, still=True), short_side_px=72, max_frames=5, limits=LIMITS)
    with pytest.raises(DatasetUnsuitable, match=r"mine\.avi"):
        read_clip(replace(clip, path=tmp_path / "gone"), short_side_px=72, max_frames=5, limits=LIMITS)
