"""What an attempt that has ended makes of its job."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pfa_core.errors import OutOfMemory
from pfa_store.job_record import Job
from pfa_store.store import Store
from workers.batch_size import smaller_batch
from workers.outcome import Outcome


@dataclass(frozen=True, slots=True)
class End:
    """How the process of an attempt ended."""

    exit_status: int
    told_to_stop: bool
    """Its worker is shut down."""
    stalled: bool
    """It was killed because it made no progress."""
    outlived: bool
    """It was killed because its lease was over."""

    @property
    def reason(self) -> str:
        """Why its job is tried again."""
        if self.exit_status < 0:
            killed = "; perhaps memory ran out" if self.exit_status == -signal.SIGKILL else ""
            return f"its process ended by {signal.Signals(-self.exit_status).name}{killed}"
        return f"its process ended with status {self.exit_status}"


def record_end(store: Store, job: Job, outcome: Outcome | None, end: End) -> Job:
    """Record the end of an attempt; returns the job as it is then. Without an outcome the process did not finish.

    Raises:
        LostLease: the job is in other hands.
        StoreUnavailable: the database or the disk does not answer.
    """
    if outcome is None:
        return _record_break(store, job, end)
    if outcome.result is None:
        return _record_failure(store, job, outcome)
    return _record_success(store, job, outcome.result)


def _record_break(store: Store, job: Job, end: End) -> Job:
    jobs = store.jobs
    if (status := jobs.get(job.id).status) == "cancelling":
        return jobs.finish_cancel(job)
    if status == "pausing":
        return jobs.finish_pause(job)
    if end.stalled:
        why = f"it made no progress for {store.settings.stall_s:g} s; its log has its stacks"
        return jobs.hand_back(job, why)
    if end.outlived:
        return jobs.hand_back(job, "the database was out of reach for as long as its lease lasts")
    if end.told_to_stop:
        return jobs.hand_back(job, "its worker was shut down", counts=False)
    return jobs.hand_back(job, end.reason)


def _record_success(store: Store, job: Job, result: Mapping[str, Any]) -> Job:
    done = store.jobs.succeed(job, result)
    for half in (False, True):  # gigabytes at full width, and nothing will go on from them
        store.files.remove(store.files.job_checkpoints(job.id, half_batch=half))
    return done


def _record_failure(store: Store, job: Job, outcome: Outcome) -> Job:
    """Out of memory is tried once more with half the batch."""
    code, message = outcome.code or "internal", outcome.message or ""
    if code == OutOfMemory.code:
        fewer = smaller_batch(job)
        if fewer is not None:
            return store.jobs.halve_batch(job, message, batch_size=fewer)
        if job.half_batch:
            message = f"With half the batch, too: {message}"
    return store.jobs.fail(job, code, message)
