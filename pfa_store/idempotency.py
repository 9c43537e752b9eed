"""A POST that is sent twice with one `Idempotency-Key` makes one thing, and gets the same answer twice."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from pfa_store.database import Sessions
from pfa_store.errors import IdempotencyConflict
from pfa_store.files import Files
from pfa_store.schema import IdempotencyRow

KEEP_S = 24 * 3600.0
"""A key is remembered for this long."""

Made = Mapping[str, Any]
"""What a request made: its `id`, and what the answer said beyond what that tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """The request that makes something: handed to what makes it, which records both in one transaction."""

    key_id: str
    """API key, or `anonymous`."""
    route: str
    """Path of the POST."""
    idempotency_key: str
    body_sha256: str
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What its answer says beyond what the id of what it made tells."""


class Idempotency:
    def __init__(self, sessions: Sessions, files: Files, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._files = files
        self._clock = clock

    @contextlib.contextmanager
    def alone(self, once: Once | None) -> Iterator[Made | None]:
        """Let the same request in once at a time; gives what it made before, if it was here before.

        The lock goes with its process, so a request that died halfway keeps nobody waiting.

        Raises:
            IdempotencyConflict: the key was used for another request.
        """
        if once is None:
            yield None
            return
        named = "\n".join((once.key_id, once.route, once.idempotency_key))
        bucket = hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:2]
        with self._files.lock(f"locks/once-{bucket}"):
            yield self.find(once)

    def find(self, once: Once) -> Made | None:
        """What this request made before.

        Raises:
            IdempotencyConflict: the key was used for another request.
        """
        with self._sessions.reading() as session:
            return earlier(session, once)

    def remember(self, once: Once | None, *, made: str) -> None:
        """Bind the request to what it made, where making it twice gives the same thing anyway."""
        with self._sessions.writing() as session:
            remember(session, once, made=made, now_s=self._clock())

    def forget(self, now_s: float) -> int:
        """Drop keys older than a day; returns how many."""
        with self._sessions.writing() as session:
            statement = delete(IdempotencyRow).where(IdempotencyRow.created_s < now_s - KEEP_S)
            return len(session.scalars(statement.returning(IdempotencyRow.key_id)).all())


def earlier(session: Session, once: Once) -> Made | None:
    """`Idempotency.find` inside a transaction."""
    row = session.get(IdempotencyRow, (once.key_id, once.route, once.idempotency_key))
    if row is None:
        return None
    if row.body_sha256 != once.body_sha256:
        raise IdempotencyConflict(
            "This Idempotency-Key was used for a different request. Send a new key, or the same request again."
        )
    return row.made


def remember(session: Session, once: Once | None, *, made: str, now_s: float) -> None:
    """Bind the request, if it has a key, to the id of what it made, in the transaction that makes it."""
    if once is None:
        return
    session.add(
        IdempotencyRow(
            key_id=once.key_id,
            route=once.route,
            idempotency_key=once.idempotency_key,
            body_sha256=once.body_sha256,
            made={**once.notes, "id": made},
            created_s=now_s,
        )
    )
