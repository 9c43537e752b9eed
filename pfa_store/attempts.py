"""What a worker does with a job: claim it, keep it, report, and let it go.

A claim raises the job's fencing token; every later write of that attempt carries it, so that a worker that was taken
for dead cannot change anything any more: it gets LostLease.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from pfa_core.progress import Progress
from pfa_store.database import Sessions, plain
from pfa_store.errors import LostLease
from pfa_store.job_record import Job, event, job_of
from pfa_store.job_states import HELD
from pfa_store.schema import JobEventRow, JobRow
from pfa_store.settings import Settings
from pfa_store.specs import Queue
from pfa_store.turns import next_of, one_at_a_time

WORKER_LOST = "worker_lost"
"""Error code of a job whose worker died more often than it may."""


_LET_GO = {"lease_until_s": None, "eta_s": None}
"""What no job has that no worker has."""


_ANEW: Mapping[str, object] = {"phase": "", "step": 0, "total": 0, "metrics": {}}
"""The progress of a job that begins from nothing."""


class Attempts:
    """The half of `Jobs` that workers use."""

    def __init__(self, sessions: Sessions, settings: Settings, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._lease_s = settings.lease_s
        self._max_attempts = settings.max_attempts
        self._clock = clock

    def claim(self, job_id: str, worker: str) -> Job | None:
        """Start an attempt of this very job, whatever its turn; None if it is not queued (any more)."""
        return self._claim(JobRow.id == job_id, worker)

    def claim_next(self, queue: Queue, worker: str) -> Job | None:
        """Start an attempt of the queued job whose turn it is; None if the queue has none.

        First comes the highest priority, then the API key with the fewest jobs under way in this queue, then the oldest
        job. No two claims overlap, so each counts what the others took.
        """
        return self._claim(JobRow.id == next_of(queue), worker, alone=True)

    def _claim(self, which: ColumnElement[bool], worker: str, *, alone: bool = False) -> Job | None:
        now = self._clock()
        statement = update(JobRow).where(which, JobRow.status == "queued")
        values = {
            "status": "running",
            "token": JobRow.token + 1,
            "attempt": JobRow.attempt + 1,
            "worker": worker,
            "lease_until_s": now + self._lease_s,
            "started_s": func.coalesce(JobRow.started_s, now),
        }
        with self._sessions.writing() as session:
            if alone:
                one_at_a_time(session)
            row = session.scalars(
                statement.values(values).returning(JobRow), execution_options={"synchronize_session": False}
            ).one_or_none()
            if row is None:
                return None
            session.add(event(row.id, now, "claimed", worker=worker, attempt=row.attempt))
            return job_of(row)

    def heartbeat(self, job: Job) -> Job:
        """Renew the lease; the answer tells whether the job is to be cancelled or paused.

        Raises:
            LostLease: another attempt has begun, or the job is over.
        """
        with self._sessions.writing() as session:
            return self._change(session, job, lease_until_s=self._clock() + self._lease_s)

    def progress(self, job: Job, progress: Progress, *, eta_s: float | None = None) -> None:
        """Record how far the attempt is. The caller does this at most about once a second.

        Raises:
            LostLease: another attempt has begun, or the job is over.
        """
        now = self._clock()
        figures = plain(progress.metrics)
        with self._sessions.writing() as session:
            phase_before = session.scalar(select(JobRow.phase).where(JobRow.id == job.id))
            changes = {"phase": progress.phase, "step": progress.step, "total": progress.total, "eta_s": eta_s}
            self._change(session, job, **changes, **({"metrics": figures} if figures else {}))
            if progress.phase != phase_before:
                session.add(event(job.id, now, "phase", phase=progress.phase, total=progress.total))
            session.add(event(job.id, now, "progress", **changes, metrics=figures))

    def note(self, job: Job, kind: str, data: Mapping[str, Any]) -> None:
        """Add an event of the attempt, such as `left_out`.

        Raises:
            LostLease: another attempt has begun, or the job is over.
        """
        with self._sessions.writing() as session:
            self._change(session, job, token=job.token)
            session.add(event(job.id, self._clock(), kind, **data))

    def succeed(self, job: Job, result: Mapping[str, Any]) -> Job:
        """Raises: LostLease."""
        return self._finish(job, "succeeded", result=plain(result), data={})

    def fail(self, job: Job, code: str, message: str) -> Job:
        """Raises: LostLease."""
        error = {"code": code, "message": message}
        return self._finish(job, "failed", error_code=code, error_message=message, data=error)

    def finish_cancel(self, job: Job) -> Job:
        """Call when the process is gone. Raises: LostLease."""
        return self._finish(job, "cancelled", data={})

    def finish_pause(self, job: Job) -> Job:
        """Call when the process is gone; the attempt does not count. Raises: LostLease."""
        with self._sessions.writing() as session:
            return self._paused(session, self._change(session, job, token=job.token))

    def halve_batch(self, job: Job, message: str, *, batch_size: int) -> Job:
        """Queue a job whose memory ran out again, to train from the beginning with half its batch, `batch_size`.

        The attempt does not count. Where it was to be cancelled or paused, it is.

        Raises:
            LostLease: another attempt has begun, or the job is over.
        """
        with self._sessions.writing() as session:
            now_held = self._change(session, job, half_batch=True, **_ANEW)
            session.add(event(job.id, self._clock(), "out_of_memory", message=message, batch_size=batch_size))
            return self._release(session, now_held, "memory ran out", counts=False)

    def hand_back(self, job: Job, reason: str, *, counts: bool = True) -> Job:
        """Queue the job again, to go on from its last checkpoint; where it was to be cancelled or paused, it is.

        `counts`: the attempt is one of `max_attempts` (its process died); false for a worker that was shut down.

        Raises:
            LostLease: another attempt has begun, or the job is over.
        """
        with self._sessions.writing() as session:
            now_held = self._change(session, job, token=job.token)
            return self._release(session, now_held, reason, counts=counts)

    def reap(self, now_s: float) -> tuple[Job, ...]:
        """Take jobs from workers whose lease ran out: queue them again, or fail them for good; returns them."""
        expired = select(JobRow).where(JobRow.status.in_(HELD), JobRow.lease_until_s < now_s)
        with self._sessions.reading() as session:
            candidates = [job_of(row) for row in session.scalars(expired)]
        reaped = []
        for job in candidates:
            with self._sessions.writing() as session:
                still = session.scalars(
                    expired.where(JobRow.id == job.id, JobRow.token == job.token).with_for_update()
                ).one_or_none()
                if still is not None:
                    reaped.append(self._release(session, job_of(still), "its worker fell silent", counts=True))
        return tuple(reaped)

    def _release(self, session: Session, job: Job, reason: str, *, counts: bool) -> Job:
        now = self._clock()
        match job.status:
            case "cancelling":
                session.add(event(job.id, now, "cancelled"))
                return self._change(session, job, status="cancelled", finished_s=now, **_LET_GO)
            case "pausing":
                return self._paused(session, job)
        attempt = job.attempt if counts else job.attempt - 1
        if counts and attempt >= self._max_attempts:
            message = _lost_each_time([*_earlier_reasons(session, job), reason])
            error = {"error_code": WORKER_LOST, "error_message": message}
            session.add(event(job.id, now, "failed", code=WORKER_LOST, message=message))
            return self._change(session, job, status="failed", attempt=attempt, finished_s=now, **_LET_GO, **error)
        session.add(event(job.id, now, "handed_back", reason=reason, attempt=attempt, counts=counts))
        return self._change(session, job, status="queued", attempt=attempt, rung_s=None, worker=None, **_LET_GO)

    def _paused(self, session: Session, job: Job) -> Job:
        session.add(event(job.id, self._clock(), "paused"))
        return self._change(session, job, status="paused", attempt=job.attempt - 1, worker=None, **_LET_GO)

    def _finish(self, job: Job, status: str, *, data: Mapping[str, Any], **values: object) -> Job:
        now = self._clock()
        with self._sessions.writing() as session:
            done = self._change(session, job, status=status, finished_s=now, **_LET_GO, **values)
            session.add(event(job.id, now, status, **data))
            return done

    @staticmethod
    def _change(session: Session, job: Job, **values: object) -> Job:
        """The compare-and-set: only the attempt that holds the job may write."""
        statement = update(JobRow).where(JobRow.id == job.id, JobRow.token == job.token, JobRow.status.in_(HELD))
        row = session.scalars(
            statement.values(**values).returning(JobRow), execution_options={"populate_existing": True}
        ).one_or_none()
        if row is None:
            raise LostLease(f"Attempt {job.token} of job {job.id} is no longer the one that may write.")
        return job_of(row)


def _earlier_reasons(session: Session, job: Job) -> list[str]:
    """Why the attempts before this one ended, as far as they count, since the job was added or tried anew."""
    kinds = ("handed_back", "retried")
    found = session.scalars(
        select(JobEventRow).where(JobEventRow.job_id == job.id, JobEventRow.kind.in_(kinds)).order_by(JobEventRow.id)
    )
    reasons: list[str] = []
    for row in found:
        if row.kind == "retried":
            reasons = []
        elif row.data.get("counts", True):
            reasons.append(row.data["reason"])
    return reasons


def _lost_each_time(reasons: Sequence[str]) -> str:
    told = "; ".join(f"attempt {number}: {reason}" for number, reason in enumerate(reasons, start=1))
    return f"The job was started {len(reasons)} times and its worker was lost each time. {told[0].upper()}{told[1:]}."


def hold(session: Session, job: Job) -> None:
    """Keep an attempt's job as it is until the transaction ends; what is published meanwhile is this attempt's.

    Raises:
        LostLease: another attempt has begun, or the job is over.
    """
    statement = select(JobRow.id).where(JobRow.id == job.id, JobRow.token == job.token, JobRow.status.in_(HELD))
    if session.scalar(statement.with_for_update()) is None:
        raise LostLease(f"Attempt {job.token} of job {job.id} is no longer the one that may publish.")
