"""Chores that one process at a time does for the whole installation, however many hosts there are."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError

from pfa_store.chore_schema import ChoreRow
from pfa_store.database import Sessions

LEASE_S = 300.0
"""A chore whose holder was silent for so long is free for others."""


class Chores:
    def __init__(self, sessions: Sessions, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._clock = clock

    def begin(self, name: str, holder: str, *, due: bool = True) -> bool:
        """Take a chore that nobody does; whether it is ours. `due`: only if it is time for it."""
        now = self._clock()
        if not self._is_free(name, now, due=due):  # looked at first: a transaction that writes keeps others waiting
            return False
        statement = update(ChoreRow).where(
            ChoreRow.name == name, or_(ChoreRow.holder.is_(None), ChoreRow.until_s <= now)
        )
        if due:
            statement = statement.where(ChoreRow.next_s <= now)
        return self._changed(statement.values(holder=holder, until_s=now + LEASE_S))

    def renew(self, name: str, holder: str) -> bool:
        """Keep it; False: it is in other hands."""
        statement = update(ChoreRow).where(ChoreRow.name == name, ChoreRow.holder == holder)
        return self._changed(statement.values(until_s=self._clock() + LEASE_S))

    def end(self, name: str, holder: str, *, next_s: float, tally: Mapping[str, Any]) -> bool:
        """Give it up until it is due again; False: it was in other hands, which tell what came of it."""
        statement = update(ChoreRow).where(ChoreRow.name == name, ChoreRow.holder == holder)
        return self._changed(statement.values(holder=None, next_s=next_s, tally=dict(tally)))

    def holder(self, name: str) -> str | None:
        """Who does it just now."""
        with self._sessions.reading() as session:
            row = session.get(ChoreRow, name)
            return None if row is None or row.until_s <= self._clock() else row.holder

    def tally(self, name: str) -> dict[str, Any]:
        """What came of it so far; empty: it was never done."""
        with self._sessions.reading() as session:
            return session.scalar(select(ChoreRow.tally).where(ChoreRow.name == name)) or {}

    def _is_free(self, name: str, now_s: float, *, due: bool) -> bool:
        with self._sessions.reading() as session:
            row = session.get(ChoreRow, name)
        if row is not None:
            return (row.holder is None or row.until_s <= now_s) and not (due and row.next_s > now_s)
        try:
            with self._sessions.writing() as session:
                session.add(ChoreRow(name=name, until_s=0, next_s=0, tally={}))
        except IntegrityError:  # another process was faster
            return False
        return True

    def _changed(self, statement: Any) -> bool:  # noqa: ANN401  # an update; its type has no name that fits
        with self._sessions.writing() as session:
            return session.scalars(statement.returning(ChoreRow.name)).one_or_none() is not None
