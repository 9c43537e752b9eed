"""What is looked at in a clip: the flow is what a pack would hold, and nothing is decoded in vain."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from pfa_core.clip_sample import block_starts, read_sample, sample_of
from pfa_core.clips import LabelledClip, spaced
from pfa_core.config import flow
from pfa_core.config.action import MotionConfig
from pfa_core.config.flow import FlowBackend, PackConfig
from pfa_core.errors import ImageUnreadable, VideoTooShort
from pfa_core.flow import luma, make_engine
from pfa_core.images import write_png
from pfa_core.model_settings import ActionSettings
from pfa_core.packs import build_pack
from pfa_core.progress import run_to_end
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from tests.unit.pfa_core.moving_clips import panning_clip
from tests.unit.pfa_core.pictures import write_clip

LIMITS = DecodeLimits()
GAP = 3


def settings(*, test_frames: int = 4, test_blocks: int = 3, backend: FlowBackend = "dis") -> ActionSettings:
    pack = PackConfig(short_side_px=64, backend=backend, tvl1=flow.fast(), bound_px=3)
    motion = MotionConfig(pack=pack, gap_frames=GAP, test_blocks=test_blocks)
    return ActionSettings(short_side_px=64, test_frames=test_frames, flip=True, motion=motion)


def clip_of(folder: Path, *, num_frames: int = 16) -> LabelledClip:
    """It pans by (5, 1) px a frame, more than the flow bound to the right, and is scaled to 64 px."""
    frames = panning_clip(1, velocity_px=(5, 1), num_frames=num_frames, size=(96, 128)).frames
    path = write_clip(folder / "c.avi", list(frames))
    return LabelledClip(name="c.avi", label="a", path=path, num_frames=num_frames)


@pytest.mark.parametrize("backend", ["dis", "fused"])
def test_a_block_is_that_of_a_pack_and_agrees_with_the_flow_within_quantisation(
    tmp_path: Path, backend: FlowBackend
) -> None:
    clip, wanted = clip_of(tmp_path), settings(backend=backend)
    assert wanted.motion is not None
    found = read_sample(clip, wanted, limits=LIMITS)
    config = wanted.motion.pack
    sha = sha256(clip.path.read_bytes()).hexdigest()
    steps = build_pack(clip.path, tmp_path / "pack", config, video_sha256=sha, limits=LIMITS, chunk_frames=7)
    pack = run_to_end(steps, lambda _: None)
    frames = list(read_frames(clip.path, limits=LIMITS, short_side_px=64))
    height, width = pack.size
    assert found.blocks_i8.shape == (3, 2 * GAP, height, width)
    assert np.abs(found.blocks_i8).max() == 127
    for block, start in zip(found.blocks_i8, (0, 6, 12), strict=True):
        packed = np.stack([pack.flow(start + i) for i in range(GAP)], axis=1).reshape(block.shape)
        np.testing.assert_array_equal(block, packed)
        for i in range(GAP):
            engine = make_engine(backend, config.tvl1, size=(height, width))
            exact_px = engine(luma(frames[start + i]), luma(frames[start + i + 1])).transpose(2, 0, 1).clip(-3, 3)
            said_px = block.reshape(2, GAP, height, width)[:, i] * (3 / 127)
            assert np.abs(said_px - exact_px).max() <= 3 / 254 + 1e-5


def test_frames_are_those_of_a_test_without_flow() -> None:
    """18 frames, each of its own grey: what the blocks need beside them is not looked at as a frame."""
    clip = np.stack([np.full((64, 80, 3), 10 * t, np.uint8) for t in range(18)])
    found = sample_of(clip, settings())
    assert [int(frame[0, 0, 0]) // 10 for frame in found.frames_u8] == spaced(18, 4)
    assert found.blocks_i8.shape == (3, 2 * GAP, 64, 80)


@pytest.mark.parametrize(("num_frames", "starts"), [(1, []), (3, []), (4, [0]), (5, [0, 1]), (18, [0, 7, 14])])
def test_block_starts(num_frames: int, starts: list[int]) -> None:
    motion = settings().motion
    assert motion is not None
    assert block_starts(num_frames, motion) == starts


def test_what_has_no_flow_has_no_blocks(tmp_path: Path) -> None:
    still = tmp_path / "s.png"
    still.write_bytes(write_png(np.zeros((70, 90, 3), np.uint8)))
    image = LabelledClip(name="s", label="a", path=still, still=True)
    short = clip_of(tmp_path, num_frames=3)
    for clip, num_frames in ((image, 1), (short, 3)):
        found = read_sample(clip, settings(), limits=LIMITS)
        assert (len(found.frames_u8), len(found.blocks_i8)) == (num_frames, 0)
    alone = replace(settings(), motion=None)
    assert len(read_sample(clip_of(tmp_path), alone, limits=LIMITS).blocks_i8) == 0


def test_a_video_with_fewer_frames_than_it_says_gives_the_blocks_that_are_whole(tmp_path: Path) -> None:
    clip = replace(clip_of(tmp_path, num_frames=12), num_frames=18)
    found = read_sample(clip, settings(), limits=LIMITS)
    assert (len(found.frames_u8), len(found.blocks_i8)) == (3, 2)  # frames 0, 6, 11; blocks from 0 and 7


def test_nothing_and_something_else_have_names() -> None:
    with pytest.raises(VideoTooShort):
        sample_of(np.zeros((0, 64, 64, 3), np.uint8), settings())
    with pytest.raises(ImageUnreadable):
        sample_of(np.zeros((2, 64, 64), np.uint8), settings())
