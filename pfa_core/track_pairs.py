"""Pairs of patches of one track, and which patches of the batch are their negatives.

Source: Wang and Gupta, ICCV 2015, sections 3 and 4.

Axes: B pairs, K negatives a pair, P side of a patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pfa_core.config.ranking import RankingConfig
from pfa_core.frame_store import FrameStore
from pfa_core.patches import Patch, cut_patches
from pfa_core.tracks import Track
from pfa_core.triplets import choose_negatives


@dataclass(frozen=True, slots=True, kw_only=True)
class PairBatch:
    """B pairs of patches."""

    patches_u8: Tensor
    """(2B, 3, P, P) uint8 RGB: the start of each track, then the end of each, channels last in memory."""
    video: Tensor
    """(B,) int64"""
    negatives: Tensor
    """(B, K) int64, rows of `patches_u8` that are of other videos, chosen at random."""
    hard: bool
    """Whether the hardest patches of the batch are to be the negatives instead."""


def sample_pairs(
    store: FrameStore,
    tracks: Sequence[Sequence[Track]],
    config: RankingConfig,
    *,
    count: int,
    rng: np.random.Generator,
    hard: bool = False,
    augment: bool = True,
) -> PairBatch:
    """Sample `count` pairs, spread over as many videos as can be. It depends on nothing but its arguments.

    Args:
        tracks: of each video of the store, at least one.
    """
    assert min(count, len(store)) >= 2, "negatives come from other videos of the batch"
    rounds = -(-count // len(store))
    video = np.concatenate([rng.permutation(len(store)) for _ in range(rounds)])[:count]
    choice, mirror = rng.random((2, count))
    starts, ends = [], []
    for i, which in enumerate(video.tolist()):
        track = tracks[which][int(choice[i] * len(tracks[which]))]
        mirrored = bool(augment and config.flip and mirror[i] < 0.5)
        starts.append(_patch(which, track, 0, mirrored=mirrored))
        ends.append(_patch(which, track, config.gap_frames, mirrored=mirrored))
    negatives = choose_negatives(np.concatenate([video, video]), count=config.num_negatives, rng=rng)[:count]
    return PairBatch(
        patches_u8=cut_patches(store, [*starts, *ends], side=config.patch_px),
        video=torch.from_numpy(video),
        negatives=torch.from_numpy(negatives),
        hard=hard,
    )


def _patch(video: int, track: Track, later: int, *, mirrored: bool) -> Patch:
    """The patch of a track, so many frames after its start."""
    top, left = track.corners[later]
    return Patch(video=video, index=track.first + later, top=round(top), left=round(left), mirrored=mirrored)
