"""Runs a claimed job in a process of its own and keeps watch: renews the lease, passes on a cancellation, settles.

This is what the Celery task does. It is free of torch, so a pool process stays small and GPU memory always comes back.
"""

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from types import FrameType

from pfa_store.errors import LostLease, StoreUnavailable
from pfa_store.files import disk_errors
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.tuning import TUNING
from workers.helping import help_with
from workers.outcome import STOPPED, Outcome
from workers.process import ChildProcess

POLL_S = 0.2
"""How soon a cancellation or the end of the process is noticed."""

logger = logging.getLogger(__name__)


def run_job(job_id: str, store: Store) -> None:
    """Run a job if it is queued; safe to call any number of times.

    Raises:
        StoreUnavailable: the database did not answer when the job was to be claimed.
    """
    job = store.jobs.claim(job_id, f"{socket.gethostname()}:{os.getpid()}")
    if job is not None:
        with _told_to_stop() as stop:
            Supervisor(store, job, stop).run()


def help_job(job_id: str, store: Store) -> None:
    """Help with the packs of a job if it runs; safe to call any number of times.

    Raises:
        StoreUnavailable: the database did not answer at the start.
    """
    with _told_to_stop() as stop:
        help_with(job_id, store, environment_of(store.settings), lambda: stop.is_set)


class StopFlag:
    """Whether this process was asked to end."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self, _signal: int, _frame: FrameType | None) -> None:
        """A signal handler."""
        self.is_set = True


@contextlib.contextmanager
def _told_to_stop() -> Iterator[StopFlag]:
    """While a job runs, SIGTERM means: let it write its checkpoint and hand it back."""
    flag = StopFlag()
    before = signal.signal(signal.SIGTERM, flag.set)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGTERM, before)


class Supervisor:
    """One attempt of one job."""

    def __init__(self, store: Store, job: Job, stop: StopFlag) -> None:
        self._store = store
        self._settings = store.settings
        self._job = job
        self._stop = stop
        self._beaten_s = time.monotonic()
        self._asked_s: float | None = None

    def run(self) -> None:
        """Start the runner, watch it, and record what came of it."""
        process = self._start()
        try:
            while not process.wait(POLL_S):
                self._look(process)
        except LostLease as lost:
            logger.warning("%s Its process is killed.", lost)
            process.end()
            return
        except BaseException:
            process.end()
            raise
        self._settle(process.end())

    def _start(self) -> ChildProcess:
        log = self._store.files.job_log(self._job.id)
        with disk_errors():
            log.parent.mkdir(parents=True, exist_ok=True)
            output = log.open("ab")
        with output:
            return ChildProcess.start(
                "workers.runner",
                [self._job.id, str(self._job.token), str(os.getpid())],
                environment=environment_of(self._settings),
                output=output,
            )

    def _look(self, process: ChildProcess) -> None:
        """Renew the lease when it is time, and see whether the job is to stop."""
        now = time.monotonic()
        try:
            if now - self._beaten_s >= self._settings.heartbeat_s:
                job = self._store.jobs.heartbeat(self._job)
                self._beaten_s = now
            else:
                job = self._store.jobs.get(self._job.id)
        except StoreUnavailable as error:
            if now - self._beaten_s >= self._settings.lease_s:
                raise LostLease(f"The lease of job {self._job.id} ran out while the database was away.") from error
            return
        if job.token != self._job.token or not job.held:
            raise LostLease(f"Attempt {self._job.token} of job {job.id} was taken over.")
        if self._asked_s is None and (job.status == "cancelling" or self._stop.is_set):
            self._asked_s = now
            process.ask_to_stop()
        elif self._asked_s is not None and now - self._asked_s >= self._settings.cancel_grace_s:
            process.kill()

    def _settle(self, exit_status: int) -> None:
        """Record the end of the attempt, now that its process is gone."""
        out = self._store.files.job_out(self._job.id, self._job.token)
        outcome = Outcome.read(out)
        deadline_s = self._beaten_s + self._settings.lease_s
        while True:
            try:
                self._record(exit_status, outcome)
                break
            except LostLease as lost:
                logger.warning("%s", lost)
                break
            except StoreUnavailable:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(POLL_S)
        self._store.files.remove(out)
        if outcome is None or outcome.result is None:
            self._store.files.remove(self._store.files.job_files(self._job.id, self._job.token))

    def _record(self, exit_status: int, outcome: Outcome | None) -> None:
        jobs, job = self._store.jobs, self._job
        if outcome is not None and outcome.result is not None:
            jobs.succeed(job, outcome.result)
            # Gigabytes at full width, and nothing will go on from them.
            self._store.files.remove(self._store.files.job_work(job.id) / "checkpoints")
        elif outcome is not None:
            jobs.fail(job, outcome.code or "internal", outcome.message or "")
        elif jobs.get(job.id).status == "cancelling":
            jobs.finish_cancel(job)
        elif self._stop.is_set or exit_status == STOPPED:
            jobs.hand_back(job, "its worker was shut down", counts=False)
        else:
            jobs.hand_back(job, f"its process ended {_ending(exit_status)}")


def _ending(exit_status: int) -> str:
    if exit_status < 0:
        return f"by {signal.Signals(-exit_status).name}"
    return f"with status {exit_status}"


def environment_of(settings: Settings) -> Mapping[str, str]:
    """An environment in which `Settings()` is `settings`, and memory is kept from one training step to the next."""
    return {**TUNING, **os.environ, **{f"PFA_{name.upper()}": str(value) for name, value in settings}}
