"""What a packing process is given to do."""

from dataclasses import dataclass
from pathlib import Path

from pfa_core.config.flow import PackConfig
from pfa_core.video.limits import DecodeLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class PackTask:
    """A video that is to have a pack, or a part of a long one."""

    name: str
    video: Path
    folder: Path
    """Where the pack goes."""
    config: PackConfig
    video_sha256: str
    limits: DecodeLimits
    pairs: int
    """Pairs of frames: what it costs."""
    part: int = 0
    """0: the pack as a whole, made of the parts that are there."""
    first_frame: int = 0
    num_frames: int | None = None
    """Of a part; None: to the video's end."""

    @property
    def key(self) -> str:
        """Tells it from the other parts."""
        return f"{self.name}/{self.part}"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a video has no pack."""

    code: str
    message: str
