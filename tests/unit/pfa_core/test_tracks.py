"""Tracks over clips whose motion is known exactly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfa_core.config import ranking
from pfa_core.config.net import NetConfig
from pfa_core.tracks import busiest_patch, mine_tracks
from tests.unit.pfa_core.moving_clips import ArrayClip, panning_clip, patch_clip

SIDE, GAP, OBJECT = 32, 8, 16
BASE = ranking.small()
CONFIG = replace(
    BASE,
    net=NetConfig(width=1 / 16, crop_px=64),
    pack=replace(BASE.pack, short_side_px=96),
    patch_px=SIDE,
    gap_frames=GAP,
)


def moving_square(
    velocity_px: tuple[int, int], *, start: tuple[int, int] = (40, 40), num_frames: int = 12
) -> ArrayClip:
    """A square of OBJECT px that moves evenly before a still background, and never leaves the frame."""
    path = [(start[0] + velocity_px[0] * i, start[1] + velocity_px[1] * i) for i in range(num_frames)]
    return patch_clip(1, path=path, side=OBJECT, size=(96, 96))


@given(u=st.integers(-2, 2), v=st.integers(-2, 2))
@settings(deadline=None)
def test_an_object_of_constant_velocity_is_followed_to_within_a_pixel(u: int, v: int) -> None:
    clip = moving_square((u, v))
    tracks = mine_tracks(clip, CONFIG)
    if (u, v) == (0, 0):
        assert tracks == []
        return
    assert [track.first for track in tracks] == [0, 1, 2, 3]
    for track in tracks:
        assert len(track.corners) == GAP + 1
        for later, (top, left) in enumerate(track.corners):
            x, y = 40 + u * (track.first + later), 40 + v * (track.first + later)
            # The object fits into the patch with the same border on both sides.
            assert abs(left + SIDE / 2 - (x + OBJECT / 2)) <= 1
            assert abs(top + SIDE / 2 - (y + OBJECT / 2)) <= 1


def test_a_patch_stays_inside_the_frame() -> None:
    path = [(60 + 4 * i, 40) for i in range(10)]  # its right border leaves after five frames
    frames = np.zeros((10, 96, 96, 3), np.uint8)
    flows = np.zeros((9, 2, 96, 96), np.int8)
    for i, (left, top) in enumerate(path[:-1]):
        flows[i, 0, top : top + OBJECT, left : left + OBJECT] = 40
    (first, _) = mine_tracks(ArrayClip(frames, flows), CONFIG)
    assert first.corners[-1] == (first.corners[0][0], 96 - SIDE)


def test_the_object_is_followed_though_it_fills_a_quarter_of_the_patch() -> None:
    """The median of all the patch's pixels would be the background's: zero."""
    (track, *_) = mine_tracks(moving_square((2, 1)), CONFIG)
    assert np.subtract(track.corners[-1], track.corners[0]).tolist() == [GAP, 2 * GAP]


def test_still_clips_and_moving_cameras_have_no_tracks() -> None:
    assert mine_tracks(panning_clip(1, velocity_px=(2, 0), size=(96, 96)), CONFIG) == []
    assert mine_tracks(moving_square((0, 0)), CONFIG) == []
    assert mine_tracks(panning_clip(1, velocity_px=(2, 0), size=(96, 96)), replace(CONFIG, camera_share=1.0)) != []


def test_too_little_motion_starts_no_track() -> None:
    share = OBJECT**2 / SIDE**2
    assert mine_tracks(moving_square((1, 1)), replace(CONFIG, still_share=share)) == []
    assert mine_tracks(moving_square((1, 1)), replace(CONFIG, still_share=share - 1e-6)) != []
    assert mine_tracks(moving_square((1, 1)), replace(CONFIG, moving_px=1.5)) == []


def test_tracks_are_spread_over_the_clip() -> None:
    tracks = mine_tracks(moving_square((1, 0), start=(10, 40), num_frames=40), replace(CONFIG, tracks_per_video=3))
    assert [track.first for track in tracks] == [0, 16, 31]  # of 32 frames in which a track can start
    assert mine_tracks(moving_square((1, 0), num_frames=GAP), CONFIG) == []


@given(seed=st.integers(0, 200), density=st.sampled_from([0.01, 0.3, 0.9]))
def test_the_busiest_patch_is_that_of_a_literal_search(seed: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    height, width, side = 20, 23, 7
    moving = rng.random((height, width)) < density
    counts = {
        (top, left): int(moving[top : top + side, left : left + side].sum())
        for top in range(height - side + 1)
        for left in range(width - side + 1)
    }
    (top, left), share = busiest_patch(moving, side=side)
    assert counts[int(top), int(left)] == max(counts.values())
    assert share == pytest.approx(max(counts.values()) / side**2)


def test_a_small_object_is_in_the_middle_of_its_patch() -> None:
    moving = np.zeros((40, 50), bool)
    moving[18:21, 30:33] = True
    assert busiest_patch(moving, side=9) == ((15.0, 27.0), 9 / 81)
