"""Runs a job in a process of its own and keeps watch: renews the lease, passes on what users ask, settles.

It is free of torch, so a pool process stays small and GPU memory always comes back.
"""

import contextlib
import logging
import os
import time
from collections.abc import Mapping

from pfa_store.disk import disk_errors
from pfa_store.errors import DiskFull, LostLease, ObjectDamaged, StoreUnavailable
from pfa_store.job_log import JobLog
from pfa_store.job_record import Job
from pfa_store.job_states import STOPPING
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.tuning import TUNING
from workers.ending import End, record_end
from workers.lease_guard import LeaseGuard
from workers.mirroring import Mirroring
from workers.outcome import STOPPED, Outcome
from workers.process import ChildProcess
from workers.stall import StallWatch
from workers.stop_flag import StopFlag

POLL_S = 0.2
"""How soon a cancellation or the end of the process is noticed."""

logger = logging.getLogger(__name__)

LEAVING = 0.8
"""Share of `cancel_grace_s` that a job has when its worker is shut down: the worker must be gone in that time."""
DUMP_S = 2.0
"""How long a process that hangs has for its stacks."""


class Supervisor:
    """One attempt of one job."""

    def __init__(self, store: Store, job: Job, stop: StopFlag) -> None:
        self._store = store
        self._settings = store.settings
        self._job = job
        self._stop = stop
        self._beaten_s = time.monotonic()
        self._asked_s: float | None = None
        self._log = JobLog(store.files, job.id)
        self._mirroring = Mirroring(store, job)
        self._watch = StallWatch(store.settings.stall_s, time.monotonic)
        self._stalled = False
        self._outlived = False

    def run(self, traceparent: str | None = None) -> str:
        """Start the runner, watch it, and record what came of it; returns the job's status then.

        traceparent: of the span that the runner's are in.
        """
        try:
            return self._prepare() or self._watch_over(self._start(traceparent))
        except LostLease as lost:
            logger.warning("%s", lost)
            return "lost"
        finally:
            self._mirroring.close()

    def _prepare(self) -> str | None:
        """Have here what earlier attempts left on other hosts; where that fails, the attempt ends: the job's status."""
        try:
            self._mirroring.pull(self._wait, given_up=lambda: self._stop.is_set)
        except StoreUnavailable as error:
            why = f"its files could not be had: {error}"
            return self._store.jobs.hand_back(self._job, why, counts=not self._stop.is_set).status
        except (ObjectDamaged, DiskFull) as error:
            return self._store.jobs.fail(self._job, error.code, str(error)).status
        return None

    def _watch_over(self, process: ChildProcess) -> str:
        """Until the end of the process, and of the attempt; returns the job's status.

        Raises:
            LostLease: the process was killed.
        """
        try:
            with LeaseGuard(self._lease_ends_s, process.kill) as guard:
                while not process.wait(POLL_S):
                    self._look(process)
        except BaseException:
            process.end()
            raise
        self._outlived = guard.struck
        exit_status = process.end()
        self._mirroring.push(self._wait, given_up=lambda: self._stop.is_set)
        return self._settle(exit_status)

    def _wait(self) -> None:
        """For a moment, while there is no process to watch. Raises: LostLease."""
        time.sleep(POLL_S)
        self._renewed()

    def _lease_ends_s(self) -> float:
        return self._beaten_s + self._settings.lease_s

    def _start(self, traceparent: str | None) -> ChildProcess:
        with disk_errors():
            self._log.path.parent.mkdir(parents=True, exist_ok=True)
            output = self._log.path.open("ab")
        with output:
            return ChildProcess.start(
                "workers.runner",
                [self._job.id, str(self._job.token), str(os.getpid()), *([traceparent] if traceparent else [])],
                environment=environment_of(self._settings),
                output=output,
            )

    def _look(self, process: ChildProcess) -> None:
        """See whether the job is to stop, or stands still."""
        now = time.monotonic()
        with contextlib.suppress(DiskFull, StoreUnavailable):
            self._log.rotate(max_bytes=self._settings.max_log_bytes)
        self._mirroring.look()
        job = self._renewed()
        if job is None:
            return
        if self._asked_s is None and (job.status in STOPPING or self._stop.is_set):
            self._asked_s = now
            process.ask_to_stop()
        elif self._asked_s is not None and now - self._asked_s >= self._grace_s():
            process.kill()
        elif self._asked_s is None and self._watch.stalled(job):
            self._end_stalled(process)

    def _renewed(self) -> Job | None:
        """The job as it is now; its lease is renewed when it is time. None: the database does not answer just now.

        Raises:
            LostLease: it is in other hands, or may be.
        """
        now = time.monotonic()
        try:
            if now - self._beaten_s >= self._settings.heartbeat_s:
                job = self._store.jobs.heartbeat(self._job)
                self._beaten_s = now
            else:
                job = self._store.jobs.get(self._job.id)
        except StoreUnavailable as error:
            if now >= self._lease_ends_s():
                raise LostLease(f"The lease of job {self._job.id} ran out while the database was away.") from error
            self._watch.forgive()
            return None
        if job.token != self._job.token or not job.held:
            raise LostLease(f"Attempt {self._job.token} of job {job.id} was taken over.")
        return job

    def _grace_s(self) -> float:
        return self._settings.cancel_grace_s * (LEAVING if self._stop.is_set else 1.0)

    def _end_stalled(self, process: ChildProcess) -> None:
        """Have it write down where it hangs, then kill it."""
        logger.warning("job %s made no progress for %g s and is ended", self._job.id, self._settings.stall_s)
        self._stalled = True
        process.dump_stacks()
        process.wait(DUMP_S)
        process.kill()

    def _settle(self, exit_status: int) -> str:
        """Record the end of the attempt, now that its process is gone; returns the job's status."""
        out = self._store.files.job_out(self._job.id, self._job.token)
        outcome = Outcome.read(out)
        told_to_stop = self._stop.is_set or exit_status == STOPPED
        end = End(exit_status, told_to_stop=told_to_stop, stalled=self._stalled, outlived=self._outlived)
        deadline_s = self._lease_ends_s()
        while True:
            try:
                status: str = record_end(self._store, self._job, outcome, end).status
                break
            except LostLease as lost:
                logger.warning("%s", lost)
                status = "lost"
                break
            except StoreUnavailable:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(POLL_S)
        self._store.files.remove(out)
        if outcome is not None and outcome.result is not None:
            self._mirroring.tidy()
        else:
            self._store.files.unpublish(self._store.files.job_files(self._job.id, self._job.token))
        return status


def environment_of(settings: Settings) -> Mapping[str, str]:
    """An environment in which `Settings()` is `settings`, and memory is kept from one training step to the next.

    Celery's own variables, which would overrule the settings, are left out.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CELERY_")}
    return {**TUNING, **kept, **{f"PFA_{name.upper()}": str(value) for name, value in settings}}
