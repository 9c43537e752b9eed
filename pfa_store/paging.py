"""Lists are read a page at a time, newest first; a cursor says where the next page starts."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from pfa_core.errors import ConfigInvalid

T = TypeVar("T")
Row = TypeVar("Row")

MAX_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor of the next page: None on the last one."""

    items: Sequence[T]
    next_cursor: str | None = None


def newest_first(
    session: Session,
    statement: Select[Row],
    *,
    time: InstrumentedAttribute[float],
    key: InstrumentedAttribute[str],
    record: Callable[[Row], T],
    limit: int,
    cursor: str | None,
) -> Page[T]:
    """A page of `statement`, ordered by `time` and then `key`, both falling.

    Raises:
        ConfigInvalid: the cursor is not one that a page gave, or the limit is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ConfigInvalid(f"limit must lie in 1..{MAX_LIMIT}, got {limit}")
    if cursor is not None:
        statement = statement.where(_before(cursor, time, key))
    rows = session.scalars(statement.order_by(time.desc(), key.desc()).limit(limit + 1)).all()
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        tuple(record(row) for row in page),
        _cursor(getattr(page[-1], time.key), getattr(page[-1], key.key)) if more else None,
    )


def _cursor(time_s: float, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([time_s, key]).encode()).decode().rstrip("=")


def _before(cursor: str, time: InstrumentedAttribute[float], key: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    try:
        time_s, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        time_s, last = float(time_s), str(last)
    except (ValueError, TypeError, binascii.Error) as error:
        raise ConfigInvalid(
            "The cursor is not one that a page of this list gave; leave it out to start anew"
        ) from error
    return or_(time < time_s, and_(time == time_s, key < last))
