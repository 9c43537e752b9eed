"""Reading a pack: the frames of a video at working size and the flow between them, for random access."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray

from pfa_core.errors import PackDamaged
from pfa_core.pack_format import FLOW, FRAMES, PackHeader, PackIndex, read_pack

STILL_PX = 0.1
"""A video whose strongest motion stays below this, on average over its frames, is still."""


class Pack:
    """A pack on disk, read-only. Holds no open file, so thousands can be open; pickles as its folder."""

    def __init__(self, folder: Path, header: PackHeader, index: PackIndex) -> None:
        self.folder = folder
        self.video_sha256 = header.video_sha256
        self.num_frames = header.num_frames
        self.size = (header.height_px, header.width_px)
        """(H, W)"""
        self.bound_px = header.bound_px
        """The displacement that the code 127 stands for."""
        self.motion_px = header.motion_px
        """The strongest motion between two frames (99th percentile over 8 x 8 px cells), averaged over the video."""
        self.sha256 = header.sha256
        """Tells this pack's content from any other's."""
        self._index = index

    @classmethod
    def open(cls, folder: Path, *, verify: bool = True) -> "Pack":
        """Open a pack.

        Args:
            folder: the pack.
            verify: read every byte and compare checksums; without it, lengths only.

        Raises:
            PackDamaged: something is missing, cut short, garbled, or of a newer layout.
        """
        return cls(folder, *read_pack(folder, verify=verify))

    def __reduce__(self) -> tuple[Callable[[Path], "Pack"], tuple[Path]]:
        return _reopen, (self.folder,)

    @property
    def still(self) -> bool:
        """Nothing moves in it."""
        return self.motion_px < STILL_PX

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Frame `index` as (H, W, 3) uint8 RGB.

        Raises:
            IndexError: no such frame.
            PackDamaged: it does not read back.
        """
        data = np.frombuffer(self._read(FRAMES, self._index.frames, index), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
        if image is None or image.shape != (*self.size, 3):
            raise self._damaged(f"frame {index} does not decode")
        return np.asarray(image, np.uint8)

    def flow(self, index: int) -> NDArray[np.int8]:
        """Flow from frame `index` to the next as (2, H, W) int8: x, then y; 127 stands for `bound_px`.

        Raises:
            IndexError: no such map; there is one fewer than frames.
            PackDamaged: it does not read back.
        """
        shape = (2, *self.size)
        data = self._read(FLOW, self._index.flow, index)
        try:
            codes = zstandard.ZstdDecompressor().decompress(data, max_output_size=2 * self.size[0] * self.size[1])
            return np.frombuffer(codes, np.int8).reshape(shape)
        except (zstandard.ZstdError, ValueError) as error:
            raise self._damaged(f"flow map {index} does not decompress") from error

    def flow_block(self, first: int, *, count: int, top: int, left: int, size: int) -> NDArray[np.int8]:
        """A square of consecutive flow maps: what the Motion ConvNet sees. Source: paper section 3.

        Args:
            first: index of the first map.
            count: number of maps (12 in the paper).
            top: first line of the square, px.
            left: its first column, px.
            size: its side, px.

        Returns:
            (2 * count, size, size) int8: `count` x-maps, then `count` y-maps.

        Raises:
            IndexError: the block leaves the pack.
            PackDamaged: a map does not read back.
        """
        height, width = self.size
        if not (0 <= top <= height - size and 0 <= left <= width - size):
            raise IndexError(f"a square of {size} px at ({left}, {top}) leaves the frame of {width} x {height} px")
        block = np.empty((2, count, size, size), np.int8)
        for i in range(count):
            block[:, i] = self.flow(first + i)[:, top : top + size, left : left + size]
        return block.reshape(2 * count, size, size)

    def _read(self, name: str, offsets: NDArray[np.uint64], item: int) -> bytes:
        if not 0 <= item < len(offsets) - 1:
            raise IndexError(f"item {item} of {len(offsets) - 1} in {name}")
        start, end = int(offsets[item]), int(offsets[item + 1])
        try:
            handle = os.open(self.folder / name, os.O_RDONLY)
            try:
                data = os.pread(handle, max(0, end - start), start)
            finally:
                os.close(handle)
        except OSError as error:
            raise self._damaged(f"{name} cannot be read: {error}") from error
        if len(data) != end - start:
            raise self._damaged(f"{name} is cut short")
        return data

    def _damaged(self, what: str) -> PackDamaged:
        return PackDamaged(f"The pack is damaged: {what}. Delete it; it is built again.", folder=str(self.folder))


def _reopen(folder: Path) -> Pack:
    return Pack.open(folder, verify=False)
