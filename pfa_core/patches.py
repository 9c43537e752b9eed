"""Square pieces of single frames, cut out of videos.

Axes: N patches, P side of a patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pfa_core.frame_store import FrameStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Where a patch is cut, and whether it is turned."""

    video: int
    index: int
    """The frame."""
    top: int
    left: int
    mirrored: bool = False


def cut_patches(store: FrameStore, patches: Sequence[Patch], *, side: int) -> Tensor:
    """(N, 3, P, P) uint8 RGB, channels last in memory, on the store's device."""
    cut = torch.empty((len(patches), side, side, 3), dtype=torch.uint8, device=store.device)
    for i, patch in enumerate(patches):
        piece = store.frame(patch.video, patch.index, top=patch.top, left=patch.left, side=side)
        cut[i] = piece.flip(1) if patch.mirrored else piece
    return cut.permute(0, 3, 1, 2)
