"""Messages to webhooks: written down before they are sent, and sent until somebody takes them or it is too late."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import delete, exists, select, update
from sqlalchemy.exc import IntegrityError

from pfa_store.database import Sessions
from pfa_store.job_record import Job, job_of
from pfa_store.job_states import DONE
from pfa_store.records import record_of
from pfa_store.schema import JobRow
from pfa_store.webhook_schema import DeliveryRow, WebhookRow

WAITS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""Pauses between attempts: about 18 hours in all, and then it is given up."""
ATTEMPT_S = 60.0
"""An attempt that has not been told of for so long has died with its process; another may begin."""
LOOK_BACK_S = 24 * 3600.0
"""A job that ended longer ago than this is not told any more, should no dispatcher have run since."""
KEEP_S = 7 * 24 * 3600.0
"""Deliveries are remembered for so long."""
MAX_MESSAGE = 500
"""Most characters of an error message that a webhook is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message to a webhook, ready to be sent."""

    id: str
    webhook_id: str
    job_id: str
    body: str
    status: Literal["waiting", "delivered", "failed"]
    attempts: int
    next_s: float
    last_error: str | None
    created_s: float
    delivered_s: float | None


class Deliveries:
    def __init__(self, sessions: Sessions, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._clock = clock

    def note_ends(self, now_s: float) -> int:
        """Write a message for every webhook whose key has a job that ended and was not told of; returns how many.

        The end is in the database before this looks, and the message's id is made from it: however often and by however
        many dispatchers this runs, and whenever one dies, each end is told once.
        """
        told = exists().where(DeliveryRow.webhook_id == WebhookRow.id, DeliveryRow.job_id == JobRow.id)
        told = told.where(DeliveryRow.created_s >= JobRow.finished_s)
        same_key = (WebhookRow.key_id == JobRow.key_id) | (WebhookRow.key_id.is_(None) & JobRow.key_id.is_(None))
        ended = (
            select(WebhookRow.id, JobRow)
            .join(JobRow, same_key)
            .where(JobRow.status.in_(DONE), JobRow.finished_s >= WebhookRow.created_s)
            .where(JobRow.finished_s >= now_s - LOOK_BACK_S, ~told)
            .limit(1000)
        )
        with self._sessions.reading() as session:
            found = [(webhook_id, job_of(row)) for webhook_id, row in session.execute(ended)]
        return sum(self._add(webhook_id, job, now_s) for webhook_id, job in found)

    def claim_due(self, now_s: float, *, limit: int) -> tuple[Delivery, ...]:
        """Messages to be sent now, each to one caller only: nobody else gets them for `ATTEMPT_S`."""
        due = select(DeliveryRow.id).where(DeliveryRow.status == "waiting", DeliveryRow.next_s <= now_s)
        with self._sessions.reading() as session:
            ids = session.scalars(due.order_by(DeliveryRow.next_s).limit(limit)).all()
        claimed = []
        for delivery_id in ids:
            statement = update(DeliveryRow).where(DeliveryRow.id == delivery_id, DeliveryRow.status == "waiting")
            statement = statement.where(DeliveryRow.next_s <= now_s)
            values = {"next_s": now_s + ATTEMPT_S, "attempts": DeliveryRow.attempts + 1}
            with self._sessions.writing() as session:
                row = session.scalars(statement.values(values).returning(DeliveryRow)).one_or_none()
                if row is not None:
                    claimed.append(record_of(Delivery, row))
        return tuple(claimed)

    def delivered(self, delivery: Delivery) -> None:
        """Somebody took it."""
        self._end_attempt(delivery, status="delivered", delivered_s=self._clock(), last_error=None)

    def missed(self, delivery: Delivery, why: str, *, for_good: bool = False) -> None:
        """Nobody took it: try again later, or give it up after the last pause, or at once `for_good`."""
        if for_good or delivery.attempts > len(WAITS_S):
            self._end_attempt(delivery, status="failed", last_error=why[:MAX_MESSAGE])
        else:
            next_s = self._clock() + WAITS_S[delivery.attempts - 1]
            self._end_attempt(delivery, next_s=next_s, last_error=why[:MAX_MESSAGE])

    def of(self, webhook_id: str, *, limit: int = 100) -> tuple[Delivery, ...]:
        """What one webhook was told or is to be told, newest first."""
        statement = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
        statement = statement.order_by(DeliveryRow.created_s.desc(), DeliveryRow.id).limit(limit)
        with self._sessions.reading() as session:
            return tuple(record_of(Delivery, row) for row in session.scalars(statement))

    def forget(self, now_s: float) -> None:
        """Drop what ended long ago."""
        old = delete(DeliveryRow).where(DeliveryRow.status != "waiting", DeliveryRow.created_s < now_s - KEEP_S)
        with self._sessions.writing() as session:
            session.execute(old)

    def _add(self, webhook_id: str, job: Job, now_s: float) -> bool:
        named = f"{webhook_id}\n{job.id}\n{job.finished_s!r}"
        row = DeliveryRow(
            id=f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}",
            webhook_id=webhook_id,
            job_id=job.id,
            body=body_of(job),
            status="waiting",
            attempts=0,
            next_s=now_s,
            created_s=now_s,
        )
        try:
            with self._sessions.writing() as session:
                session.add(row)
        except IntegrityError:  # another dispatcher was faster, or the webhook is gone
            return False
        return True

    def _end_attempt(self, delivery: Delivery, **values: object) -> None:
        """Only the attempt that was claimed last may say how it ended."""
        statement = update(DeliveryRow).where(DeliveryRow.id == delivery.id, DeliveryRow.attempts == delivery.attempts)
        with self._sessions.writing() as session:
            session.execute(statement.values(**values))


def body_of(job: Job) -> str:
    """What a webhook is told of a job that ended: enough to know, and an id to ask for the rest."""
    assert job.finished_s is not None
    error = None
    if job.error_code is not None:
        error = {"code": job.error_code, "message": (job.error_message or "")[:MAX_MESSAGE]}
    finished = datetime.fromtimestamp(job.finished_s, UTC).isoformat()
    data = {"id": job.id, "kind": job.kind, "status": job.status, "error": error, "finished": finished}
    return json.dumps({"type": f"job.{job.status}", "timestamp": finished, "data": data})
