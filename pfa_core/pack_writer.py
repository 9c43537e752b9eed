"""Writing a pack so that it is either there whole or not at all, whoever else writes it at the same time."""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig
from pfa_core.images import write_jpeg
from pfa_core.pack_format import DATA_FILES, FLOW, FRAMES, HEADER, INDEX, FileSum, PackHeader, PackIndex
from pfa_core.quantize import quantize

ZSTD_LEVEL = 1
CELL_PX = 8
"""Side of the cells over which motion is averaged before it is judged, so that single wrong vectors do not count."""


@contextlib.contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target` to build it in; removed on the way out if it is still there.

    Its owner holds a lock on it for as long as it lives, so whoever comes next can tell and clear away the folders of
    builders that were killed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(target)
    folder, handle = _locked_folder(target)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _locked_folder(target: Path) -> tuple[Path, int]:
    while True:
        folder = target.parent / f".{target.name}.{secrets.token_hex(8)}.tmp"
        folder.mkdir()
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.is_dir():  # else somebody took it for abandoned before it was locked
            return folder, handle
        os.close(handle)


def _clear_abandoned(target: Path) -> None:
    for folder in target.parent.glob(f".{target.name}.*.tmp"):
        with contextlib.suppress(OSError):  # gone already, or its owner lives
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def sync(path: Path) -> None:
    """Have a file or a folder's entries on disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Stream:
    """A data file that is being written: its offsets and its checksum on the way."""

    def __init__(self, path: Path) -> None:
        self.offsets = [0]
        self._file: BinaryIO = path.open("wb")
        self._hash = hashlib.sha256()

    def append(self, item: bytes) -> None:
        self._file.write(item)
        self._hash.update(item)
        self.offsets.append(self.offsets[-1] + len(item))

    def close(self) -> None:
        self._file.close()

    def finish(self) -> FileSum:
        self._file.close()
        return FileSum(num_bytes=self.offsets[-1], sha256=self._hash.hexdigest())


class PackWriter:
    """Fills an empty folder with a pack, frame by frame. Memory does not grow with the video but for the offsets.

    A context manager: leaving it closes the files; only `finish` makes a pack of them.
    """

    def __init__(self, folder: Path, config: PackConfig) -> None:
        self._folder = folder
        self._config = config
        self._frames = _Stream(folder / FRAMES)
        self._flow = _Stream(folder / FLOW)
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        self._motion_sum_px = 0.0
        self.num_frames = 0

    def add_frame(self, frame: NDArray[np.uint8]) -> None:
        """(H, W, 3) uint8 RGB."""
        self._size = frame.shape[:2]
        self._frames.append(write_jpeg(frame, quality=self._config.jpeg_quality))
        self.num_frames += 1

    def add_flow(self, flow_px: NDArray[np.float32]) -> None:
        """(H, W, 2) float32 px, from the frame before the last to the last."""
        codes = quantize(np.ascontiguousarray(flow_px.transpose(2, 0, 1)), bound_px=self._config.bound_px)
        self._flow.append(self._zstd.compress(codes.data))
        self._motion_sum_px += strongest_motion_px(flow_px)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames.close()
        self._flow.close()

    def finish(self, *, video_sha256: str) -> None:
        """Write what remains and have all of it on disk."""
        sums = {FRAMES: self._frames.finish(), FLOW: self._flow.finish()}
        index = PackIndex(
            frames=np.array(self._frames.offsets, np.uint64), flow=np.array(self._flow.offsets, np.uint64)
        )
        index.write(self._folder / INDEX)
        PackHeader(
            video_sha256=video_sha256,
            config=asdict(self._config),
            num_frames=self.num_frames,
            height_px=self._size[0],
            width_px=self._size[1],
            bound_px=self._config.bound_px,
            motion_px=self._motion_sum_px / (self.num_frames - 1),
            files={**sums, INDEX: FileSum.of(self._folder / INDEX)},
        ).write(self._folder / HEADER)
        for name in (*DATA_FILES, HEADER):
            sync(self._folder / name)
        sync(self._folder)


def strongest_motion_px(flow_px: NDArray[np.float32]) -> float:
    """The 99th percentile, over cells of 8 x 8 px, of the cells' mean speed in px."""
    speed_px = cv2.magnitude(np.ascontiguousarray(flow_px[..., 0]), np.ascontiguousarray(flow_px[..., 1]))  # (H, W)
    height, width = speed_px.shape
    cells = cv2.resize(speed_px, (max(1, width // CELL_PX), max(1, height // CELL_PX)), interpolation=cv2.INTER_AREA)
    return float(np.percentile(cells, 99))
