"""Makes packs of many videos at once, one process per core, and survives whatever a video does to a process."""

import contextlib
import multiprocessing
import os
import traceback
from collections.abc import Generator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Literal, TypeVar

from pfa_core.errors import InputError, PackDamaged, PfaError
from pfa_core.lifeline import die_with
from pfa_core.progress import Progress, run_to_end
from pfa_store.disk import disk_errors
from pfa_store.errors import ObjectDamaged
from workers.pack_task import PackTask, Refused, Supply

R = TypeVar("R")

POLL_S = 0.1
"""How often progress is told while nothing ends, and so how soon it can be stopped."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What a packing process says."""

    kind: Literal["step", "done", "busy", "refused", "failed"]
    step: int = 0
    """`step`: frames done of this task."""
    code: str = ""
    message: str = ""
    error: type[PfaError] | None = None


def pack_from(tasks: Supply, *, processes: int) -> Generator[Progress, None, None]:
    """Make packs, and parts of them, until the supply ends. Yields pairs of frames done (phase `flow`).

    What is in hand when it is closed goes back to the supply.

    Raises:
        DiskFull, StoreUnavailable: the packs cannot be written.
        RuntimeError: a packing process failed for a reason that is not its video's.
    """
    farm = _Farm(tasks, processes=processes)
    try:
        while farm.turn():
            yield farm.progress()
        yield farm.progress()  # what others did last has not been told yet
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
        with contextlib.suppress(BrokenPipeError):  # it died idle: the farm is about to notice
            self.connection.send(task)

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class _Farm:
    def __init__(self, tasks: Supply, *, processes: int) -> None:
        self._tasks = tasks
        self._steps: dict[str, int] = {}
        self._workers = [_Worker() for _ in range(processes)]

    def progress(self) -> Progress:
        return self._tasks.progress(self._steps)

    def turn(self) -> bool:
        """Give tasks to the idle, wait until a process has something to say, and hear all that have.

        Returns:
            False: nothing is left to do.
        """
        for worker in self._workers:
            if worker.task is None:
                self._employ(worker)
        busy = [worker.connection for worker in self._workers if worker.task is not None]
        if not busy and not (self._workers and self._tasks.awaited()):
            return False
        speaking = wait(busy, POLL_S)
        for position, worker in enumerate(self._workers):
            if worker.connection in speaking and worker.task is not None:
                try:
                    report: _Report = worker.connection.recv()
                except (EOFError, ConnectionResetError):
                    self._replace(position, worker.task)
                else:
                    self._hear(worker, worker.task, report)
        return True

    def close(self) -> None:
        """Kill what runs: the whole chunks of a half-made pack stay for the next build. Its tasks are free again."""
        for worker in self._workers:
            worker.close()
        for worker in self._workers:
            if worker.task is not None:
                self._tasks.release(worker.task)

    def _employ(self, worker: _Worker) -> None:
        task = self._tasks.take()
        if task is not None:
            self._steps[task.key] = 0
            worker.give(task)

    def _hear(self, worker: _Worker, task: PackTask, report: _Report) -> None:
        match report.kind:
            case "step":
                self._steps[task.key] = min(report.step, task.pairs)
            case "done":
                self._end(worker, task)
                self._tasks.done(task)
            case "busy":
                self._end(worker, task)
                self._tasks.postpone(task)
            case "refused":
                self._end(worker, task)
                self._tasks.refuse(task, Refused(report.code, report.message))
            case "failed":
                raise (report.error or RuntimeError)(report.message)

    def _replace(self, position: int, task: PackTask) -> None:
        """The process died (a decoder or the memory killer), and not by our hand."""
        worker = self._workers[position]
        worker.close()
        self._end(worker, task)
        self._workers[position] = _Worker()
        self._tasks.crashed(task)
        self._employ(self._workers[position])

    def _end(self, worker: _Worker, task: PackTask) -> None:
        worker.task = None
        self._steps.pop(task.key, None)


def _serve(connection: Connection, parent_pid: int) -> None:
    """The life of a packing process: a task comes, reports go, until the parent kills it."""
    die_with(parent_pid)
    import cv2

    cv2.setNumThreads(1)  # the other cores have processes of their own
    while True:
        task: PackTask = connection.recv()
        try:
            connection.send(_Report("done" if _build(task, connection) else "busy"))
        except InputError as error:
            connection.send(_Report("refused", code=error.code, message=str(error)))
        except PfaError as error:
            connection.send(_Report("failed", message=str(error), error=type(error)))
        except Exception:  # the process's edge: the worker gets the traceback, the next task runs
            connection.send(_Report("failed", message=traceback.format_exc()))


def _build(task: PackTask, connection: Connection) -> bool:
    """Make it, telling how far it is; False: somebody else has this part in hand."""
    from pfa_core.packs import build_part

    with disk_errors():
        task.folder.parent.mkdir(parents=True, exist_ok=True)
        if task.part == 0:
            _build_whole(task, connection)
            return True
        part = build_part(
            task.video,
            task.folder,
            task.config,
            video_sha256=task.video_sha256,
            limits=task.limits,
            first_frame=task.first_frame,
            num_frames=task.num_frames,
        )
        return _tell(part, connection)


def _build_whole(task: PackTask, connection: Connection) -> None:
    """Where folders are not shared: a pack that another host has published is taken, and ours is published.

    Two hosts may make the same pack at once; whoever is first or last, each pack is whole and either will do.
    """
    from pfa_core.packs import Pack, build_pack

    shelf = task.shelf
    if not shelf.shared and shelf.published(task.folder):
        with contextlib.suppress(ObjectDamaged, PackDamaged), shelf.using(task.folder) as folder:
            Pack.open(folder)
            return
    with shelf.using(task.video) as video:
        whole = build_pack(video, task.folder, task.config, video_sha256=task.video_sha256, limits=task.limits)
        _tell(whole, connection)
    shelf.publish(task.folder)


def _tell(steps: Generator[Progress, None, R], connection: Connection) -> R:
    return run_to_end(steps, lambda progress: connection.send(_Report("step", step=progress.step)))
