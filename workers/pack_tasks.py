"""Where packing processes get their videos from, and whom they tell what became of them."""

import collections
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pfa_core.config.flow import PackConfig
from pfa_core.errors import VideoUnreadable
from pfa_core.progress import Progress
from pfa_core.video.limits import DecodeLimits

CRASHES = 2
"""A video whose process died this often is left out."""
CRASHED = f"Its flow could not be computed: the process died {CRASHES} times."


@dataclass(frozen=True, slots=True, kw_only=True)
class PackTask:
    """A video that is to have a pack."""

    name: str
    video: Path
    folder: Path
    """Where the pack goes."""
    config: PackConfig
    video_sha256: str
    limits: DecodeLimits
    num_frames: int

    @property
    def pairs(self) -> int:
        """Pairs of frames: what it costs."""
        return max(0, self.num_frames - 1)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a video has no pack."""

    code: str
    message: str


class Tasks(Protocol):
    """A supply of tasks. Each that is taken ends in exactly one of `done`, `refuse`, `crashed` and `release`."""

    def take(self) -> PackTask | None:
        """The next one; None if there is none just now."""
        ...

    def done(self, task: PackTask) -> None:
        """It has its pack."""
        ...

    def refuse(self, task: PackTask, why: Refused) -> None:
        """It cannot have one."""
        ...

    def crashed(self, task: PackTask) -> None:
        """A process died of it."""
        ...

    def release(self, task: PackTask) -> None:
        """It was given up half way."""
        ...

    def awaited(self) -> bool:
        """Whether there is more to wait for though `take` gave nothing."""
        ...

    def progress(self, steps: Mapping[str, int]) -> Progress:
        """Pairs done of all; `steps`: by name, those of the tasks in hand. Called several times a second."""
        ...


class ListedTasks:
    """Tasks that are all known and nobody else does, the longest first. Crashes are counted here."""

    def __init__(self, tasks: Iterable[PackTask]) -> None:
        longest_first = sorted(tasks, key=lambda task: task.num_frames, reverse=True)
        self.refused: dict[str, Refused] = {}
        self._waiting = collections.deque(longest_first)
        self._total = sum(task.pairs for task in longest_first)
        self._done = 0
        self._crashes: collections.Counter[str] = collections.Counter()

    def take(self) -> PackTask | None:
        return self._waiting.popleft() if self._waiting else None

    def done(self, task: PackTask) -> None:
        self._done += task.pairs

    def refuse(self, task: PackTask, why: Refused) -> None:
        self.refused[task.name] = why
        self._done += task.pairs

    def crashed(self, task: PackTask) -> None:
        self._crashes[task.name] += 1
        if self._crashes[task.name] < CRASHES:
            self._waiting.appendleft(task)
        else:
            self.refuse(task, Refused(VideoUnreadable.code, CRASHED))

    def release(self, task: PackTask) -> None:
        self._waiting.appendleft(task)

    def awaited(self) -> bool:
        return False

    def progress(self, steps: Mapping[str, int]) -> Progress:
        """A video that is over counts in full, whatever became of it."""
        return Progress(phase="flow", step=self._done + sum(steps.values()), total=self._total)
