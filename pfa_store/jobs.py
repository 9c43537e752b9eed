"""Jobs: the database is the truth about them. Every change of state is one compare-and-set statement.

Adding and looking is here; what users ask of a job (cancel, pause, ...) is in `job_requests.py`, and what a worker does
with a claimed one in `attempts.py`.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from pfa_store.database import Sessions
from pfa_store.idempotency import Once, earlier, remember
from pfa_store.job_record import Job, JobEvent, event, job_of
from pfa_store.job_requests import JobRequests
from pfa_store.job_states import HELD, JobStatus
from pfa_store.paging import Page, newest_first
from pfa_store.records import record_of
from pfa_store.schema import JobEventRow, JobRow
from pfa_store.settings import Settings
from pfa_store.specs import QUEUE_OF, JobKind, Spec


class Jobs(JobRequests):
    """All jobs."""

    def __init__(self, sessions: Sessions, settings: Settings, clock: Callable[[], float]) -> None:
        super().__init__(sessions, settings, clock)
        self._settings = settings

    def add(
        self,
        kind: JobKind,
        spec: Spec | Mapping[str, Any],
        *,
        key_id: str | None = None,
        once: Once | None = None,
        left_out: Sequence[Mapping[str, Any]] = (),
        origin: Mapping[str, str] | None = None,
    ) -> Job:
        """Record a job to be done; ring afterwards (`claim` makes that order safe).

        With `once`, the same request gives the same job. `left_out`: what was sent along and could not be used; each
        becomes an event of the job, as if a worker had left it out. `origin` (pfa_store/job_origin): who asked.

        Raises:
            IdempotencyConflict: the key of `once` was used for another request.
        """
        try:
            return self._add(kind, spec, key_id=key_id, once=once, left_out=left_out, origin=origin or {})
        except IntegrityError:
            if once is None:
                raise
            # The same request came in beside this one.
            return self._add(kind, spec, key_id=key_id, once=once, left_out=left_out, origin=origin or {})

    def _add(
        self,
        kind: JobKind,
        spec: Spec | Mapping[str, Any],
        *,
        key_id: str | None,
        once: Once | None,
        left_out: Sequence[Mapping[str, Any]],
        origin: Mapping[str, str],
    ) -> Job:
        now = self._clock()
        plain = spec.model_dump(mode="json") if isinstance(spec, Spec) else dict(spec)
        with self._sessions.writing() as session:
            before = None if once is None else earlier(session, once)
            if before is not None:
                return job_of(session.get_one(JobRow, before["id"]))
            row = JobRow(
                id=f"job_{uuid.uuid4().hex}",
                kind=kind,
                queue=QUEUE_OF[kind],
                spec=plain,
                status="queued",
                phase="",
                step=0,
                total=0,
                metrics={},
                attempt=0,
                priority=plain.get("priority", 0),
                half_batch=False,
                token=0,
                created_s=now,
                key_id=key_id,
            )
            session.add(row)
            session.flush()
            session.add(event(row.id, now, "queued", **origin))
            session.add_all(event(row.id, now, "left_out", **entry) for entry in left_out)
            remember(session, once, made=row.id, now_s=now)
            session.flush()
            return job_of(row)

    def list(
        self,
        *,
        status: JobStatus | None = None,
        kind: JobKind | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Job]:
        """Jobs, newest first.

        Raises:
            ConfigInvalid: the cursor or the limit cannot be used.
        """
        statement = select(JobRow)
        if status is not None:
            statement = statement.where(JobRow.status == status)
        if kind is not None:
            statement = statement.where(JobRow.kind == kind)
        with self._sessions.reading() as session:
            return newest_first(
                session, statement, time=JobRow.created_s, key=JobRow.id, record=job_of, limit=limit, cursor=cursor
            )

    def evaluations(self, model: str, *, limit: int = 20) -> tuple[Job, ...]:
        """The newest evaluations of a model, `name@version`, that succeeded, newest first."""
        statement = (
            select(JobRow)
            .where(JobRow.kind == "evaluate", JobRow.status == "succeeded")
            .where(JobRow.result["model"].as_string() == model)
            .order_by(JobRow.finished_s.desc(), JobRow.id)
            .limit(limit)
        )
        with self._sessions.reading() as session:
            return tuple(job_of(row) for row in session.scalars(statement))

    def events(self, job_id: str, *, after: int = 0, limit: int = 200) -> tuple[JobEvent, ...]:
        """What happened to a job after the event with id `after`, in order.

        Raises:
            JobNotFound: there is no such job.
        """
        self.get(job_id)
        statement = (
            select(JobEventRow)
            .where(JobEventRow.job_id == job_id, JobEventRow.id > after)
            .order_by(JobEventRow.id)
            .limit(limit)
        )
        with self._sessions.reading() as session:
            return tuple(record_of(JobEvent, row) for row in session.scalars(statement))

    def origin(self, job_id: str) -> Mapping[str, str]:
        """What was told of the request that made a job, when it was added; empty where nothing was."""
        first = select(JobEventRow.data).where(JobEventRow.job_id == job_id, JobEventRow.kind == "queued")
        with self._sessions.reading() as session:
            return session.scalars(first.order_by(JobEventRow.id).limit(1)).one_or_none() or {}

    def mark_rung(self, job_id: str) -> None:
        """Note that the workers were told of a queued job."""
        with self._sessions.writing() as session:
            session.execute(update(JobRow).where(JobRow.id == job_id).values(rung_s=self._clock()))

    def due_for_ringing(self, now_s: float) -> tuple[Job, ...]:
        """Queued jobs of which nobody was told, or told long ago, oldest first."""
        silent = or_(JobRow.rung_s.is_(None), JobRow.rung_s <= now_s - self._settings.ring_again_s)
        statement = select(JobRow).where(JobRow.status == "queued", silent).order_by(JobRow.created_s, JobRow.id)
        with self._sessions.reading() as session:
            return tuple(job_of(row) for row in session.scalars(statement.limit(1000)))

    def thin_events(self) -> None:
        """Forget the oldest progress of jobs under way where there is more of it than `max_events`."""
        told = select(JobEventRow.id).where(JobEventRow.kind == "progress").order_by(JobEventRow.id.desc())
        with self._sessions.reading() as session:
            held = list(session.scalars(select(JobRow.id).where(JobRow.status.in_(HELD))))
        for job_id in held:
            of_job = JobEventRow.job_id == job_id
            with self._sessions.reading() as session:
                last = session.scalar(told.where(of_job).offset(self._settings.max_events).limit(1))
            if last is not None:
                old = (of_job, JobEventRow.kind == "progress", JobEventRow.id <= last)
                with self._sessions.writing() as session:
                    session.execute(delete(JobEventRow).where(*old))
