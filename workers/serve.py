"""What `pfa worker` runs: `python -m workers.serve --queue flow,train`.

One Celery process per queue, started again when it exits, and the dispatcher between; at the start, a process that
compiles the flow kernels. SIGTERM or SIGINT: running jobs write a checkpoint and are handed back, and no process is
left.
"""

import argparse
import contextlib
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence

from pfa_store import logs
from pfa_store.errors import StoreTooNew, StoreUnavailable
from pfa_store.settings import Settings
from pfa_store.specs import QUEUES, Queue
from pfa_store.store import Store
from pfa_store.workers import installed_version
from workers.courier import Courier
from workers.dispatcher import tick
from workers.keeper import Keeper
from workers.process import ChildProcess
from workers.supervisor import environment_of

RESTART_S = 2.0
"""Pause before a Celery process that exited is started again."""
ROUND_S = 5.0
"""Pause between two rounds of the dispatcher; a quarter of the lease where that is shorter."""
MARGIN_S = 10.0
"""On shutdown, time for Celery to leave after its job has."""

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m workers.serve", description=__doc__)
    parser.add_argument("--queue", default=",".join(QUEUES), help="queues to serve, separated by commas")
    names = [name.strip() for name in parser.parse_args(arguments).queue.split(",")]
    unknown = sorted(set(names) - set(QUEUES))
    if unknown:
        parser.error(f"there is no queue {', '.join(unknown)}; there are {', '.join(QUEUES)}")
    settings = Settings()
    if not settings.broker_url:
        parser.error("PFA_BROKER_URL is not set: name the Redis or Valkey that the API rings through")
    logs.configure(settings, role="dispatcher")
    try:
        return serve(settings, [queue for queue in QUEUES if queue in names])
    except (StoreUnavailable, StoreTooNew) as error:
        logger.error("%s", error)
        return 1


def serve(settings: Settings, queues: Sequence[Queue]) -> int:
    """Run workers for `queues` until SIGTERM or SIGINT.

    Raises:
        StoreUnavailable: the database does not answer at the start.
        StoreTooNew: a newer version has migrated the database, before the start or since. Jobs are handed back first,
            as on a shutdown: what this version would write to newer tables, nobody has tried.
    """
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    store = Store.open(settings)
    courier, keeper = Courier(store), Keeper(store)
    workers = [Worker(queue, store) for queue in queues]
    logger.info("serving %s", ", ".join(queues))
    warming: ChildProcess | None = ChildProcess.start(
        "workers.warm", [str(os.getpid())], environment=environment_of(settings)
    )
    try:
        while not asked.is_set():
            if warming is not None and warming.wait(0):
                warming.end()
                warming = None
            for worker in workers:
                worker.keep_running(time.monotonic())
            try:
                store.check_known()
                for worker in workers:
                    store.workers.beat(worker.entry)
                tick(store)
                courier.round()
                keeper.round()
            except StoreUnavailable as error:
                logger.warning("%s", error)
            asked.wait(min(ROUND_S, settings.lease_s / 4, settings.ring_again_s / 4))
    finally:
        if warming is not None:
            warming.end()
        for worker in workers:
            worker.ask_to_stop()
        deadline_s = time.monotonic() + settings.cancel_grace_s + MARGIN_S
        for worker in workers:
            worker.end(deadline_s)
            with contextlib.suppress(StoreUnavailable):
                store.workers.leave(worker.entry)
        courier.close()
        store.close()
    return 0


class Worker:
    """A Celery process for one queue."""

    def __init__(self, queue: Queue, store: Store) -> None:
        """Raises: StoreUnavailable: it cannot be entered in the list of workers."""
        self.entry = store.workers.enter(queue, host=socket.gethostname(), pid=os.getpid(), version=installed_version())
        self._queue = queue
        self._environment = environment_of(store.settings)
        self._process: ChildProcess | None = None
        self._started_s = -math.inf

    def keep_running(self, now_s: float) -> None:
        """Start the process if it does not run, unless it was started a moment ago."""
        if self._process is not None and self._process.wait(0):
            logger.warning("the %s worker exited with status %s", self._queue, self._process.end())
            self._process = None
        if self._process is None and now_s - self._started_s >= RESTART_S:
            self._started_s = now_s
            arguments = [self._queue, str(os.getpid()), self.entry.id]
            self._process = ChildProcess.start("workers.app", arguments, environment=self._environment)

    def ask_to_stop(self) -> None:
        """Celery takes no more messages; its pool process, which is in its group, hands its job back."""
        if self._process is not None:
            self._process.ask_all_to_stop()

    def end(self, deadline_s: float) -> None:
        """Wait for it to leave; after the deadline kill it."""
        if self._process is None:
            return
        if not self._process.wait(max(0.0, deadline_s - time.monotonic())):
            logger.warning("the %s worker did not leave in time and is killed", self._queue)
        self._process.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
