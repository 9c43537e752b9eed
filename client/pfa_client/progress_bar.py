"""A bar on stderr that follows a job: Rich's where Rich is installed, else lines of plain text."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from pfa_client.records import Job

Show = Callable[[Job], None]
_WIDTH = 24


@contextmanager
def watching(on_progress: Show | None, *, bar: bool) -> Iterator[Show]:
    """What to tell each look at a job: the caller's function, and the bar if it is wanted."""
    if not bar:
        yield on_progress or (lambda _job: None)
        return
    with _bar() as show:

        def both(job: Job) -> None:
            show(job)
            if on_progress is not None:
                on_progress(job)

        yield both


@contextmanager
def _bar() -> Iterator[Show]:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        yield Plain(sys.stderr).show
        return
    columns = (TextColumn("{task.description}"), BarColumn(_WIDTH), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("", total=None)

        def show(job: Job) -> None:
            words = f"{job.id} {job.phase if job.status == 'running' else job.status}"
            bars.update(task, description=words, completed=job.progress.step, total=job.progress.total or None)

        yield show


class Plain:
    """On a terminal one line that is written over; in a file a line for each phase and each tenth of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._told = ""
        self._length = 0

    def show(self, job: Job) -> None:
        """Tell how far the job is, if there is something new to tell."""
        step, total = job.progress.step, job.progress.total
        done = min(step / total, 1.0) if total else 0.0
        state = job.phase if job.status == "running" else job.status
        if self._live:
            full = round(done * _WIDTH)
            line = f"{job.id} {state} [{'#' * full}{'.' * (_WIDTH - full)}] {step}/{total or '?'}{_left(job)}"
            self._stream.write(f"\r{line.ljust(self._length)}" + ("\n" if job.done else ""))
            self._length = len(line)
            self._stream.flush()
        elif (told := f"{state} {int(done * 10)}") != self._told:
            self._told = told
            print(f"{job.id} {state} {step}/{total or '?'}{_left(job)}", file=self._stream, flush=True)


def _left(job: Job) -> str:
    eta_s = job.progress.eta_s
    return "" if eta_s is None or job.done else f", {eta_s:.0f} s left"
