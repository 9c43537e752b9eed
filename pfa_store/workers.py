"""The workers that there are: each says every few seconds that it is there, and what it does."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Literal, get_args

from sqlalchemy import delete, select, update

from pfa_store.database import Sessions
from pfa_store.job_states import HELD
from pfa_store.records import record_of
from pfa_store.schema import JobRow, WorkerRow
from pfa_store.settings import Settings
from pfa_store.specs import Queue

KEPT_S = 3600.0
"""A worker that fell silent is listed as lost for this long."""

WorkerStatus = Literal["idle", "busy", "lost"]
WORKER_STATUSES: tuple[WorkerStatus, ...] = get_args(WorkerStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker at the moment it was read. Times are seconds since 1970."""

    id: str
    host: str
    pid: int
    """Of the process that keeps the worker running."""
    queue: Queue
    version: str
    job_id: str | None
    """The job that it does or helps with."""
    started_s: float
    seen_s: float
    status: WorkerStatus
    """`lost`: it was not seen for as long as a lease lasts."""


def installed_version() -> str:
    """Of this library; `unknown` where it runs from a bare source tree."""
    try:
        return metadata.version("pfa")
    except metadata.PackageNotFoundError:
        return "unknown"


class Workers:
    def __init__(self, sessions: Sessions, settings: Settings, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._lease_s = settings.lease_s
        self._clock = clock

    def enter(self, queue: Queue, *, host: str, pid: int, version: str) -> Worker:
        """A new worker."""
        now = self._clock()
        worker = Worker(
            id=f"wrk_{uuid.uuid4().hex}",
            host=host,
            pid=pid,
            queue=queue,
            version=version,
            job_id=None,
            started_s=now,
            seen_s=now,
            status="idle",
        )
        with self._sessions.writing() as session:
            session.add(_row_of(worker, seen_s=now))
        return worker

    def beat(self, worker: Worker) -> None:
        """It is there. One that was silent for so long that it was forgotten is listed again."""
        now = self._clock()
        statement = update(WorkerRow).where(WorkerRow.id == worker.id).values(seen_s=now)
        with self._sessions.writing() as session:
            if session.scalars(statement.returning(WorkerRow.id)).one_or_none() is None:
                session.add(_row_of(worker, seen_s=now))

    def does(self, worker_id: str, job_id: str | None) -> None:
        """It has begun with a job, or (None) is through with it."""
        statement = update(WorkerRow).where(WorkerRow.id == worker_id)
        with self._sessions.writing() as session:
            session.execute(statement.values(job_id=job_id, seen_s=self._clock()))

    def leave(self, worker: Worker) -> None:
        """It was shut down."""
        with self._sessions.writing() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id == worker.id))

    def list(self) -> tuple[Worker, ...]:
        """All workers, by queue and start. What a job's id says of one that died at it is over with the job's lease."""
        under_way = select(JobRow.id).where(JobRow.status.in_(HELD))
        everyone = select(WorkerRow).order_by(WorkerRow.queue, WorkerRow.started_s, WorkerRow.id)
        lost_before_s = self._clock() - self._lease_s
        with self._sessions.reading() as session:
            busy = set(session.scalars(under_way))
            return tuple(_worker_of(row, busy, lost_before_s) for row in session.scalars(everyone))

    def forget(self, now_s: float) -> None:
        """Drop those that have been silent for an hour."""
        with self._sessions.writing() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.seen_s < now_s - max(KEPT_S, 2 * self._lease_s)))


def _row_of(worker: Worker, *, seen_s: float) -> WorkerRow:
    return WorkerRow(
        id=worker.id,
        host=worker.host,
        pid=worker.pid,
        queue=worker.queue,
        version=worker.version,
        job_id=None,
        started_s=worker.started_s,
        seen_s=seen_s,
    )


def _worker_of(row: WorkerRow, under_way: set[str], lost_before_s: float) -> Worker:
    job_id = row.job_id if row.job_id in under_way else None
    status: WorkerStatus = "lost" if row.seen_s < lost_before_s else "idle" if job_id is None else "busy"
    return record_of(Worker, row, job_id=job_id, status=status)
