"""The frames and flow maps of many videos, from which triplets are cut.

Axes: T frames, H rows, W columns, G gap (flow maps of one direction in a block), S crop side.
"""

import contextlib
from collections.abc import Generator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfa_core.mapped_packs import ClipTensors, map_pack
from pfa_core.pack_reader import Pack
from pfa_core.page_advice import read_ahead
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


class FrameStore:
    """Random access to crops of frames and of flow maps.

    Once `load` ran, videos are held in three ways; which of them changes the speed, never a byte:
    in the memory of `device`, up to `cache_bytes`, so that a GPU cuts its own batches; then mapped from the disk,
    where there is room for a pack's mapped form; the rest is decompressed every time.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        *,
        cache_bytes: int = 0,
        device: torch.device = CPU,
        keep_free_bytes: int = 0,
        flow_alone: bool = False,
    ) -> None:
        """
        Args:
            clips: what is held.
            cache_bytes: of the device's memory.
            device: where crops are wanted.
            keep_free_bytes: disk that mapped forms leave free, if it is more than `mapped_packs.reserve_bytes`.
            flow_alone: frames are never asked for, so memory need not hold them.
        """
        self.clips = tuple(clips)
        self.device = device
        self.num_frames = tuple(clip.num_frames for clip in clips)
        self.sizes = tuple(clip.size for clip in clips)
        """(H, W) of each video."""
        self._cache_bytes = cache_bytes
        self._flow_alone = flow_alone
        self._keep_free_bytes = keep_free_bytes
        self._in_memory: dict[int, ClipTensors] = {}
        self._mapped: dict[int, ClipTensors] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def load(self) -> Generator[Progress, None, None]:
        """Read videos into memory, as many as fit, and map the others; figures: how many are held in which way."""
        left = self._cache_bytes
        for video, clip in enumerate(self.clips):
            height, width = clip.size
            num_frames = 0 if self._flow_alone else clip.num_frames
            num_bytes = (3 * num_frames + 2 * (clip.num_frames - 1)) * height * width
            if num_bytes <= left:
                self._in_memory[video] = _read(clip, self.device, num_frames=num_frames)
                left -= num_bytes
            elif isinstance(clip, Pack):
                yield from self._map(video, clip)
            yield Progress(phase="load", step=video + 1, total=len(self.clips), metrics=self.held())

    def held(self) -> dict[str, float]:
        """How many videos are held in which way."""
        in_memory, mapped = len(self._in_memory), len(self._mapped)
        counts = {"in_memory": in_memory, "mapped": mapped, "compressed": len(self) - in_memory - mapped}
        return {name: float(count) for name, count in counts.items()}

    def in_memory(self, video: int) -> bool:
        """Whether it is in the memory of `device`."""
        return video in self._in_memory

    @property
    def all_in_memory(self) -> bool:
        """Whether cutting needs neither the disk nor decompression."""
        return len(self._in_memory) == len(self)

    def frame(self, video: int, index: int, *, top: int, left: int, side: int) -> Tensor:
        """(S, S, 3) uint8 RGB: a view where the video is in memory or mapped; on the CPU unless it is in memory."""
        held = self._held(video)
        whole = torch.tensor(self.clips[video].frame(index)) if held is None else held.frames[index]
        lines = whole[top : top + side]
        if video in self._mapped:
            read_ahead(lines)
        return lines[:, left : left + side]

    def flows(self, video: int, first: int, *, count: int, top: int, left: int, side: int) -> Tensor:
        """(G, 2, S, S) int8: the maps from frame `first` on, x then y; as `frame`."""
        held = self._held(video)
        rows, columns = slice(top, top + side), slice(left, left + side)
        if held is not None:
            whole = held.flows[first : first + count]
            if video in self._mapped:
                read_ahead(whole)
            return whole[:, :, rows, columns]
        maps = np.stack([self.clips[video].flow(first + i)[:, rows, columns] for i in range(count)])
        return torch.from_numpy(maps)

    def _held(self, video: int) -> ClipTensors | None:
        return self._in_memory.get(video) or self._mapped.get(video)

    def _map(self, video: int, pack: Pack) -> Generator[Progress, None, None]:
        """Map a pack, or leave it compressed where the disk does not take its mapped form."""
        alive = Progress(phase="load", step=video, total=len(self.clips))
        with contextlib.suppress(OSError):
            self._mapped[video] = yield from map_pack(pack, keep_free_bytes=self._keep_free_bytes, alive=alive)


def _read(clip: Clip, device: torch.device, *, num_frames: int) -> ClipTensors:
    frames = np.empty((num_frames, *clip.size, 3), np.uint8)
    for index in range(num_frames):
        frames[index] = clip.frame(index)
    flows = np.stack([clip.flow(index) for index in range(clip.num_frames - 1)])
    return ClipTensors(torch.from_numpy(frames).to(device), torch.from_numpy(flows).to(device))
