"""The frames and flow maps of many videos, from which triplets are cut.

Axes: T frames, H rows, W columns, G gap (flow maps of one direction in a block), S crop side.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfa_core.progress import Progress

Frame = NDArray[np.uint8]
FlowMaps = NDArray[np.int8]
CPU = torch.device("cpu")


class Clip(Protocol):
    """What a pack offers: a video's frames, and the flow from each to the next."""

    @property
    def video_sha256(self) -> str: ...
    @property
    def num_frames(self) -> int: ...
    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        ...

    @property
    def bound_px(self) -> float:
        """The displacement that 127 stands for."""
        ...

    @property
    def still(self) -> bool:
        """Whether nothing moves in it."""
        ...

    def frame(self, index: int) -> Frame:
        """(H, W, 3) uint8 RGB."""
        ...

    def flow(self, index: int) -> FlowMaps:
        """(2, H, W) int8, x then y, from frame `index` to the next."""
        ...


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A video in memory."""

    frames: Tensor
    """(T, H, W, 3) uint8"""
    flows: Tensor
    """(T - 1, 2, H, W) int8"""


class FrameStore:
    """Random access to crops of frames and of flow maps.

    Up to `cache_bytes` of them are kept in the memory of `device` once `load` ran, so that a GPU cuts its own
    batches; the rest is read from the packs every time.
    """

    def __init__(self, clips: Sequence[Clip], *, cache_bytes: int = 0, device: torch.device = CPU) -> None:
        self.clips = tuple(clips)
        self.device = device
        self.num_frames = tuple(clip.num_frames for clip in clips)
        self.sizes = tuple(clip.size for clip in clips)
        """(H, W) of each video."""
        self._cache_bytes = cache_bytes
        self._loaded: dict[int, _Loaded] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def load(self) -> Generator[Progress, None, None]:
        """Read videos into memory, as many as fit; the others stay in their packs."""
        left = self._cache_bytes
        for video, clip in enumerate(self.clips):
            height, width = clip.size
            num_bytes = (5 * clip.num_frames - 2) * height * width  # 3 bytes of frame and 2 of flow a pixel
            if num_bytes <= left:
                self._loaded[video] = _read(clip, self.device)
                left -= num_bytes
            yield Progress(phase="load", step=video + 1, total=len(self.clips))

    def frame(self, video: int, index: int, *, top: int, left: int, side: int) -> Tensor:
        """(S, S, 3) uint8 RGB: a view where the video is in memory, else on the CPU."""
        loaded = self._loaded.get(video)
        whole = torch.tensor(self.clips[video].frame(index)) if loaded is None else loaded.frames[index]
        return whole[top : top + side, left : left + side]

    def flows(self, video: int, first: int, *, count: int, top: int, left: int, side: int) -> Tensor:
        """(G, 2, S, S) int8: the maps from frame `first` on, x then y; a view where the video is in memory."""
        loaded = self._loaded.get(video)
        rows, columns = slice(top, top + side), slice(left, left + side)
        if loaded is not None:
            return loaded.flows[first : first + count, :, rows, columns]
        maps = np.stack([self.clips[video].flow(first + i)[:, rows, columns] for i in range(count)])
        return torch.from_numpy(maps)


def _read(clip: Clip, device: torch.device) -> _Loaded:
    frames = np.stack([clip.frame(index) for index in range(clip.num_frames)])
    flows = np.stack([clip.flow(index) for index in range(clip.num_frames - 1)])
    return _Loaded(torch.from_numpy(frames).to(device), torch.from_numpy(flows).to(device))
