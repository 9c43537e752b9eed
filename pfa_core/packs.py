"""Packs: the frames of a video at working size and the flow between them, for random access.

A pack is immutable and content-addressed (`pack_key`): built once per video and configuration, then shared by every
job. `pack_format` tells how it lies on disk.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig
from pfa_core.errors import PackDamaged, VideoTooShort
from pfa_core.flow import luma, make_batch_engine, pairs_at_once
from pfa_core.pack_format import DATA_FILES, FLOW, FRAMES, HEADER, INDEX, FileSum, PackHeader, PackIndex, pack_key
from pfa_core.pack_writer import PackWriter, scratch_folder, sync
from pfa_core.progress import Progress
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits

__all__ = ["Pack", "build_pack", "pack_key"]

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
        header = PackHeader.read(folder / HEADER)
        for name in DATA_FILES:
            _check_file(folder / name, header.files[name], verify=verify)
        return cls(folder, header, PackIndex.read(folder / INDEX, header))

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


def _check_file(path: Path, expected: FileSum, *, verify: bool) -> None:
    """Raises: PackDamaged."""
    try:
        num_bytes = path.stat().st_size
        matches = num_bytes == expected.num_bytes and (not verify or FileSum.of(path) == expected)
    except OSError as error:
        raise PackDamaged(f"{path.name} cannot be read: {error}.", folder=str(path.parent)) from error
    if not matches:
        raise PackDamaged(f"The length or the checksum of {path.name} does not match.", folder=str(path.parent))


def build_pack(
    video: Path,
    folder: Path,
    config: PackConfig,
    *,
    video_sha256: str,
    limits: DecodeLimits,
    expected_frames: int = 0,
) -> Generator[Progress, None, Pack]:
    """Decode a video once, measure the flow between its frames, and write both as a pack.

    It is built beside `folder` and renamed to it when complete, so `folder` is always absent or whole. If `folder`
    holds a pack that verifies, it is returned at once; a damaged one is replaced; if another builder finishes first,
    its pack is taken and ours discarded. Memory does not depend on the video's length. Closing the generator removes
    what was built so far.

    Args:
        video: the file.
        folder: where the pack goes; name it by `pack_key`.
        config: working size, flow and coding.
        video_sha256: of the file, recorded in the pack.
        limits: caps on decoding.
        expected_frames: how many frames the video is thought to have, for the progress's `total` only.

    Raises:
        VideoTooShort: fewer than 2 frames.
        VideoUnsupported, VideoUnreadable, VideoTooLarge, DecodeTimeout: see `pfa_core.errors`.
    """
    with contextlib.suppress(PackDamaged):
        return Pack.open(folder)
    with scratch_folder(folder) as scratch:
        decoded = read_frames(video, limits=limits, short_side_px=config.short_side_px)
        with PackWriter(scratch, config) as writer, contextlib.closing(decoded) as frames:
            for frame, flow_px in frames_with_flow(frames, config):
                writer.add_frame(frame)
                if flow_px is not None:
                    writer.add_flow(flow_px)
                total = max(expected_frames, writer.num_frames) if expected_frames else 0
                yield Progress(phase="flow", step=writer.num_frames, total=total)
            if writer.num_frames < 2:
                raise VideoTooShort(num_frames=writer.num_frames, needed=2)
            writer.finish(video_sha256=video_sha256)
        return _publish(scratch, folder)


def frames_with_flow(
    frames: Iterator[NDArray[np.uint8]], config: PackConfig, *, at_once: int | None = None
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32] | None]]:
    """Every frame with the flow that leads to it, in px; the first has none.

    Args:
        frames: (H, W, 3) uint8 RGB.
        config: says how flow is measured.
        at_once: pairs in a batch, held in memory together; None suits the backend and the device.
    """
    before = next(frames, None)
    if before is None:
        return
    yield before, None
    size = (before.shape[0], before.shape[1])
    engine = make_batch_engine(config.backend, config.tvl1, size=size)
    at_once = at_once or pairs_at_once(config.backend, size=size)
    last = luma(before)
    while block := list(itertools.islice(frames, at_once)):
        now = np.stack([last, *map(luma, block)])  # (N + 1, H, W)
        yield from zip(block, engine(now[:-1], now[1:]), strict=True)
        last = now[-1]


def _publish(scratch: Path, folder: Path) -> Pack:
    """Move a finished pack to its place, unless a whole one is there already."""
    while True:
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            with contextlib.suppress(PackDamaged):
                return Pack.open(folder)
            _discard(folder)
        else:
            sync(folder.parent)
            return Pack.open(folder, verify=False)


def _discard(folder: Path) -> None:
    """Take a damaged pack out of the way in one step, then remove it."""
    with scratch_folder(folder) as scratch, contextlib.suppress(FileNotFoundError):
        folder.rename(scratch / "damaged")
