"""Whose turn it is: which of the queued jobs a free worker does next."""

from sqlalchemy import ScalarSelect, func, select, text
from sqlalchemy.orm import Session, aliased

from pfa_store.job_states import HELD
from pfa_store.schema import JobRow
from pfa_store.specs import Queue

_LOCK_KEY = 0x70666132
"""PostgreSQL advisory lock that a claim holds; any constant does ("pfa2")."""


def next_of(queue: Queue) -> ScalarSelect[str]:
    """Id of the queued job of `queue` whose turn it is.

    The highest priority first, then the API key with the fewest jobs under way in this queue (requests without a key
    count as one key), then the oldest.
    """
    waiting, held = aliased(JobRow), aliased(JobRow)
    under_way = (
        select(func.count())
        .select_from(held)
        .where(held.queue == queue, held.status.in_(HELD), held.key_id.is_not_distinct_from(waiting.key_id))
        .scalar_subquery()
    )
    turn = (
        select(waiting.id)
        .where(waiting.queue == queue, waiting.status == "queued")
        .order_by(waiting.priority.desc(), under_way, waiting.created_s, waiting.id)
        .limit(1)
    )
    # PostgreSQL: who changes that job just now is waited for, and a job that is not queued then is passed over.
    return turn.with_for_update(of=waiting).scalar_subquery()


def one_at_a_time(session: Session) -> None:
    """Let no other claim look before this transaction ends. A transaction that writes to SQLite is alone anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
