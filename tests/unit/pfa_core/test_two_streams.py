"""Finetuning two streams: motion alone tells the classes, and neither stream knows of the other."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from pfa_core.action_batches import MotionBatches, MotionClips
from pfa_core.clip_packs import packs_of_clips
from pfa_core.clips import LabelledClip
from pfa_core.config import flow
from pfa_core.config.action import ActionConfig, MotionConfig
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import LearnConfig, NetConfig
from pfa_core.errors import ConfigInvalid, DatasetUnsuitable, ModelUnsuitable
from pfa_core.evaluate import evaluate_action
from pfa_core.finetune_action import ActionResult, finetune_action
from pfa_core.nets.action import ActionNet, TwoStreamNet
from pfa_core.nets.triplet import TripletNet
from pfa_core.packs import Pack
from pfa_core.progress import Progress, run_to_end
from tests.unit.pfa_core.moving_clips import ArrayClip, patch_clip
from tests.unit.pfa_core.pictures import damaged_clip, write_clip

NET = NetConfig(width=1 / 16, crop_px=64, norm="batch", dropout=0.2)
GAP = 4
PACK = PackConfig(short_side_px=64, backend="dis", tvl1=flow.fast(), bound_px=10)


def config(steps: int, *, layers: Literal["full", "last2"] = "full", max_norm: float | None = None) -> ActionConfig:
    """Without mirrors: in one, to the left is to the right."""
    return ActionConfig(
        net=NET,
        learn=LearnConfig(
            batch_size=8, steps=steps, learning_rate=0.02, schedule="one_cycle", max_norm=max_norm,
            validate_every_steps=1000, checkpoint_every_steps=1000,
        ),
        short_side_px=64,
        layers=layers,
        flip=False,
        test_frames=12,
        two_stream=True,
        motion=MotionConfig(pack=PACK, gap_frames=GAP, test_blocks=3),
    )  # fmt: skip


def ignore(_: Progress) -> None:
    pass


def sprites(folder: Path, count: int, *, split: str | None = None) -> list[LabelledClip]:
    """Half of them are others played backwards, so that no frame tells to which side the sprite moves."""
    clips = []
    for n in range(count):
        path = [(2 + 3 * t, 16 + n // 2) for t in range(12)]
        frames = list(patch_clip(n // 2, path=path, size=(64, 72)).frames)
        label = "right" if n % 2 else "left"
        file = write_clip(folder / f"{label}-{n}.avi", frames if n % 2 else frames[::-1])
        clips.append(LabelledClip(name=file.name, label=label, path=file, num_frames=12, split=split))
    return clips


def packs_of(clips: list[LabelledClip], folder: Path) -> dict[Path, Pack]:
    packs, left_out = run_to_end(packs_of_clips(clips, PACK, folder=folder), ignore)
    assert left_out == []
    return packs


def test_memorises_eight_clips_that_differ_in_motion_alone(tmp_path: Path) -> None:
    clips = sprites(tmp_path, 8)
    clips += [replace(clip, split="val") for clip in clips[:2]]
    packs = packs_of(clips, tmp_path / "packs")
    wanted = config(60, max_norm=5.0)
    steps = finetune_action(clips, config=wanted, folder=tmp_path / "run", seed=0, device="cpu", packs=packs)
    result = run_to_end(steps, ignore)
    assert result.motion_start == "random"
    assert result.metrics["accuracy"] == result.metrics["motion_accuracy"] == 1
    assert result.metrics["appearance_accuracy"] == 0.5
    table = run_to_end(evaluate_action(result.model, result.config, clips[:8]), ignore).metrics
    streams = {name: stream["accuracy"] for name, stream in table["streams"].items()}
    assert streams == {"appearance": 0.5, "motion": 1.0, "fused": 1.0}
    assert (table["accuracy"], table["streams"]["motion"]["num_clips"]) == (1.0, 8)
    path = write_clip(tmp_path / "s.avi", [np.zeros((64, 72, 3), np.uint8)] * 3)
    short = LabelledClip(name="s", label="left", path=path)
    table = run_to_end(evaluate_action(result.model, result.config, [*clips[:2], short]), ignore).metrics
    assert [table["streams"][name]["num_clips"] for name in ("appearance", "motion", "fused")] == [3, 2, 3]


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    clips = sprites(tmp_path, 4)
    tune = partial(
        finetune_action, clips, config=config(6), seed=3, device="cpu", packs=packs_of(clips, tmp_path / "packs")
    )
    whole = run_to_end(tune(folder=tmp_path / "whole"), ignore)
    first = tune(folder=tmp_path / "parts")
    while (progress := next(first)).phase != "train" or progress.step < 3:
        pass
    first.close()
    parts = run_to_end(tune(folder=tmp_path / "parts", cache_bytes=0), ignore)
    assert parts.metrics == whole.metrics
    for name, tensor in whole.model.state_dict().items():
        torch.testing.assert_close(parts.model.state_dict()[name], tensor, rtol=0, atol=0)


def test_the_appearance_stream_is_what_it_is_by_itself(tmp_path: Path) -> None:
    """Same start, same crops, same dropout; the motion stream draws after it."""
    clips = sprites(tmp_path, 4)
    packs = packs_of(clips, tmp_path / "packs")
    tune = partial(finetune_action, clips, seed=1, device="cpu")
    two = run_to_end(tune(config=config(4), folder=tmp_path / "2", packs=packs), ignore)
    one = run_to_end(tune(config=replace(config(4), two_stream=False), folder=tmp_path / "1"), ignore)
    assert isinstance(two.model, TwoStreamNet)
    assert isinstance(one.model, ActionNet)
    for name, tensor in one.model.state_dict().items():
        torch.testing.assert_close(two.model.appearance.state_dict()[name], tensor, rtol=0, atol=0)


def started(tmp_path: Path, init: torch.nn.Module, *, layers: Literal["full", "last2"] = "last2") -> ActionResult:
    clips = sprites(tmp_path, 4)
    packs = packs_of(clips, tmp_path / "packs")
    steps = finetune_action(
        clips, config=config(2, layers=layers), folder=tmp_path / "run", seed=0, device="cpu", packs=packs, init=init
    )
    return run_to_end(steps, ignore)


def test_last2_leaves_both_backbones_of_a_pretrained_model_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    init = TripletNet(NET, flow_maps=2 * GAP)
    result = started(tmp_path, init)
    assert result.motion_start == "pretrained"
    assert isinstance(result.model, TwoStreamNet)
    streams = result.model.appearance, result.model.motion
    for taken, given in zip((init.appearance, init.motion), [one.backbone for one in streams], strict=True):
        for name, tensor in taken.state_dict().items():
            torch.testing.assert_close(given.state_dict()[name], tensor, rtol=0, atol=0)
    fresh = torch.zeros_like(result.model.motion.scores.bias)
    assert not torch.equal(result.model.motion.scores.bias, fresh)


def test_a_start_without_a_motion_net_leaves_it_random_and_one_of_another_gap_is_refused(tmp_path: Path) -> None:
    assert started(tmp_path, ActionNet(NET, 2)).motion_start == "random"
    with pytest.raises(ModelUnsuitable, match="gap_frames"):
        started(tmp_path, TripletNet(NET, flow_maps=24))


def test_what_has_no_flow_is_refused_and_short_clips_teach_appearance_alone(tmp_path: Path) -> None:
    clips = sprites(tmp_path, 4)
    packs = packs_of(clips, tmp_path / "packs")
    tune = partial(finetune_action, config=config(1), folder=tmp_path / "run", seed=0, device="cpu")
    with pytest.raises(DatasetUnsuitable, match="an image"):
        next(tune([*clips, replace(clips[0], still=True)], packs=packs))
    with pytest.raises(ConfigInvalid, match="packs"):
        next(tune(clips))
    coarse = replace(config(1), motion=replace(config(1).motion, pack=replace(PACK, bound_px=5)))
    with pytest.raises(ConfigInvalid, match="another configuration"):
        run_to_end(tune(clips, packs=packs, config=coarse), ignore)
    rights = {path: pack for path, pack in packs.items() if "right" in path.name}
    with pytest.raises(DatasetUnsuitable, match="5 frames or more"):
        run_to_end(tune(clips, packs=rights), ignore)
    short = write_clip(tmp_path / "short.avi", [np.full((64, 72, 3), 9 * t, np.uint8) for t in range(GAP)])
    more = [*clips, LabelledClip(name="short", label="left", path=short)]
    assert run_to_end(tune(more, packs=packs_of(more, tmp_path / "packs")), ignore).left_out == []


def test_clips_that_cannot_have_packs_say_why(tmp_path: Path) -> None:
    bad = LabelledClip(name="cut", label="left", path=damaged_clip(tmp_path / "cut.avi"))
    gone = LabelledClip(name="gone", label="left", path=tmp_path / "gone.avi")
    good = sprites(tmp_path, 1)
    packs, left_out = run_to_end(packs_of_clips([bad, *good, gone], PACK, folder=tmp_path / "packs"), ignore)
    assert list(packs) == [good[0].path]
    assert [(one.name, one.code) for one in left_out] == [("cut", "video_unreadable"), ("gone", "video_unreadable")]


def test_both_streams_look_at_one_size() -> None:
    with pytest.raises(ConfigInvalid, match="one size"):
        replace(config(1), short_side_px=72)
    replace(config(1), short_side_px=72, two_stream=False)


def marked_clip(number: int) -> ArrayClip:
    """Of every map, u is the column plus 1, and v tells the clip and the time."""
    flows = np.empty((9, 2, 64, 90), np.int8)
    flows[:, 0] = 1 + np.arange(90)
    flows[:, 1] = (20 * number + np.arange(9))[:, None, None]
    return ArrayClip(np.zeros((10, 64, 90, 3), np.uint8), flows, bound_px=PACK.bound_px)


def test_blocks_are_cut_anywhere_and_mirrored_but_never_played_backwards() -> None:
    clips = [LabelledClip(name=label, label=label, path=Path(label)) for label in "ab"]
    wanted = replace(config(1), flip=True)
    packs = {Path("a"): marked_clip(0), Path("b"): marked_clip(1)}
    motion = MotionClips.of(clips, packs, config=wanted, cache_bytes=0, device=torch.device("cpu"))
    batches = MotionBatches(motion, labels=("a", "b"), config=wanted, seed=0)
    mirrored, starts, lefts = 0, set(), set()
    for step in range(20):
        batch = batches(step)
        assert batch.blocks_i8.shape == (8, 2 * GAP, 64, 64)
        for block, label in zip(batch.blocks_i8.int(), batch.labels.tolist(), strict=True):
            times = block[GAP:, 0, 0] - 20 * label
            assert torch.equal(times, times[0] + torch.arange(GAP, dtype=torch.int32))
            u = block[0, 0]
            mirrored += int(u[0]) < 0
            left = int(u.abs().min()) - 1
            expected = torch.arange(left + 1, left + 65, dtype=torch.int32)
            assert torch.equal(u, -expected.flip(0) if int(u[0]) < 0 else expected)
            starts.add(int(times[0]))
            lefts.add(left)
    assert 50 < mirrored < 110  # of 160
    assert starts == set(range(6))
    assert {0, 26} <= lefts <= set(range(27))
    assert torch.equal(batches(3).blocks_i8, batches(3).blocks_i8)
