"""Clips in memory whose flow is known exactly, with everything that a pack offers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BOUND_PX = 12.7
"""Whole displacements are then whole numbers of the ten units a px, and read back exactly."""


@dataclass(frozen=True)
class ArrayClip:
    """A clip given by its arrays."""

    frames: NDArray[np.uint8]
    """(T, H, W, 3)"""
    flows: NDArray[np.int8]
    """(T - 1, 2, H, W)"""
    video_sha256: str = "0" * 64
    still: bool = False
    bound_px: float = BOUND_PX

    @property
    def num_frames(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.shape[1], self.frames.shape[2]

    def frame(self, index: int) -> NDArray[np.uint8]:
        return self.frames[index]

    def flow(self, index: int) -> NDArray[np.int8]:
        return self.flows[index]


def texture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """(H, W, 3) noise of 4 px blocks."""
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]


def noise_clip(seed: int, *, num_frames: int = 16, size: tuple[int, int] = (70, 80)) -> ArrayClip:
    """Every byte is random, so that no two crops are alike."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (num_frames, *size, 3), dtype=np.uint8)
    flows = rng.integers(-127, 128, (num_frames - 1, 2, *size), dtype=np.int8)
    return ArrayClip(frames, flows, video_sha256=f"{seed:064x}")


def panning_clip(
    seed: int, *, velocity_px: tuple[int, int], num_frames: int = 16, size: tuple[int, int] = (70, 80)
) -> ArrayClip:
    """A texture that moves as a whole by `velocity_px` (x, y) a frame."""
    rng = np.random.default_rng(seed)
    vx, vy = velocity_px
    height, width = size
    span_x, span_y = abs(vx) * num_frames, abs(vy) * num_frames
    scene = texture(rng, height + span_y, width + span_x)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    for i in range(num_frames):
        top = -vy * i + (span_y if vy > 0 else 0)
        left = -vx * i + (span_x if vx > 0 else 0)
        frames[i] = scene[top : top + height, left : left + width]
    return ArrayClip(frames, _constant_flow(velocity_px, num_frames, size), video_sha256=f"{seed:064x}")


def _constant_flow(velocity_px: tuple[int, int], num_frames: int, size: tuple[int, int]) -> NDArray[np.int8]:
    units = np.rint(np.array(velocity_px) / BOUND_PX * 127).astype(np.int8)
    return np.broadcast_to(units[None, :, None, None], (num_frames - 1, 2, *size)).copy()


def patch_clip(
    seed: int, *, path: Sequence[tuple[int, int]], side: int = 24, size: tuple[int, int] = (64, 64)
) -> ArrayClip:
    """A textured square that follows `path` (its left and top corner in each frame) before a still background."""
    rng = np.random.default_rng(seed)
    height, width = size
    background, patch = texture(rng, height, width), texture(rng, side, side)
    frames = np.repeat(background[None], len(path), axis=0)
    flows = np.zeros((len(path) - 1, 2, height, width), np.int8)
    for i, (left, top) in enumerate(path):
        frames[i, top : top + side, left : left + side] = patch
        if i + 1 < len(path):
            step = np.subtract(path[i + 1], path[i])
            units = np.rint(np.clip(step / BOUND_PX, -1, 1) * 127).astype(np.int8)
            flows[i, :, top : top + side, left : left + side] = units[:, None, None]
    return ArrayClip(frames, flows, video_sha256=f"{seed:064x}")


def dancing_clip(seed: int, *, num_frames: int = 30, size: tuple[int, int] = (64, 64)) -> ArrayClip:
    """A square that swings to and fro in a direction and at a pace of its own."""
    rng = np.random.default_rng((seed, 1))
    angle, phase = rng.uniform(0, 2 * np.pi, 2)
    period, reach = rng.uniform(8, 40), 18
    swing = reach * np.sin(2 * np.pi * np.arange(num_frames) / period + phase)
    centre = (size[0] - 24) // 2
    path = [(centre + round(float(s * np.cos(angle))), centre + round(float(s * np.sin(angle)))) for s in swing]
    return patch_clip(seed, path=path, size=size)
