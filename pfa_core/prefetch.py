"""Batches made ahead of the steps that use them, by threads.

Threads, not processes: what takes time in making a batch (decoding JPEGs, decompressing, copying rows) lets other
threads run meanwhile. `docs/decisions/0007-prefetch-by-threads.md` has the figures.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

B = TypeVar("B")

MAX_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefetch:
    """How far ahead, and by how many. It changes the speed, never a batch."""

    threads: int = 1
    batches_ahead: int = 1
    """Batches that are finished or in the making while a step runs: each takes memory."""

    def __post_init__(self) -> None:
        assert 1 <= self.threads <= self.batches_ahead, "a thread makes one batch at a time"


ONE_AHEAD = Prefetch()


def plan(*, in_memory: bool, processes: int = 1, cores: int | None = None) -> Prefetch:
    """One thread where all data are in the device's memory; else as many as there are cores, but for one.

    Args:
        in_memory: cutting a batch costs next to nothing.
        processes: that train together and share the cores.
        cores: of the machine; None: all that this process may run on.
    """
    cores = (len(os.sched_getaffinity(0)) if cores is None else cores) // processes
    threads = 1 if in_memory else max(1, min(MAX_THREADS, cores - 1))
    return Prefetch(threads=threads, batches_ahead=threads if in_memory else threads + 1)


def prefetched(batch_of: Callable[[int], B], steps: range, how: Prefetch) -> Generator[B, None, None]:
    """Yield the batch of every step, in order.

    Closing it waits for the batches in the making, and makes no more.

    Args:
        batch_of: a pure function of the step; with several threads it runs for several steps at once. What it raises
            is raised here, unchanged, in the turn of its step.
        steps: those to come, in order.
    """
    pool = ThreadPoolExecutor(how.threads, thread_name_prefix="prefetch")
    left = iter(steps)
    waiting: deque[Future[B]] = deque()
    try:
        for _ in range(how.batches_ahead):
            waiting.extend(pool.submit(batch_of, step) for step in itertools.islice(left, 1))
        while waiting:
            batch = waiting.popleft().result()
            waiting.extend(pool.submit(batch_of, step) for step in itertools.islice(left, 1))
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
