from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pfa_core import seeds
from pfa_core.cuts import Triplet, cut_blocks, cut_blocks_batched, cut_frames, cut_frames_batched
from pfa_core.frame_store import FrameStore
from pfa_core.progress import run_to_end
from tests.unit.pfa_core.moving_clips import BOUND_PX, ArrayClip, noise_clip, panning_clip

SIDE, GAP = 64, 12
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


@pytest.mark.parametrize("cache_bytes", [0, 5 * 16 * 70 * 80])
def test_a_whole_batch_turned_together_is_the_same(cache_bytes: int) -> None:
    """What a GPU does, here on the CPU; the second store holds some videos in memory and others not."""
    store = store_of(*(noise_clip(seed) for seed in range(3)), cache_bytes=cache_bytes)
    rng = seeds.generator(1)
    triplets = []
    for mirrored, backwards in rng.integers(2, size=(12, 2)).astype(bool).tolist():
        video, first, top, left = (int(rng.integers(high)) for high in (3, 4, 6, 16))
        triplets.append(Triplet(video=video, first=first, top=top, left=left, mirrored=mirrored, reversed=backwards))
    for some in (triplets, triplets[:1], [t for t in triplets if not (t.mirrored or t.reversed)]):
        frames = [cut(store, some, side=SIDE, gap=GAP) for cut in (cut_frames_batched, cut_frames)]
        for ours, theirs in zip(*frames, strict=True):
            assert torch.equal(ours, theirs)
            assert ours.is_contiguous(memory_format=torch.channels_last)
        ours, theirs = (cut(store, some, side=SIDE, gap=GAP) for cut in (cut_blocks_batched, cut_blocks))
        assert torch.equal(ours, theirs)
