"""A video that answers are wanted for, and the pieces that they are worked out in.

A piece is a JSON file, written whole or not at all, that ends at a fixed place in the video: what is killed between
two pieces goes on after the last, and the batches of its networks, and so its answers, are the same.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfa_core.durable import write_atomic
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe

FPS = 25.0
"""What a video is taken to have that does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSource:
    """A video and what is known of it."""

    id: str
    """What its answers are listed under."""
    name: str
    """As its user knows it."""
    path: Path
    num_frames: int
    """As far as its container says."""
    fps: float
    """> 0. Times of frames are their number over this: of a variable rate, the mean."""
    width_px: int
    height_px: int

    @staticmethod
    def of_file(path: Path, *, limits: DecodeLimits) -> "VideoSource":
        """Look at a file. Raises: as `probe`."""
        info = probe(path, limits=limits)
        return VideoSource(
            id=str(path), name=path.name, path=path, num_frames=info.num_frames, fps=info.fps or FPS,
            width_px=info.width_px, height_px=info.height_px,
        )  # fmt: skip


class Pieces:
    """What has been worked out of one video, piece by piece. One process at a time uses a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.count = next(number for number in itertools.count() if not self._path(number).is_file())

    def add(self, piece: dict[str, Any]) -> None:
        """Keep the next piece, for good."""
        write_atomic(self._path(self.count), json.dumps(piece, allow_nan=False).encode())
        self.count += 1

    def last(self) -> dict[str, Any] | None:
        """The newest piece; None while there is none."""
        return self._read(self.count - 1) if self.count else None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._read, range(self.count))

    def _read(self, number: int) -> dict[str, Any]:
        return dict(json.loads(self._path(number).read_bytes()))

    def _path(self, number: int) -> Path:
        return self._folder / f"piece-{number:06d}.json"
