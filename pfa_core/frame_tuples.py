"""Four frames of one place of a video: three evenly spaced ones, and one that is no neighbour of theirs.

Source: Jayaraman and Grauman, CVPR 2016, section 3, which takes tuples that are evenly spaced and close in time as
positive, and all others as negative.

Axes: B tuples, S crop side.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from pfa_core.config.steady import SteadyConfig
from pfa_core.errors import VideoTooShort
from pfa_core.frame_store import FrameStore
from pfa_core.patches import Patch, cut_patches


@dataclass(frozen=True, slots=True, kw_only=True)
class TupleBatch:
    """B tuples."""

    frames_u8: Tensor
    """(4B, 3, S, S) uint8 RGB, channels last in memory: all of t, then of t + d, of t + 2d, and of the far frames."""


def sample_tuples(
    store: FrameStore, config: SteadyConfig, *, count: int, rng: np.random.Generator, augment: bool = True
) -> TupleBatch:
    """Sample `count` tuples, spread over as many videos as can be. It depends on nothing but its arguments.

    Raises:
        VideoTooShort: a video has fewer than 3 gap_frames + 2 frames.
    """
    side = config.net.crop_px
    rounds = -(-count // len(store))
    videos = np.concatenate([rng.permutation(len(store)) for _ in range(rounds)])[:count]
    patches = []
    for video in videos.tolist():
        height, width = store.sizes[video]
        times = draw_times(store.num_frames[video], gap=config.gap_frames, rng=rng)
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        mirrored = bool(rng.random() < 0.5 and augment and config.flip)
        patches.append([Patch(video=video, index=t, top=top, left=left, mirrored=mirrored) for t in times])
    in_order = [patch for some in zip(*patches, strict=True) for patch in some]
    return TupleBatch(frames_u8=cut_patches(store, in_order, side=side))


def draw_times(num_frames: int, *, gap: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """t, t + d, t + 2d with d from 1 to `gap`, and a frame more than `gap` away from all three.

    Raises:
        VideoTooShort: fewer than 3 gap + 2 frames.
    """
    if num_frames < 3 * gap + 2:
        raise VideoTooShort(num_frames=num_frames, needed=3 * gap + 2)
    step = int(rng.integers(1, gap + 1))
    starts = np.arange(num_frames - 2 * step)
    room = np.maximum(0, starts - gap) + np.maximum(0, num_frames - (starts + 2 * step + gap + 1))
    start = int(rng.choice(starts[room > 0]))
    frames = np.arange(num_frames)
    far = int(rng.choice(frames[(frames < start - gap) | (frames > start + 2 * step + gap)]))
    return start, start + step, start + 2 * step, far
