from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pfa_core.config import pretrain
from pfa_core.config.net import NetConfig
from pfa_core.errors import VideoTooShort
from pfa_core.frame_store import FrameStore
from pfa_core.progress import run_to_end
from pfa_core.triplets import (
    Triplet,
    choose_negatives,
    draw_triplets,
    other_time,
    sample_batch,
)
from tests.unit.pfa_core.moving_clips import ArrayClip, noise_clip

SIDE, GAP = 64, 12
CONFIG = replace(pretrain.small(), net=NetConfig(width=1 / 16, crop_px=SIDE), gap_frames=GAP)
TURNS = list(product([False, True], [False, True]))


def store_of(*clips: ArrayClip, cache_bytes: int = 1 << 30) -> FrameStore:
    store = FrameStore(clips, cache_bytes=cache_bytes)
    run_to_end(store.load(), lambda _: None)
    return store


def test_a_batch_depends_on_its_key_alone() -> None:
    clips = [noise_clip(seed) for seed in range(5)]
    in_memory, on_disk = store_of(*clips), store_of(*clips, cache_bytes=0)
    sample_batch(in_memory, CONFIG, count=8, rng=np.random.default_rng(9))
    ours = sample_batch(in_memory, CONFIG, count=8, rng=np.random.default_rng((7, 2)))
    theirs = sample_batch(on_disk, CONFIG, count=8, rng=np.random.default_rng((7, 2)))
    other = sample_batch(in_memory, CONFIG, count=8, rng=np.random.default_rng((7, 3)))
    for name in ("first_u8", "second_u8", "block_i8", "video", "negatives"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name))
    assert not torch.equal(ours.block_i8, other.block_i8)


@given(num_videos=st.integers(2, 12), count=st.integers(2, 12), seed=st.integers(0, 99))
def test_batches_spread_over_all_videos(num_videos: int, count: int, seed: int) -> None:
    store = FrameStore([noise_clip(1)] * num_videos)
    drawn = draw_triplets(store, CONFIG, count=count, rng=np.random.default_rng(seed))
    times = Counter(triplet.video for triplet in drawn)
    assert len(times) == min(num_videos, count)
    assert max(times.values()) - min(times.values()) <= 1


@given(
    video=st.lists(st.integers(0, 5), min_size=2, max_size=16).filter(lambda v: len(set(v)) >= 2),
    count=st.integers(1, 8),
    seed=st.integers(0, 99),
)
def test_negatives_are_of_other_videos_and_differ_while_there_are_enough(
    video: list[int], count: int, seed: int
) -> None:
    rows = np.array(video)
    chosen = choose_negatives(rows, count=count, rng=np.random.default_rng(seed))
    assert chosen.shape == (len(rows), count)
    assert (rows[chosen] != rows[:, None]).all()
    for i, row in enumerate(chosen):
        assert len(set(row.tolist())) == min(count, int((rows != rows[i]).sum()))


def test_every_other_row_is_a_negative_sooner_or_later() -> None:
    video = np.array([0, 1, 2, 3])
    rng = np.random.default_rng(0)
    seen = {tuple(sorted(choose_negatives(video, count=2, rng=rng)[0].tolist())) for _ in range(200)}
    assert seen == {(1, 2), (1, 3), (2, 3)}


def test_all_times_places_and_turns_are_drawn_and_none_beyond() -> None:
    store = FrameStore([noise_clip(1, num_frames=GAP + 3, size=(66, 64))] * 2)
    drawn = draw_triplets(store, CONFIG, count=600, rng=np.random.default_rng(0))
    assert {t.first for t in drawn} == {0, 1, 2}
    assert {t.top for t in drawn} == {0, 1, 2}
    assert {t.left for t in drawn} == {0}
    share = Counter((t.mirrored, t.reversed) for t in drawn)
    assert all(110 < share[turn] < 190 for turn in TURNS)  # 150 expected, sd 10.6


def test_nothing_is_turned_where_augmentation_is_off() -> None:
    store = FrameStore([noise_clip(1)] * 2)
    rng = np.random.default_rng(0)
    straight = replace(CONFIG, flip=False, reverse=False)
    for drawn in (
        draw_triplets(store, straight, count=50, rng=rng),
        draw_triplets(store, CONFIG, count=50, rng=rng, augment=False),
    ):
        assert not any(t.mirrored or t.reversed for t in drawn)


def test_a_video_too_short_is_named() -> None:
    store = FrameStore([noise_clip(1), noise_clip(2, num_frames=GAP)])
    with pytest.raises(VideoTooShort) as caught:
        draw_triplets(store, CONFIG, count=2, rng=np.random.default_rng(0))
    assert caught.value.facts == {"num_frames": GAP, "needed": GAP + 1}


@given(num_frames=st.integers(GAP + 2, 60), share=st.floats(0, 0.999), seed=st.integers(0, 99))
def test_another_time_shares_no_map_where_the_video_is_long_enough(num_frames: int, share: float, seed: int) -> None:
    first = int(share * (num_frames - GAP))
    triplet = Triplet(video=4, first=first, top=1, left=2)
    other = other_time(triplet, num_frames=num_frames, gap=GAP, rng=np.random.default_rng(seed))
    assert replace(other, first=first) == triplet
    assert 0 <= other.first < num_frames - GAP
    farthest = max(first, num_frames - GAP - 1 - first)
    assert abs(other.first - first) >= min(GAP, farthest)
