from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pfa_core.config import steady
from pfa_core.config.net import NetConfig
from pfa_core.errors import VideoTooShort
from pfa_core.frame_store import FrameStore
from pfa_core.frame_tuples import draw_times, sample_tuples
from tests.unit.pfa_core.moving_clips import noise_clip

SIDE = 64
CONFIG = replace(steady.small(), net=NetConfig(width=1 / 16, crop_px=SIDE), gap_frames=3)


@given(gap=st.integers(1, 8), more=st.integers(0, 40), seed=st.integers(0, 999))
def test_three_are_neighbours_in_even_steps_and_the_fourth_is_none(gap: int, more: int, seed: int) -> None:
    num_frames = 3 * gap + 2 + more
    first, second, third, far = draw_times(num_frames, gap=gap, rng=np.random.default_rng(seed))
    assert 1 <= second - first == third - second <= gap
    assert min(first, far) >= 0
    assert max(third, far) < num_frames
    assert all(abs(far - frame) > gap for frame in (first, second, third))


def test_every_tuple_that_there_is_is_drawn() -> None:
    gap, num_frames = 2, 9
    rng = np.random.default_rng(0)
    seen = {draw_times(num_frames, gap=gap, rng=rng) for _ in range(3000)}
    expected = {
        (t, t + d, t + 2 * d, far)
        for d in (1, 2)
        for t in range(num_frames - 2 * d)
        for far in range(num_frames)
        if all(abs(far - frame) > gap for frame in (t, t + d, t + 2 * d))
    }
    assert seen == expected


def test_a_video_too_short_is_named() -> None:
    assert len(draw_times(8, gap=2, rng=np.random.default_rng(0))) == 4
    with pytest.raises(VideoTooShort) as caught:
        draw_times(7, gap=2, rng=np.random.default_rng(0))
    assert caught.value.facts == {"num_frames": 7, "needed": 8}


def test_the_four_frames_are_of_one_place_of_one_video() -> None:
    """Frame t of the clip is black but for its number in every pixel of a column pattern that tells the place."""
    clip = noise_clip(1, num_frames=20, size=(66, 70))
    rows, columns = np.mgrid[0:66, 0:70]
    for index, frame in enumerate(clip.frames):
        frame[...] = np.stack([rows, columns, np.full_like(rows, index)], axis=2)
    store = FrameStore([clip])
    batch = sample_tuples(store, replace(CONFIG, flip=False), count=40, rng=np.random.default_rng(0))
    tuples = batch.frames_u8.unflatten(0, (4, 40))  # (4, 40, 3, S, S)
    times = tuples[:, :, 2].flatten(2)
    assert (times == times[..., :1]).all(), "one frame each"
    start, middle, end, far = times[..., 0].int()
    assert (middle - start == end - middle).all()
    assert (torch.stack([start, middle, end]) - far).abs().min() > CONFIG.gap_frames
    assert torch.equal(tuples[:, :, :2], tuples[:1, :, :2].expand(4, -1, -1, -1, -1)), "one place"
    assert len({(int(t[0, 0, 0]), int(t[1, 0, 0])) for t in tuples[0]}) > 5, "places differ from tuple to tuple"


def test_half_are_mirrored_and_the_whole_tuple_is() -> None:
    clip = noise_clip(1, num_frames=20, size=(64, 64))
    clip.frames[...] = np.arange(64, dtype=np.uint8)[None, None, :, None]
    store = FrameStore([clip, clip])
    batch = sample_tuples(store, CONFIG, count=200, rng=np.random.default_rng(0))
    mirrored = (batch.frames_u8[:, 0, 0, 0] == 63).unflatten(0, (4, 200))
    assert torch.equal(mirrored, mirrored[:1].expand(4, -1))
    assert Counter(mirrored[0].tolist())[True] in range(70, 130)  # 100 expected, sd 7
    straight = sample_tuples(store, CONFIG, count=50, rng=np.random.default_rng(0), augment=False)
    assert (straight.frames_u8[:, 0, 0, 0] == 0).all()


def test_a_batch_depends_on_its_key_alone() -> None:
    store = FrameStore([noise_clip(seed, num_frames=20) for seed in range(3)])
    ours, theirs, other = (
        sample_tuples(store, CONFIG, count=6, rng=np.random.default_rng((7, key))).frames_u8 for key in (1, 1, 2)
    )
    assert torch.equal(ours, theirs)
    assert not torch.equal(ours, other)
