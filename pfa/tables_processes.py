"""Several processes that share the cells of a comparison. One that is killed is missed: others take over its cell."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from pfa.errors import TablesFailed
from pfa_core.errors import PfaError
from pfa_core.lifeline import die_with
from pfa_core.progress import Progress
from pfa_core.tables.bench import Bench
from pfa_core.tables.cell import Cell
from workers.stop_flag import StopFlag

POLL_S = 0.5
GRACE_S = 120.0
"""How long a process may take over its checkpoint before it is killed."""


def run_shared(bench: Bench, cells: Sequence[Cell], *, processes: int) -> Generator[Progress, None, None]:
    """Do the cells in so many processes, each on its part of the cores; closing it has all write checkpoints.

    Yields:
        How many cells are done.

    Raises:
        TablesFailed: what went wrong in one of them; or all of them are gone before the cells are done.
    """
    if processes == 1:
        yield from bench.run(cells)
        return
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe(duplex=False)
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    children: list[BaseProcess] = [
        context.Process(target=_work, args=(bench, cells, threads, theirs, os.getpid())) for _ in range(processes)
    ]
    try:
        with _omp_threads(threads):
            for child in children:
                child.start()
        theirs.close()
        while any(child.is_alive() for child in children):
            yield Progress(phase="runs", step=sum(map(bench.done, cells)), total=len(cells))
            if pipe in wait([pipe, *(child.sentinel for child in children if child.is_alive())], POLL_S):
                _raise_from(pipe)
    finally:
        for child in children:
            if child.is_alive():
                child.terminate()
        for child in children:
            if child.pid is not None:
                child.join(GRACE_S)
                child.kill()
                child.join()
    if not all(map(bench.done, cells)):
        raise TablesFailed("All processes are gone before the work was done; the same command goes on from here.")


def _raise_from(pipe: Connection) -> None:
    """Raises: TablesFailed: with what a process told; nothing was told where they have all closed it."""
    with contextlib.suppress(EOFError):
        raise TablesFailed(str(pipe.recv()))


@contextlib.contextmanager
def _omp_threads(threads: int) -> Iterator[None]:
    """Inside, processes are started that compute with so many threads."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _work(bench: Bench, cells: Sequence[Cell], threads: int, pipe: Connection, parent: int) -> None:
    """What each process does."""
    die_with(parent)
    stop = StopFlag()
    signal.signal(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent passes it on
    torch.set_num_threads(threads)
    try:
        with contextlib.closing(bench.run(cells)) as steps:
            for _ in steps:
                if stop.is_set:
                    return
    except PfaError as error:
        pipe.send(str(error))
