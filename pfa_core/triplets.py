"""Triplets: a pose, a pose some frames later, and the motion between. Source: paper section 3.

A triplet here is what the paper feeds its joint net, not the anchor, positive and negative of a ranking loss.

Axes: B triplets, N negatives a triplet, S crop side, G gap in frames (12, so that a block has 24 maps).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfa_core.config.pretrain import PretrainConfig
from pfa_core.cuts import Triplet, cut_blocks, cut_frames
from pfa_core.errors import VideoTooShort
from pfa_core.frame_store import FrameStore

__all__ = ["Triplet", "TripletBatch", "choose_negatives", "draw_triplets", "other_time", "sample_batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TripletBatch:
    """B triplets, and which blocks of the batch serve each of them as negatives."""

    first_u8: Tensor
    """(B, 3, S, S) uint8 RGB, channels last in memory."""
    second_u8: Tensor
    """(B, 3, S, S) uint8 RGB, channels last in memory."""
    block_i8: Tensor
    """(B, 2G, S, S) int8, the x-maps in order of time, then the y-maps; 127 = the flow bound."""
    video: Tensor
    """(B,) int64"""
    negatives: Tensor
    """(B, N) int64, rows of `block_i8` that are of other videos."""


def sample_batch(
    store: FrameStore, config: PretrainConfig, *, count: int, rng: np.random.Generator, augment: bool = True
) -> TripletBatch:
    """Sample `count` triplets, spread over as many videos as can be. It depends on nothing but its arguments.

    Raises:
        VideoTooShort: a video has fewer than gap_frames + 1 frames.
    """
    assert count >= 2, "negatives come from other videos of the batch"
    assert len(store) >= 2, "negatives come from other videos"
    triplets = draw_triplets(store, config, count=count, rng=rng, augment=augment)
    video = np.array([triplet.video for triplet in triplets])
    negatives = choose_negatives(video, count=config.num_negatives, rng=rng)
    side, gap = config.net.crop_px, config.gap_frames
    first, second = cut_frames(store, triplets, side=side, gap=gap)
    return TripletBatch(
        first_u8=first,
        second_u8=second,
        block_i8=cut_blocks(store, triplets, side=side, gap=gap),
        video=torch.from_numpy(video),
        negatives=torch.from_numpy(negatives),
    )


def draw_triplets(
    store: FrameStore, config: PretrainConfig, *, count: int, rng: np.random.Generator, augment: bool = True
) -> list[Triplet]:
    """Draw videos in turn (a new random order each round), and in each a time, a place, a mirror and a direction."""
    rounds = -(-count // len(store))
    videos = np.concatenate([rng.permutation(len(store)) for _ in range(rounds)])[:count]
    time, top, left, mirror, turn = rng.random((5, count))
    triplets = []
    for i, video in enumerate(videos.tolist()):
        height, width = store.sizes[video]
        num_starts = store.num_frames[video] - config.gap_frames
        if num_starts < 1:
            raise VideoTooShort(num_frames=store.num_frames[video], needed=config.gap_frames + 1)
        triplets.append(
            Triplet(
                video=video,
                first=int(time[i] * num_starts),
                top=int(top[i] * (height - config.net.crop_px + 1)),
                left=int(left[i] * (width - config.net.crop_px + 1)),
                mirrored=bool(augment and config.flip and mirror[i] < 0.5),
                reversed=bool(augment and config.reverse and turn[i] < 0.5),
            )
        )
    return triplets


def choose_negatives(video: NDArray[np.int64], *, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each of B triplets, rows of other videos: (B,) -> (B, N), different ones as long as there are enough."""
    keys = rng.random((len(video), len(video)))
    keys[video[:, None] == video[None, :]] = np.inf  # never a block of the same video
    order = np.argsort(keys, axis=1)
    num_others = np.isfinite(keys).sum(axis=1)
    assert num_others.min() >= 1, "a batch needs at least two videos"
    rank = np.arange(count)[None, :] % num_others[:, None]  # (B, N), starts over when there are fewer than N
    return np.take_along_axis(order, rank, axis=1)


def other_time(triplet: Triplet, *, num_frames: int, gap: int, rng: np.random.Generator) -> Triplet:
    """The same place of the same video at another time, without a map in common where the video is long enough."""
    starts = np.arange(num_frames - gap)
    distance = np.abs(starts - triplet.first)
    far = starts[distance >= min(gap, distance.max())]
    return Triplet(
        video=triplet.video, first=int(rng.choice(far)), top=triplet.top, left=triplet.left,
        mirrored=triplet.mirrored, reversed=triplet.reversed,
    )  # fmt: skip
