"""How the decoding process and its parent talk. Standard library only.

The parent writes one `Request` as JSON to the child's standard input and closes it. The child answers with records on
its standard output: a kind (1 byte), a length (4 bytes, little-endian) and that many bytes.

HELLO  nothing: the interpreter runs (what fails before is our fault and not the video's)
FRAME  a `FrameHead` and then the frame: `height` lines of `line_bytes` bytes, of which the first 3 * width are RGB
DONE   JSON: the answer
FAILED JSON: `code`, `message`, `facts`
"""

import json
import struct
from dataclasses import asdict, dataclass
from typing import NamedTuple

HELLO, FRAME, DONE, FAILED = b"H", b"F", b"D", b"X"

RECORD = struct.Struct("<cI")
FRAME_HEAD = struct.Struct("<IIIiq")

NO_TIME = -(1 << 63)
"""As FFmpeg's AV_NOPTS_VALUE."""

MAX_JSON_BYTES = 1 << 16
"""Answers are small; a longer one is not ours."""


class FrameHead(NamedTuple):
    """What precedes a frame's bytes."""

    height: int
    width: int
    line_bytes: int
    quarter_turns: int
    """Counter-clockwise quarter turns that bring the frame upright, 0..3."""
    time: int
    """When it is shown, in the stream's own units; NO_TIME where the file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the child is to do."""

    action: str
    """`probe` or `frames`."""
    path: str
    """File-system encoded with surrogate escapes."""
    demuxer: str
    parent_pid: int
    max_pixels: int
    max_frames: int
    max_duration_s: float
    cpu_s: float
    memory_bytes: int
    short_side_px: int | None = None
    indices: tuple[int, ...] | None = None
    every_frames: int = 1
    first_frame: int = 0
    """Frames before it are not sent."""
    enters: bool = True
    """Whether decoding may begin at a key frame before `first_frame`; else it begins at the first frame."""

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode("ascii")

    @staticmethod
    def from_bytes(line: bytes) -> "Request":
        plain = json.loads(line)
        if plain["indices"] is not None:
            plain["indices"] = tuple(plain["indices"])
        return Request(**plain)
