"""Writing one chunk of a pack, frame by frame."""

import hashlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig
from pfa_core.images import write_jpeg
from pfa_core.pack_chunks import Chunk, Chunks, frame_mark
from pfa_core.pack_format import FileSum
from pfa_core.quantize import quantize
from pfa_core.video.sandbox import TimedFrame

ZSTD_LEVEL = 1
CELL_PX = 8
"""Side of the cells over which motion is averaged before it is judged, so that single wrong vectors do not count."""


class ChunkWriter:
    """Fills the next of a pack's chunks; leave its context after `seal`, or what it wrote is removed."""

    def __init__(self, chunks: Chunks, config: PackConfig) -> None:
        self._chunks = chunks
        self._config = config
        self.first = chunks.end
        frames, flow, _ = chunks.paths(self.first)
        self._frames, self._flow = _Stream(frames), _Stream(flow)
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        self._motion_px: list[float] = []
        self._size = (0, 0)
        self._before = self._mark = chunks.mark or ""
        self._sealed = False

    @property
    def num_frames(self) -> int:
        return len(self._frames.lengths)

    def add_frame(self, frame: TimedFrame) -> None:
        self._size = (frame.pixels.shape[0], frame.pixels.shape[1])
        jpeg = write_jpeg(frame.pixels, quality=self._config.jpeg_quality)
        self._frames.append(jpeg)
        self._mark = frame_mark(frame.time, jpeg)

    def add_flow(self, flow_px: NDArray[np.float32]) -> None:
        """(H, W, 2) float32 px, from the frame before the last to the last."""
        codes = quantize(np.ascontiguousarray(flow_px.transpose(2, 0, 1)), bound_px=self._config.bound_px)
        self._flow.append(self._zstd.compress(codes.data))
        self._motion_px.append(strongest_motion_px(flow_px))

    def seal(self, *, last: bool) -> None:
        """Have all of it on the disk. `last`: the video ended."""
        chunk = Chunk(
            key=self._chunks.key,
            first=self.first,
            last=last,
            before=self._before,
            mark=self._mark,
            size=self._size,
            frame_bytes=tuple(self._frames.lengths),
            flow_bytes=tuple(self._flow.lengths),
            motion_px=tuple(self._motion_px),
            frames=self._frames.finish(),
            flow=self._flow.finish(),
        )
        self._chunks.seal(chunk)
        self._sealed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._frames, self._flow):
            stream.close()
            if not self._sealed:
                stream.path.unlink(missing_ok=True)


class _Stream:
    """A file that is being written: the lengths of its items and its checksum on the way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lengths: list[int] = []
        self._file: BinaryIO = path.open("wb")
        self._hash = hashlib.sha256()

    def append(self, item: bytes) -> None:
        self._file.write(item)
        self._hash.update(item)
        self.lengths.append(len(item))

    def close(self) -> None:
        self._file.close()

    def finish(self) -> FileSum:
        self._file.close()
        return FileSum(num_bytes=sum(self.lengths), sha256=self._hash.hexdigest())


def strongest_motion_px(flow_px: NDArray[np.float32]) -> float:
    """The 99th percentile, over cells of 8 x 8 px, of the cells' mean speed in px."""
    right_px, down_px = flow_px[..., 0], flow_px[..., 1]
    # Not cv2.magnitude: it rounds otherwise where its arrays lie otherwise in memory, and a pack has one content.
    speed_px = np.sqrt(right_px * right_px + down_px * down_px)  # (H, W)
    height, width = speed_px.shape
    cells = cv2.resize(speed_px, (max(1, width // CELL_PX), max(1, height // CELL_PX)), interpolation=cv2.INTER_AREA)
    return float(np.percentile(cells, 99))
