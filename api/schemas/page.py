"""Lists and times, as they are written everywhere."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from pfa_store.paging import Page

T = TypeVar("T")
Record = TypeVar("Record")


class PageRead(BaseModel, Generic[T]):
    """Some items of a list."""

    items: list[T]
    next_cursor: str | None = Field(None, description="Send it as `cursor` for the next page; null on the last one")


def page_of(page: Page[Record], read: Callable[[Record], T]) -> PageRead[T]:
    """A page of records as a page of what is sent."""
    return PageRead(items=[read(record) for record in page.items], next_cursor=page.next_cursor)


def time_of(seconds: float) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def time_or_none(seconds: float | None) -> datetime | None:
    """`time_of`, for what may not have happened yet."""
    return None if seconds is None else time_of(seconds)
