"""Putting a pack together from its chunks."""

import hashlib
from array import array
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig
from pfa_core.durable import flush
from pfa_core.pack_chunks import Chunks
from pfa_core.pack_format import DATA_FILES, FLOW, FRAMES, HEADER, INDEX, FileSum, PackHeader, PackIndex

BLOCK_BYTES = 1 << 20


def assemble(chunks: Chunks, folder: Path, config: PackConfig, *, video_sha256: str) -> Generator[None, None, None]:
    """Fill an empty folder with the pack that complete chunks make; yields after each of them.

    The result does not depend on where one chunk ends and the next begins. Memory does not grow with the video but
    for the offsets and one number a frame.

    Raises:
        PackDamaged: a chunk does not read back.
    """
    size = (0, 0)
    motion_px = array("d")
    with _Joined(folder / FRAMES) as frames, _Joined(folder / FLOW) as flow:
        for chunk, frames_path, flow_path in chunks.whole():
            frames.append(frames_path, chunk.frame_bytes)
            flow.append(flow_path, chunk.flow_bytes)
            motion_px.extend(chunk.motion_px)
            size = chunk.size if chunk.frame_bytes else size
            yield
    PackIndex(frames=frames.offsets, flow=flow.offsets).write(folder / INDEX)
    PackHeader(
        video_sha256=video_sha256,
        config=asdict(config),
        num_frames=chunks.end,
        height_px=size[0],
        width_px=size[1],
        bound_px=config.bound_px,
        motion_px=sum(motion_px) / len(motion_px),
        files={FRAMES: frames.sum, FLOW: flow.sum, INDEX: FileSum.of(folder / INDEX)},
    ).write(folder / HEADER)
    for name in (*DATA_FILES, HEADER):
        flush(folder / name)
    flush(folder)


class _Joined:
    """A data file of a pack, made of the chunks' files one after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self._ends = array("Q", [0])

    def append(self, part: Path, lengths: tuple[int, ...]) -> None:
        """Add a chunk's file, and wait until it is on the disk: little is left to wait for at the end."""
        with part.open("rb") as source:
            while block := source.read(BLOCK_BYTES):
                self._file.write(block)
                self._hash.update(block)
        for length in lengths:
            self._ends.append(self._ends[-1] + length)
        self._file.flush()
        flush(self._path)

    @property
    def offsets(self) -> NDArray[np.uint64]:
        """Where each item begins, and the end: one more than items."""
        return np.array(self._ends, np.uint64)

    @property
    def sum(self) -> FileSum:
        return FileSum(num_bytes=self._ends[-1], sha256=self._hash.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
