"""Makes packs of many videos at once, one process per core, and survives whatever a video does to a process."""

import collections
import multiprocessing
import os
import traceback
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Literal

from pfa_core.config.flow import PackConfig
from pfa_core.errors import InputError, PfaError, VideoUnreadable
from pfa_core.progress import Progress
from pfa_core.video.limits import DecodeLimits
from pfa_store.files import disk_errors
from workers.lifeline import die_with

POLL_S = 0.5
"""How often progress is told while nothing ends."""
CRASHES = 2
"""A video whose process died this often is left out."""


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


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a video has no pack."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class _Report:
    """What a packing process says."""

    kind: Literal["step", "done", "refused", "failed"]
    step: int = 0
    """`step`: pairs done of this video."""
    code: str = ""
    message: str = ""
    error: type[PfaError] | None = None


def pack_all(tasks: list[PackTask], *, processes: int) -> Generator[Progress, None, dict[str, Refused]]:
    """Build the pack of every task; packs that are there are kept. Yields pairs of frames done (phase `flow`).

    Returns:
        By task name, the videos that could not be packed.

    Raises:
        DiskFull, StoreUnavailable: the packs cannot be written.
        RuntimeError: a packing process failed for a reason that is not its video's.
    """
    farm = _Farm(tasks, processes=min(processes, len(tasks)))
    try:
        while farm.busy:
            farm.turn()
            yield farm.progress()
        return farm.refused
    finally:
        farm.close()


class _Worker:
    """A packing process and the task that it has."""

    def __init__(self) -> None:
        self.connection, far = multiprocessing.Pipe()
        self.process: SpawnProcess = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(far, os.getpid()), daemon=True
        )
        self.process.start()
        far.close()
        self.task: PackTask | None = None

    def give(self, task: PackTask) -> None:
        self.task = task
        self.connection.send(task)

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class _Farm:
    def __init__(self, tasks: Iterable[PackTask], *, processes: int) -> None:
        longest_first = sorted(tasks, key=lambda task: task.num_frames, reverse=True)
        self.refused: dict[str, Refused] = {}
        self._waiting = collections.deque(longest_first)
        self._total = sum(_pairs(task) for task in longest_first)
        self._done = 0
        self._current: dict[str, int] = {}
        self._crashes: collections.Counter[str] = collections.Counter()
        self._workers = [_Worker() for _ in range(processes)]
        for worker in self._workers:
            worker.give(self._waiting.popleft())

    @property
    def busy(self) -> bool:
        return any(worker.task is not None for worker in self._workers)

    def progress(self) -> Progress:
        """Pairs done; a video that is over counts in full, whatever became of it."""
        return Progress(phase="flow", step=self._done + sum(self._current.values()), total=self._total)

    def turn(self) -> None:
        """Wait until a process has something to say, and hear all that have."""
        speaking = wait([worker.connection for worker in self._workers if worker.task is not None], POLL_S)
        for position, worker in enumerate(self._workers):
            if worker.connection in speaking and worker.task is not None:
                try:
                    report: _Report = worker.connection.recv()
                except (EOFError, ConnectionResetError):
                    self._replace(position, worker.task)
                else:
                    self._hear(worker, worker.task, report)

    def close(self) -> None:
        """Kill what runs; a half-made pack is a temporary folder that the next build removes."""
        for worker in self._workers:
            worker.close()

    def _hear(self, worker: _Worker, task: PackTask, report: _Report) -> None:
        match report.kind:
            case "step":
                self._current[task.name] = min(report.step, _pairs(task))
            case "done":
                self._finish(worker, task)
            case "refused":
                self.refused[task.name] = Refused(report.code, report.message)
                self._finish(worker, task)
            case "failed":
                raise (report.error or RuntimeError)(report.message)

    def _replace(self, position: int, task: PackTask) -> None:
        """The process died (a decoder or the memory killer): try the video once more, then leave it out."""
        worker = self._workers[position]
        worker.close()
        self._workers[position] = worker = _Worker()
        self._crashes[task.name] += 1
        if self._crashes[task.name] < CRASHES:
            worker.give(task)
        else:
            self.refused[task.name] = Refused(
                VideoUnreadable.code, f"Its flow could not be computed: the process died {CRASHES} times."
            )
            self._finish(worker, task)

    def _finish(self, worker: _Worker, task: PackTask) -> None:
        self._current.pop(task.name, None)
        self._done += _pairs(task)
        worker.task = None
        if self._waiting:
            worker.give(self._waiting.popleft())


def _pairs(task: PackTask) -> int:
    return max(0, task.num_frames - 1)


def _serve(connection: Connection, parent_pid: int) -> None:
    """The life of a packing process: a task comes, reports go, until the parent kills it."""
    die_with(parent_pid)
    import cv2

    cv2.setNumThreads(1)  # the other cores have processes of their own
    while True:
        task: PackTask = connection.recv()
        try:
            _build(task, connection)
            connection.send(_Report("done"))
        except InputError as error:
            connection.send(_Report("refused", code=error.code, message=str(error)))
        except PfaError as error:
            connection.send(_Report("failed", message=str(error), error=type(error)))
        except Exception:
            connection.send(_Report("failed", message=traceback.format_exc()))


def _build(task: PackTask, connection: Connection) -> None:
    from pfa_core.packs import build_pack

    with disk_errors():
        task.folder.parent.mkdir(parents=True, exist_ok=True)
        for progress in build_pack(
            task.video, task.folder, task.config, video_sha256=task.video_sha256, limits=task.limits
        ):
            connection.send(_Report("step", step=progress.step))
