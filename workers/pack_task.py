"""What a packing process is given to do, and by whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pfa_core.config.flow import PackConfig
from pfa_core.progress import Progress
from pfa_core.video.limits import DecodeLimits
from pfa_store.shelf import SharedFolder, Shelf


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
    shelf: Shelf = field(default_factory=SharedFolder)
    """Where the video comes from, and where the pack is published."""

    @property
    def key(self) -> str:
        """Tells it from the other parts."""
        return f"{self.name}/{self.part}"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a video has no pack."""

    code: str
    message: str


class Supply(Protocol):
    """Where tasks come from. Each that is taken ends in `done`, `refuse`, `crashed`, `postpone` or `release`."""

    def take(self) -> PackTask | None:
        """The next one; None if there is none just now."""
        ...

    def done(self, task: PackTask) -> None:
        """It is on the disk."""
        ...

    def refuse(self, task: PackTask, why: Refused) -> None:
        """Its video cannot have a pack."""
        ...

    def crashed(self, task: PackTask) -> None:
        """A process died of it."""
        ...

    def postpone(self, task: PackTask) -> None:
        """Somebody else has it in hand: look again later."""
        ...

    def release(self, task: PackTask) -> None:
        """It was given up half way."""
        ...

    def awaited(self) -> bool:
        """Whether there is more to wait for though `take` gave nothing."""
        ...

    def progress(self, steps: Mapping[str, int]) -> Progress:
        """Pairs done of all; `steps`: by key, those of the tasks in hand. Called several times a second."""
        ...
