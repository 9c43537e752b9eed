"""Patches that are followed through a video along its flow.

Source: Wang and Gupta, ICCV 2015, section 3. The source finds moving interest points by dense trajectories and follows
the patch with a correlation tracker; here all pixels serve as points, and the pack's own flow is what is followed.

Axes: H rows, W columns, P side of a patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfa_core.config.ranking import RankingConfig
from pfa_core.frame_store import Clip

Corner = tuple[float, float]
"""(top, left) of a patch, px of the working size."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Track:
    """A patch and where it goes."""

    first: int
    """The frame in which it starts."""
    corners: tuple[Corner, ...]
    """Where it is in that frame and in each that follows."""


def mine_tracks(clip: Clip, config: RankingConfig) -> list[Track]:
    """Tracks of `gap_frames` + 1 frames each, in order of time; none where nothing or everything moves.

    A track starts in the patch of a frame that holds most moving pixels, unless too few of them move or too much of
    the whole frame does. It depends on nothing but its arguments, and reads every flow map once.
    """
    starts = set(_starts(clip.num_frames - config.gap_frames, at_most=config.tracks_per_video))
    growing: list[tuple[int, list[Corner]]] = []
    done: list[Track] = []
    for index in range(clip.num_frames - 1):
        flow_px = clip.flow(index).astype(np.float32) * (clip.bound_px / 127)  # (2, H, W)
        moving = np.hypot(flow_px[0], flow_px[1]) > config.moving_px
        if index in starts and moving.mean() <= config.camera_share:
            corner, share = busiest_patch(moving, side=config.patch_px)
            if share > config.still_share:
                growing.append((index, [corner]))
        for _, corners in growing:
            corners.append(follow(corners[-1], flow_px, moving, side=config.patch_px))
        while growing and len(growing[0][1]) > config.gap_frames:
            first, corners = growing.pop(0)
            done.append(Track(first, tuple(corners)))
    return done


def _starts(num_starts: int, *, at_most: int) -> Sequence[int]:
    """Frames 0..num_starts - 1, or `at_most` of them spaced evenly."""
    if num_starts <= at_most:
        return range(max(0, num_starts))
    return [int(frame) for frame in np.linspace(0, num_starts - 1, at_most).round()]


def busiest_patch(moving: Mask, *, side: int) -> tuple[Corner, float]:
    """The patch that holds most moving pixels, and the share of it that moves.

    Where many patches hold the same number, as when a small object fits into all of them, the one in their middle is
    taken, so that the object is not at its border.

    Args:
        moving: (H, W), both at least `side`.
    """
    total = np.zeros((moving.shape[0] + 1, moving.shape[1] + 1), np.int64)
    total[1:, 1:] = moving.cumsum(axis=0).cumsum(axis=1)
    count = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    most = int(count.max())
    best = np.argwhere(count == most)  # (n, 2)
    top, left = best[np.square(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return (float(top), float(left)), most / side**2


def follow(corner: Corner, flow_px: NDArray[np.float32], moving: Mask, *, side: int) -> Corner:
    """Where a patch is in the next frame: moved by the median flow of its moving pixels, and kept inside the frame.

    Pixels that rest are background: the median of all pixels would be theirs wherever an object fills less than half
    of the patch. Where no pixel of it moves, the patch stays.

    Args:
        flow_px: (2, H, W), x then y, to the next frame.
        moving: (H, W)
    """
    top, left = round(corner[0]), round(corner[1])
    inside = moving[top : top + side, left : left + side]
    if not inside.any():
        return corner
    u, v = np.median(flow_px[:, top : top + side, left : left + side][:, inside], axis=1)
    height, width = moving.shape
    return (
        float(np.clip(corner[0] + v, 0, height - side)),
        float(np.clip(corner[1] + u, 0, width - side)),
    )
