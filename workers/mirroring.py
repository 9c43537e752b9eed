"""Keeps the object store's picture of a job fresh, beside the watch over its process.

In a shared folder there is nothing to do.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from pfa_store.errors import DiskFull, StoreUnavailable
from pfa_store.job_mirror import JobMirror
from pfa_store.job_record import Job
from pfa_store.store import JOB_PATIENCE_S, Store

PUSH_S = 3.0
"""Pause between two pushes, so that users see a curve grow; longer ones are followed by longer pauses."""
SHARE = 0.1
"""At most this share of the time is spent pushing."""
LAST_PATIENCE_S = 60.0
"""How long the end of an attempt waits for the store. What it misses: the newest checkpoint and the end of the log."""

Wait = Callable[[], None]
"""Waits for a moment and renews the job's lease."""

logger = logging.getLogger(__name__)


class Mirroring:
    """Of one attempt of a job."""

    def __init__(self, store: Store, job: Job) -> None:
        self._mirror: JobMirror | None = None
        if store.objects is not None:
            self._mirror = JobMirror(store.files, store.objects, job.id, token=job.token)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mirroring")
        self._pushing: tuple[Future[None], float] | None = None
        self._due_s = time.monotonic() + PUSH_S

    def pull(self, wait: Wait, *, given_up: Callable[[], bool]) -> None:
        """Begin where the newest attempt ended, on whichever host.

        Raises:
            StoreUnavailable, ObjectDamaged, DiskFull: it cannot.
        """
        if self._mirror is not None:
            self._insist(self._mirror.pull, wait, patience_s=JOB_PATIENCE_S, given_up=given_up)

    def look(self) -> None:
        """Push if it is time to; returns at once."""
        if self._mirror is None:
            return
        now_s = time.monotonic()
        if self._pushing is not None:
            future, began_s = self._pushing
            if not future.done():
                return
            self._pushing = None
            self._due_s = now_s + max(PUSH_S, (now_s - began_s) / SHARE)
            if (error := future.exception()) is not None:
                logger.warning("what the job wrote was not stored for other hosts; it is tried again: %s", error)
        elif now_s >= self._due_s:
            self._pushing = self._pool.submit(self._mirror.push), now_s

    def push(self, wait: Wait, *, given_up: Callable[[], bool]) -> None:
        """Store how the process left its folder, if the store answers."""
        if self._mirror is not None:
            try:
                self._insist(self._mirror.push, wait, patience_s=LAST_PATIENCE_S, given_up=given_up)
            except (StoreUnavailable, DiskFull) as error:
                logger.warning("the end of what the job wrote was not stored for other hosts: %s", error)

    def tidy(self) -> None:
        """The same, now that the job is over and nothing depends on it."""
        if self._mirror is not None:
            with contextlib.suppress(StoreUnavailable, DiskFull):
                self._mirror.push()

    def close(self) -> None:
        """What is on its way may end by itself: nobody reads what an attempt stores that is not the newest."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _insist(self, act: Callable[[], None], wait: Wait, *, patience_s: float, given_up: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + patience_s
        while True:
            future = self._pool.submit(act)
            while not future.done():
                wait()
            try:
                return future.result()
            except StoreUnavailable:
                if time.monotonic() > deadline_s or given_up():
                    raise
            wait()
