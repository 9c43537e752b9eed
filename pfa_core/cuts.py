"""Cutting triplets out of videos. Source: paper section 3.

There are two ways to the same bytes: on the CPU numpy turns each piece while it copies it; on a GPU pieces are copied
as they are and all of a batch's are turned together, since there every small operation costs a launch.

Axes: B triplets, S crop side, G gap in frames (12, so that a block has 24 maps).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pfa_core.frame_store import FrameStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Triplet:
    """Where a triplet is cut, and how it is turned: the same place in both frames and in all maps between."""

    video: int
    first: int
    """The earlier frame; the later one is `gap_frames` after it."""
    top: int
    left: int
    mirrored: bool = False
    reversed: bool = False
    """Played backwards: the frames change places, the maps are in reverse order and negated."""


def cut_frames(store: FrameStore, triplets: Sequence[Triplet], *, side: int, gap: int) -> tuple[Tensor, Tensor]:
    """The two crops of each triplet: (B, 3, S, S) uint8 twice, on the store's device."""
    if store.device.type != "cpu":
        return cut_frames_batched(store, triplets, side=side, gap=gap)
    crops = np.empty((2, len(triplets), side, side, 3), np.uint8)
    for i, t in enumerate(triplets):
        for which, index in enumerate((t.first, t.first + gap)):
            crop = store.frame(t.video, index, top=t.top, left=t.left, side=side).numpy()
            crops[which ^ t.reversed, i] = crop[:, ::-1] if t.mirrored else crop
    first, second = torch.from_numpy(crops).permute(0, 1, 4, 2, 3)
    return first, second


def cut_blocks(store: FrameStore, triplets: Sequence[Triplet], *, side: int, gap: int) -> Tensor:
    """The flow between the two frames of each triplet: (B, 2G, S, S) int8, x-maps then y-maps, on the CPU.

    In a mirror the x-flow changes sign. Backwards, the maps are in reverse order and negated: negating the flow from
    a frame to the next approximates the flow back (they are equal where the motion is the same at both ends of it).
    """
    if store.device.type != "cpu":
        return cut_blocks_batched(store, triplets, side=side, gap=gap)
    blocks = np.empty((len(triplets), 2, gap, side, side), np.int8)
    for i, t in enumerate(triplets):
        maps = store.flows(t.video, t.first, count=gap, top=t.top, left=t.left, side=side).numpy()  # (G, 2, S, S)
        if t.reversed:
            maps = maps[::-1]
        if t.mirrored:
            maps = maps[..., ::-1]
        for axis in (0, 1):
            negated = t.reversed != (t.mirrored and axis == 0)
            (np.negative if negated else np.positive)(maps[:, axis], out=blocks[i, axis])
    return torch.from_numpy(blocks).flatten(1, 2)


def cut_frames_batched(store: FrameStore, triplets: Sequence[Triplet], *, side: int, gap: int) -> tuple[Tensor, Tensor]:
    """As `cut_frames`, in few operations, all on the store's device."""

    def put(crops: Tensor, t: Triplet) -> None:
        for which, index in enumerate((t.first, t.first + gap)):
            crops[which ^ t.reversed].copy_(store.frame(t.video, index, top=t.top, left=t.left, side=side))

    crops = _gathered(store, triplets, put, shape=(2, side, side, 3), dim=1, dtype=torch.uint8)
    mirrored = _positions([t.mirrored for t in triplets], store.device)
    crops[:, mirrored] = crops[:, mirrored].flip(3)
    first, second = crops.permute(0, 1, 4, 2, 3)
    return first, second


def cut_blocks_batched(store: FrameStore, triplets: Sequence[Triplet], *, side: int, gap: int) -> Tensor:
    """As `cut_blocks`, in few operations, all on the store's device."""

    def put(block: Tensor, t: Triplet) -> None:
        maps = store.flows(t.video, t.first, count=gap, top=t.top, left=t.left, side=side)  # (G, 2, S, S)
        block.copy_(maps.transpose(0, 1))

    blocks = _gathered(store, triplets, put, shape=(2, gap, side, side), dim=0, dtype=torch.int8)
    mirrored = _positions([t.mirrored for t in triplets], store.device)
    backwards = _positions([t.reversed for t in triplets], store.device)
    blocks[mirrored] = blocks[mirrored].flip(4)
    blocks[mirrored, 0] = -blocks[mirrored, 0]
    blocks[backwards] = -blocks[backwards].flip(2)
    return blocks.flatten(1, 2)


def mirrored_blocks(blocks: Tensor) -> Tensor:
    """What a mirror shows of blocks that are cut: the x-flow changes sign. (B, 2G, H, W) -> the same shape, a copy."""
    flipped = blocks.flip(3)
    flipped[:, : blocks.shape[1] // 2].neg_()
    return flipped


def _gathered(
    store: FrameStore,
    triplets: Sequence[Triplet],
    put: Callable[[Tensor, Triplet], None],
    *,
    shape: tuple[int, ...],
    dim: int,
    dtype: torch.dtype,
) -> Tensor:
    """What `put` writes for each triplet, `shape` with B inserted as dimension `dim`, on the store's device.

    Videos in the device's memory are cut there. All others are cut on the host into one buffer, pinned where the
    device is a GPU, which goes over in one copy that the host does not wait for.
    """

    def room(count: int) -> tuple[int, ...]:
        return (*shape[:dim], count, *shape[dim:])

    whole = torch.empty(room(len(triplets)), dtype=dtype, device=store.device)
    away = [not store.in_memory(t.video) for t in triplets]
    staged = torch.empty(room(sum(away)), dtype=dtype, pin_memory=store.device.type == "cuda")
    free = iter(staged.unbind(dim))
    for i, t in enumerate(triplets):
        put(next(free) if away[i] else whole.select(dim, i), t)
    if any(away):
        whole.index_copy_(dim, _positions(away, store.device), staged.to(store.device, non_blocking=True))
    return whole


def _positions(flags: list[bool], device: torch.device) -> Tensor:
    """Where the flags are true: (n,) int64."""
    return torch.tensor([i for i, flag in enumerate(flags) if flag], dtype=torch.int64, device=device)
