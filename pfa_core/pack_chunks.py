"""A pack in the making: runs of consecutive frames, each whole on the disk before its builder begins the next.

A folder of chunks, named by the index of their first frame, of three files each:

000000512.frames  its frames as JPEG, one after the other
000000512.flow    the flow maps that lead to its frames, as zstd frames, one after the other; the video's first has none
000000512.json    a `Chunk`, written last: with it the chunk is whole, without it the other two are worth nothing

Several builders may work in the folder, each at a range of frames of its own. A chunk says which frame came before its
first one, and the chunk before says which frame was its last: only where the two are the same do they join. So a
builder that began in the middle of the video and miscounted cannot spoil a pack.
"""

import hashlib
import json
import shutil
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from pfa_core.durable import flush, write_atomic
from pfa_core.errors import PackDamaged
from pfa_core.images import write_jpeg
from pfa_core.pack_format import FileSum, check_file, digest
from pfa_core.video.sandbox import TimedFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A whole chunk."""

    key: str
    """Of the pack that it is a part of."""
    first: int
    """Index in the video of its first frame."""
    last: bool
    """Whether the video ends with it; it may then be empty."""
    before: str
    """`frame_mark` of the frame before its first; empty where there is none."""
    mark: str
    """`frame_mark` of its last frame; `before` of an empty one."""
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
    """Chunks of one pack that join, from frame `first` on."""

    def __init__(self, folder: Path, *, key: str, first: int = 0) -> None:
        self.folder = folder
        self.key = key
        self.first = first
        self._forget()

    def _forget(self) -> None:
        self._firsts: list[int] = []
        self.end = self.first
        """Index of the first frame after them."""
        self.complete = False
        """Whether they reach the video's end."""
        self.size = (0, 0)
        """(H, W) of the frames; (0, 0) while there are none."""
        self.mark: str | None = None if self.first else ""
        """`frame_mark` of the last frame; None: nobody knows yet what comes before the first."""

    def resume(self, until: int | None = None) -> None:
        """Count the whole chunks that are there and join, up to frame `until`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        while not self.complete and (until is None or self.end < until):
            try:
                self._count(self._verified(self.end))
            except PackDamaged:
                return

    def tidy(self) -> None:
        """Remove all else from the folder. Only for who has it alone."""
        keep = {path.name for first in self._firsts for path in self.paths(first)}
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in keep:
                path.unlink()

    def drop(self) -> None:
        """Remove what was counted, and begin again."""
        for first in self._firsts:
            for path in reversed(self.paths(first)):
                path.unlink(missing_ok=True)
        self._forget()

    def follow(self, frame: TimedFrame | None, *, jpeg_quality: int) -> bool:
        """Whether what comes after this frame of the video is what comes next here; None: there is no such frame."""
        mark = "" if frame is None else frame_mark(frame.time, write_jpeg(frame.pixels, quality=jpeg_quality))
        if self.mark is None:
            self.mark = mark
        return mark == self.mark

    def seal(self, chunk: Chunk) -> None:
        """Make a chunk whose files are written the newest whole one."""
        frames, flow, head = self.paths(chunk.first)
        flush(frames)
        flush(flow)
        chunk.write(head)
        self._count(chunk)

    def whole(self) -> Generator[tuple[Chunk, Path, Path], None, None]:
        """Every whole chunk in order, with its frames and its flow file. Raises: PackDamaged."""
        for first in self._firsts:
            frames, flow, head = self.paths(first)
            yield Chunk.read(head), frames, flow

    def paths(self, first: int) -> tuple[Path, Path, Path]:
        """Files of the frames, the flow and the head of the chunk that begins with frame `first`."""
        stem = f"{first:09d}"
        return self.folder / f"{stem}.frames", self.folder / f"{stem}.flow", self.folder / f"{stem}.json"

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _verified(self, first: int) -> Chunk:
        frames, flow, head = self.paths(first)
        chunk = Chunk.read(head)
        if chunk.key != self.key or chunk.first != first:
            raise PackDamaged(f"{head.name} is not of this pack.")
        if self.mark not in (None, chunk.before) or (chunk.size != self.size and (0, 0) not in (chunk.size, self.size)):
            raise PackDamaged(f"{head.name} does not follow on the frame before it.")
        check_file(frames, chunk.frames, verify=True)
        check_file(flow, chunk.flow, verify=True)
        return chunk

    def _count(self, chunk: Chunk) -> None:
        self._firsts.append(chunk.first)
        self.end = chunk.end
        self.complete = chunk.last
        self.mark = chunk.mark
        self.size = chunk.size if chunk.frame_bytes else self.size


def frame_mark(time: int | None, jpeg: bytes) -> str:
    """What tells a frame from the others of its video: 64 hexadecimal digits of its time and its picture."""
    return hashlib.sha256(f"{time} ".encode() + jpeg).hexdigest()
