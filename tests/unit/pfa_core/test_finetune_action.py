"""Action finetuning: it memorises, holds out, trains what it is told to, and tests as the paper does."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from pfa_core.action_batches import ActionBatches
from pfa_core.clips import ClipFrames, LabelledClip, read_clip, read_clips, spaced
from pfa_core.config import action
from pfa_core.config.action import ActionConfig
from pfa_core.config.net import LearnConfig, NetConfig
from pfa_core.errors import (
    CheckpointMismatch,
    DatasetUnsuitable,
    ImageUnreadable,
    ModelUnsuitable,
    VideoUnreadable,
    VideoUnsupported,
)
from pfa_core.evaluate import evaluate_action, evaluate_pose
from pfa_core.finetune_action import action_model_config, finetune_action
from pfa_core.images import write_png
from pfa_core.nets.action import ActionNet
from pfa_core.progress import Progress, run_to_end
from pfa_core.video.limits import DecodeLimits
from tests.unit.pfa_core.pictures import cut_short, damaged_clip, damaged_jpeg, stripes, write_clip

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
        motion=action.small().motion,
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
    table = run_to_end(evaluate_action(result.model, result.config, clips), ignore).metrics
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
    assert isinstance(model, ActionNet)
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
    flying = replace(clips[0], label="fly")
    table = run_to_end(evaluate_action(result.model, result.config, [*clips, flying]), ignore).metrics
    assert (table["num_clips"], table["num_unknown"]) == (4, 1)
    with pytest.raises(DatasetUnsuitable, match="lie, stand"):
        run_to_end(evaluate_action(result.model, result.config, [flying]), ignore)


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
    read, left_out = run_to_end(
        read_clips(clips, short_side_px=72, limits=LIMITS, memory_bytes=2 * 6 * frame_bytes), ignore
    )
    assert [len(clip.frames_u8) for clip in read] == [6, 6]
    assert left_out == []


def test_clips_that_do_not_read_say_why(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"nothing that plays" * 10)
    clip = LabelledClip(name="mine.avi", label="a", path=path)
    read = partial(read_clip, short_side_px=72, max_frames=5, limits=LIMITS)
    with pytest.raises(VideoUnsupported):
        read(clip)
    with pytest.raises(ImageUnreadable):
        read(replace(clip, still=True))
    with pytest.raises(VideoUnreadable, match="cannot be opened"):
        read(replace(clip, path=tmp_path / "gone"))
    with pytest.raises(ImageUnreadable, match="cannot be opened"):
        read(replace(clip, path=tmp_path / "gone", still=True))


def spoiled(folder: Path, *, label: str) -> list[LabelledClip]:
    """A clip that is cut short, an image that is cut short, and a clip that is gone."""
    return [
        LabelledClip(name="cut.avi", label=label, path=damaged_clip(folder / "0a.avi"), num_frames=30),
        LabelledClip(name="cut.jpg", label=label, path=damaged_jpeg(folder / "1b.jpg"), still=True),
        LabelledClip(name="gone.avi", label=label, path=folder / "gone.avi"),
    ]


SPOILED = ["cut.avi", "cut.jpg", "gone.avi"]


def test_a_run_goes_on_without_what_does_not_read(tmp_path: Path) -> None:
    """It learns exactly what it learns from the good clips alone, and is measured on the good ones alone."""
    good, bad = striped_images(tmp_path, 6), spoiled(tmp_path, label="lie")
    frames = [stripes(upright=True, seed=n) for n in range(5)]
    good.append(LabelledClip(name="c.avi", label="stand", path=write_clip(tmp_path / "c.avi", frames)))
    seen = [replace(clip, split="val") for clip in good[:2]]
    mixed_clips = [bad[0], *good[:3], bad[1], *good[3:], bad[2], replace(bad[0], split="val"), *seen]
    tune = partial(finetune_action, config=config(3), seed=1, device="cpu")
    mixed = run_to_end(tune(mixed_clips, folder=tmp_path / "mixed"), ignore)
    alone = run_to_end(tune([*good, *seen], folder=tmp_path / "alone"), ignore)
    assert [one.name for one in mixed.left_out] == [*SPOILED, "cut.avi"]
    assert [one.code for one in mixed.left_out[:3]] == ["video_unreadable", "image_unreadable", "video_unreadable"]
    assert mixed.left_out[0].path == bad[0].path
    assert alone.left_out == []
    assert mixed.metrics == alone.metrics
    for name, tensor in alone.model.state_dict().items():
        torch.testing.assert_close(mixed.model.state_dict()[name], tensor, rtol=0, atol=0)
    scored = run_to_end(evaluate_action(alone.model, alone.config, [*bad, *good]), ignore)
    assert scored.metrics == run_to_end(evaluate_action(alone.model, alone.config, good), ignore).metrics
    assert [one.name for one in scored.left_out] == SPOILED


def test_a_label_of_which_no_clip_reads_is_no_class(tmp_path: Path) -> None:
    clips = striped_images(tmp_path, 8)
    val = [replace(clips[0], split="val"), replace(clips[1], label="hop", split="val")]
    bad = spoiled(tmp_path, label="hop")
    steps = finetune_action([*clips, *bad, *val], config=config(1), folder=tmp_path / "run", seed=0, device="cpu")
    result = run_to_end(steps, ignore)
    assert result.config.labels == ("lie", "stand")
    assert result.model(torch.zeros(1, 3, 64, 64)).shape == (1, 2)
    assert [one.name for one in result.left_out] == SPOILED


def test_too_little_that_reads_is_refused_with_the_reasons(tmp_path: Path) -> None:
    bad = spoiled(tmp_path, label="hop")
    tune = partial(finetune_action, config=config(1), folder=tmp_path / "run", seed=0, device="cpu")
    with pytest.raises(DatasetUnsuitable, match=r"two labels .*'lie'.* cut\.avi: The video is damaged"):
        run_to_end(tune([striped_images(tmp_path, 1)[0], *bad]), ignore)
    two_labels = [*bad, replace(bad[0], label="run")]
    with pytest.raises(DatasetUnsuitable, match=r"None of the 4 items .* cut\.jpg: .* gone\.avi: "):
        run_to_end(tune(two_labels), ignore)
    model_config = action_model_config(config(1), ("hop", "run"))
    with pytest.raises(DatasetUnsuitable, match=r"None of the 4 items .* gone\.avi: "):
        run_to_end(evaluate_action(ActionNet(NET, 2), model_config, two_labels), ignore)


def test_a_run_does_not_resume_with_other_clips(tmp_path: Path) -> None:
    clips = striped_images(tmp_path, 6)
    tune = partial(finetune_action, clips, config=config(6), folder=tmp_path / "run", seed=0, device="cpu")
    first = tune()
    while (progress := next(first)).phase != "train" or progress.step < 3:
        pass
    first.close()
    cut_short(clips[4].path)
    with pytest.raises(CheckpointMismatch):
        run_to_end(tune(), ignore)
