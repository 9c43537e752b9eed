"""What a worker does that is called to help with a job: it takes some of the videos that need packs.

Free of torch, as the supervisor is; the work is done by `workers.helper` in a process of its own.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping

from pfa_store.disk import disk_errors
from pfa_store.errors import JobNotFound, StoreUnavailable
from pfa_store.store import Store
from workers.process import ChildProcess

POLL_S = 0.2
"""How soon a cancellation or the end of the process is noticed."""

logger = logging.getLogger(__name__)


def help_with(job_id: str, store: Store, environment: Mapping[str, str], stopped: Callable[[], bool]) -> None:
    """Take items of the job as long as there are any, it runs, and we are not `stopped`.

    Raises:
        StoreUnavailable: the database did not answer at the start.
    """
    if not _has_work(job_id, store):
        return
    log = store.files.job_log(job_id)
    with disk_errors():
        log.parent.mkdir(parents=True, exist_ok=True)
        output = log.open("ab")
    with output:
        process = ChildProcess.start(
            "workers.helper", [job_id, str(os.getpid())], environment=environment, output=output
        )
    asked_s: float | None = None
    try:
        while not process.wait(POLL_S):
            if asked_s is None and (stopped() or not _runs(job_id, store)):
                asked_s = time.monotonic()
                process.ask_to_stop()
            elif asked_s is not None and time.monotonic() - asked_s >= store.settings.cancel_grace_s:
                process.kill()
    finally:
        logger.info("helped with job %s; the helper ended with status %s", job_id, process.end())


def _has_work(job_id: str, store: Store) -> bool:
    with contextlib.suppress(JobNotFound):
        return store.jobs.get(job_id).status == "running" and store.items.tally(job_id).waiting > 0
    return False


def _runs(job_id: str, store: Store) -> bool:
    """Whether the job goes on, as far as we know."""
    try:
        return store.jobs.get(job_id).status == "running"
    except StoreUnavailable:
        return True
