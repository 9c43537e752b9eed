"""A pack in the making: runs of consecutive frames, each whole on the disk before the next is begun.

A folder of numbered chunks, of three files each:

000007.frames  its frames as JPEG, one after the other
000007.flow    the flow maps that lead to its frames, as zstd frames, one after the other; the first frame has none
000007.json    a `Chunk`, written last: with it the chunk is whole, without it the other two are worth nothing
"""

import hashlib
import json
import shutil
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig
from pfa_core.durable import flush, write_atomic
from pfa_core.errors import PackDamaged
from pfa_core.images import write_jpeg
from pfa_core.pack_format import FileSum, check_file, digest
from pfa_core.quantize import quantize

ZSTD_LEVEL = 1
CELL_PX = 8
"""Side of the cells over which motion is averaged before it is judged, so that single wrong vectors do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A whole chunk."""

    key: str
    """Of the pack that it is a part of."""
    first: int
    """Index in the video of its first frame."""
    last: bool
    """Whether the video ends with it; it may then be empty."""
    size: tuple[int, int]
    """(H, W); (0, 0) of an empty one."""
    frame_bytes: tuple[int, ...]
    """Length of each frame's JPEG."""
    flow_bytes: tuple[int, ...]
    """Length of each flow map's zstd frame."""
    motion_px: tuple[float, ...]
    """`strongest_motion_px` of each flow map."""
    frames: FileSum
    flow: FileSum

    @property
    def end(self) -> int:
        """Index of the first frame after it."""
        return self.first + len(self.frame_bytes)

    def write(self, path: Path) -> None:
        plain = json.loads(json.dumps(asdict(self)))
        write_atomic(path, json.dumps({**plain, "sha256": digest(plain)}).encode())

    @staticmethod
    def read(path: Path) -> "Chunk":
        """Raises: PackDamaged."""
        try:
            plain = json.loads(path.read_bytes())
            if plain.pop("sha256") != digest(plain):
                raise PackDamaged(f"The checksum of {path.name} does not match.")
            lists = {name: tuple(value) for name, value in plain.items() if isinstance(value, list)}
            sums = {name: FileSum(**plain[name]) for name in ("frames", "flow")}
            return Chunk(**{**plain, **lists, **sums})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PackDamaged(f"{path.name} cannot be read: {error!r}.") from error


class Chunks:
    """The chunks of one pack, in their folder."""

    def __init__(self, folder: Path, *, key: str, config: PackConfig) -> None:
        self.folder = folder
        self._key = key
        self._config = config
        self._num_chunks = 0
        self.num_frames = 0
        """In all whole chunks."""
        self.complete = False
        """Whether they reach the video's end."""

    def resume(self) -> None:
        """Count the whole chunks that are there from the video's start on, and remove all else from the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        keep: set[str] = set()
        while not self.complete:
            try:
                chunk = self._verified(self._num_chunks)
            except PackDamaged:
                break
            keep |= {path.name for path in self.paths(self._num_chunks)}
            self._count(chunk)
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in keep:
                path.unlink()

    def begin(self) -> "ChunkWriter":
        """The next chunk; leave its context after `seal`, or it is removed."""
        return ChunkWriter(self, self.paths(self._num_chunks), self._config)

    def seal(self, chunk: Chunk) -> None:
        """Make a chunk whose files are written the newest whole one."""
        frames, flow, head = self.paths(self._num_chunks)
        flush(frames)
        flush(flow)
        chunk.write(head)
        self._count(chunk)

    def whole(self) -> Generator[tuple[Chunk, Path, Path], None, None]:
        """Every whole chunk in order, with its frames and its flow file. Raises: PackDamaged."""
        for number in range(self._num_chunks):
            frames, flow, head = self.paths(number)
            yield Chunk.read(head), frames, flow

    def paths(self, number: int) -> tuple[Path, Path, Path]:
        """Files of the frames, the flow and the head."""
        stem = f"{number:06d}"
        return self.folder / f"{stem}.frames", self.folder / f"{stem}.flow", self.folder / f"{stem}.json"

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def key(self) -> str:
        return self._key

    def _verified(self, number: int) -> Chunk:
        frames, flow, head = self.paths(number)
        chunk = Chunk.read(head)
        if chunk.key != self._key or chunk.first != self.num_frames:
            raise PackDamaged(f"{head.name} is not of this pack.")
        check_file(frames, chunk.frames, verify=True)
        check_file(flow, chunk.flow, verify=True)
        return chunk

    def _count(self, chunk: Chunk) -> None:
        self._num_chunks += 1
        self.num_frames = chunk.end
        self.complete = chunk.last


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


class ChunkWriter:
    """Fills a chunk frame by frame."""

    def __init__(self, chunks: Chunks, paths: tuple[Path, Path, Path], config: PackConfig) -> None:
        self._chunks = chunks
        self._config = config
        self._frames, self._flow = _Stream(paths[0]), _Stream(paths[1])
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True)
        self._motion_px: list[float] = []
        self._size = (0, 0)
        self._sealed = False
        self.first = chunks.num_frames

    @property
    def num_frames(self) -> int:
        return len(self._frames.lengths)

    def add_frame(self, frame: NDArray[np.uint8]) -> None:
        """(H, W, 3) uint8 RGB."""
        self._size = (frame.shape[0], frame.shape[1])
        self._frames.append(write_jpeg(frame, quality=self._config.jpeg_quality))

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


def strongest_motion_px(flow_px: NDArray[np.float32]) -> float:
    """The 99th percentile, over cells of 8 x 8 px, of the cells' mean speed in px."""
    speed_px = cv2.magnitude(np.ascontiguousarray(flow_px[..., 0]), np.ascontiguousarray(flow_px[..., 1]))  # (H, W)
    height, width = speed_px.shape
    cells = cv2.resize(speed_px, (max(1, width // CELL_PX), max(1, height // CELL_PX)), interpolation=cv2.INTER_AREA)
    return float(np.percentile(cells, 99))
