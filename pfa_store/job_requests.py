"""What users ask of a job that exists: cancel it, pause it, let it go on, try it again.

What no worker has changes at once. Of a job that runs only the state changes here: its worker sees that, ends the
process in good order, and records the end (`attempts.py`).
"""

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from pfa_core.errors import OutOfMemory
from pfa_store.attempts import Attempts
from pfa_store.errors import JobNotFound, JobStateConflict
from pfa_store.job_record import Job, event, job_of
from pfa_store.job_states import STOPPING, WAITING, JobStatus
from pfa_store.schema import JobRow

_ANEW = {
    "attempt": 0,
    "half_batch": and_(JobRow.half_batch, JobRow.error_code.is_distinct_from(OutOfMemory.code)),
    "worker": None,
    "rung_s": None,
    "error_code": None,
    "error_message": None,
    "finished_s": None,
    "history_gone_s": None,
    "files_gone_s": None,
    "checkpoints_gone_s": None,
}
"""What a job that is tried again forgets. Half the batch it keeps, unless memory ran out with that too."""


class JobRequests(Attempts):
    """The half of `Jobs` that users use. Every request is one compare-and-set statement for each state it knows."""

    def get(self, job_id: str) -> Job:
        """Raises: JobNotFound."""
        with self._sessions.reading() as session:
            return _get(session, job_id)

    def request_cancel(self, job_id: str) -> Job:
        """Cancel a job that waits or is paused at once; ask one that runs to stop. Asking again changes nothing.

        Raises:
            JobNotFound: there is no such job.
            JobStateConflict: it has already succeeded or failed.
        """
        with self._sessions.writing() as session:
            return (
                self._move(session, job_id, WAITING, "cancelled", finished_s=self._clock())
                or self._move(session, job_id, frozenset({"running", "pausing"}), "cancelling")
                or _as_it_is(session, job_id, frozenset({"cancelling", "cancelled"}), "be cancelled")
            )

    def request_pause(self, job_id: str) -> Job:
        """Pause a queued job at once; ask one that runs to write its checkpoint. Asking again changes nothing.

        Raises:
            JobNotFound: there is no such job.
            JobStateConflict: it is over, or is being cancelled.
        """
        with self._sessions.writing() as session:
            return (
                self._move(session, job_id, frozenset({"queued"}), "paused")
                or self._move(session, job_id, frozenset({"running"}), "pausing")
                or _as_it_is(session, job_id, frozenset({"pausing", "paused"}), "be paused")
            )

    def request_resume(self, job_id: str) -> Job:
        """Queue a paused job again, to go on from its checkpoint; ring afterwards.

        Raises:
            JobNotFound: there is no such job.
            JobStateConflict: it is not paused.
        """
        with self._sessions.writing() as session:
            paused = frozenset[JobStatus]({"paused"})
            return self._move(session, job_id, paused, "queued", kind="resumed", rung_s=None) or _as_it_is(
                session, job_id, frozenset(), "be resumed"
            )

    def request_retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again, with all its attempts before it; ring afterwards.

        It goes on from its last checkpoint, or begins anew where its checkpoints were removed. What was left out stays
        left out.

        Raises:
            JobNotFound: there is no such job.
            JobStateConflict: it has neither failed nor been cancelled.
        """
        with self._sessions.writing() as session:
            over = frozenset[JobStatus]({"failed", "cancelled"})
            return self._move(session, job_id, over, "queued", kind="retried", **_ANEW) or _as_it_is(
                session, job_id, frozenset(), "be tried again"
            )

    def _move(
        self,
        session: Session,
        job_id: str,
        before: frozenset[JobStatus],
        after: JobStatus,
        *,
        kind: str = "",
        **values: object,
    ) -> Job | None:
        """Take the job from one of the states `before` to `after`; None if it is in none of them.

        `kind`: the event's; empty: `after`.
        """
        statement = update(JobRow).where(JobRow.id == job_id, JobRow.status.in_(before))
        row = session.scalars(statement.values(status=after, **values).returning(JobRow)).one_or_none()
        if row is None:
            return None
        session.add(event(job_id, self._clock(), kind or after))
        return job_of(row)


def _as_it_is(session: Session, job_id: str, allowed: frozenset[JobStatus], wish: str) -> Job:
    job = _get(session, job_id)
    if job.status not in allowed:
        raise JobStateConflict(_why_not(job, wish), status=job.status)
    return job


def _why_not(job: Job, wish: str) -> str:
    if job.done:
        advice = " A new job can be started instead." if job.status == "succeeded" else " Try it again with /retry."
        already = "been cancelled" if job.status == "cancelled" else job.status
        return f"The job has already {already}; it cannot {wish}.{advice}"
    wait = " Wait until that is through." if job.status in STOPPING else ""
    return f"The job is {job.status}; it cannot {wish}.{wait}"


def _get(session: Session, job_id: str) -> Job:
    row = session.scalar(select(JobRow).where(JobRow.id == job_id))
    if row is None:
        raise JobNotFound(f"There is no job {job_id!r}.")
    return job_of(row)
