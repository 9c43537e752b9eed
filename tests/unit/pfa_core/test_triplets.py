from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pfa_core.config import pretrain
from pfa_core.config.net import NetConfig
from pfa_core.errors import VideoTooShort
from pfa_core.frame_store import FrameStore
from pfa_core.progress import run_to_end
from pfa_core.triplets import (
    Triplet,
    choose_negatives,
    cut_blocks,
    cut_frames,
    draw_triplets,
    other_time,
    sample_batch,
)
from tests.unit.pfa_core.moving_clips import BOUND_PX, ArrayClip, noise_clip, panning_clip

SIDE, GAP = 64, 12
CONFIG = replace(pretrain.small(), net=NetConfig(width=1 / 16, crop_px=SIDE), gap_frames=GAP)
TURNS = list(product([False, True], [False, True]))


def store_of(*clips: ArrayClip, cache_bytes: int = 1 << 30) -> FrameStore:
    store = FrameStore(clips, cache_bytes=cache_bytes)
    run_to_end(store.load(), lambda _: None)
    return store


def literal_cut(clip: ArrayClip, t: Triplet) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64]]:
    """The definition, one pixel at a time: (3, S, S), (3, S, S), (2G, S, S)."""
    first, second = np.zeros((2, 3, SIDE, SIDE), np.uint8)
    block = np.zeros((2 * GAP, SIDE, SIDE), np.int64)
    early, late = clip.frame(t.first), clip.frame(t.first + GAP)
    for y in range(SIDE):
        for x in range(SIDE):
            column = t.left + (SIDE - 1 - x if t.mirrored else x)
            first[:, y, x] = (late if t.reversed else early)[t.top + y, column]
            second[:, y, x] = (early if t.reversed else late)[t.top + y, column]
            for i in range(GAP):
                u, v = clip.flow(t.first + (GAP - 1 - i if t.reversed else i))[:, t.top + y, column].astype(int)
                u = -u if t.mirrored else u
                block[i, y, x], block[GAP + i, y, x] = (-u, -v) if t.reversed else (u, v)
    return first, second, block


@pytest.mark.parametrize(("mirrored", "backwards"), TURNS)
@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_cut_equals_the_definition(mirrored: bool, backwards: bool, cache_bytes: int) -> None:
    clip = noise_clip(3)
    triplet = Triplet(video=1, first=2, top=5, left=11, mirrored=mirrored, reversed=backwards)
    store = store_of(noise_clip(1), clip, cache_bytes=cache_bytes)
    first, second = cut_frames(store, [triplet], side=SIDE, gap=GAP)
    block = cut_blocks(store, [triplet], side=SIDE, gap=GAP)

    expected_first, expected_second, expected_block = literal_cut(clip, triplet)
    np.testing.assert_array_equal(first.numpy(), expected_first[None])
    np.testing.assert_array_equal(second.numpy(), expected_second[None])
    np.testing.assert_array_equal(block.numpy(), expected_block[None])
    assert (first.dtype, block.dtype) == (torch.uint8, torch.int8)
    assert first.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("mirrored", "backwards"), TURNS)
@pytest.mark.parametrize("velocity_px", [(3, 0), (-2, 1), (0, -1)])
def test_however_it_is_turned_the_motion_leads_from_the_first_pose_to_the_second(
    mirrored: bool, backwards: bool, velocity_px: tuple[int, int]
) -> None:
    """In a pan, a pixel of the first crop is found in the second where the sum of the 12 maps sends it."""
    store = store_of(panning_clip(4, velocity_px=velocity_px))
    triplet = Triplet(video=0, first=1, top=3, left=9, mirrored=mirrored, reversed=backwards)
    first, second = (crop[0].numpy() for crop in cut_frames(store, [triplet], side=SIDE, gap=GAP))
    block_px = cut_blocks(store, [triplet], side=SIDE, gap=GAP)[0].numpy() * (BOUND_PX / 127)
    dx, dy = (round(float(maps.sum(axis=0).mean())) for maps in (block_px[:GAP], block_px[GAP:]))

    assert (abs(dx), abs(dy)) == (12 * abs(velocity_px[0]), 12 * abs(velocity_px[1]))
    rows = slice(max(0, -dy), SIDE - max(0, dy))
    columns = slice(max(0, -dx), SIDE - max(0, dx))
    moved_rows = slice(rows.start + dy, rows.stop + dy)
    moved_columns = slice(columns.start + dx, columns.stop + dx)
    np.testing.assert_array_equal(second[:, moved_rows, moved_columns], first[:, rows, columns])


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


def test_loading_stops_where_memory_does_and_says_how_far_it_is() -> None:
    clips = [noise_clip(seed) for seed in range(3)]
    one = (5 * 16 - 2) * 70 * 80
    store = FrameStore(clips, cache_bytes=2 * one)
    heard = [(p.phase, p.step, p.total) for p in store.load()]
    assert heard == [("load", 1, 3), ("load", 2, 3), ("load", 3, 3)]
    assert not np.shares_memory(store.frame(1, 0, top=0, left=0, side=9), clips[1].frames)
    assert np.shares_memory(store.frame(2, 0, top=0, left=0, side=9), clips[2].frames)
