"""A POST that is sent twice with one `Idempotency-Key` makes one job."""

from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from pfa_store.database import Sessions
from pfa_store.errors import IdempotencyConflict
from pfa_store.schema import IdempotencyRow

KEEP_S = 24 * 3600.0
"""A key is remembered for this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """The request that makes a job: handed to `Jobs.add`, which records both in one transaction."""

    key_id: str
    """API key, or `anonymous`."""
    idempotency_key: str
    body_sha256: str


class Idempotency:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def find(self, once: Once) -> str | None:
        """Id of the job that this request made before.

        Raises:
            IdempotencyConflict: the key was used for another request.
        """
        with self._sessions.reading() as session:
            return earlier_job(session, once)

    def forget(self, now_s: float) -> int:
        """Drop keys older than a day; returns how many."""
        with self._sessions.writing() as session:
            statement = delete(IdempotencyRow).where(IdempotencyRow.created_s < now_s - KEEP_S)
            return len(session.scalars(statement.returning(IdempotencyRow.job_id)).all())


def earlier_job(session: Session, once: Once) -> str | None:
    """`Idempotency.find` inside a transaction."""
    row = session.get(IdempotencyRow, (once.key_id, once.idempotency_key))
    if row is None:
        return None
    if row.body_sha256 != once.body_sha256:
        raise IdempotencyConflict(
            "This Idempotency-Key was used for a different request. Send a new key, or the same request again.",
            job_id=row.job_id,
        )
    return row.job_id


def remember(session: Session, once: Once, *, job_id: str, now_s: float) -> None:
    """Bind the request to its job."""
    session.add(
        IdempotencyRow(
            key_id=once.key_id,
            idempotency_key=once.idempotency_key,
            body_sha256=once.body_sha256,
            job_id=job_id,
            created_s=now_s,
        )
    )
