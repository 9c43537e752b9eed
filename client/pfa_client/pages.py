"""A list that comes page by page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Pages(Generic[T]):
    """Where a list is, how its items are read, and how far it has been read."""

    path: str
    read: Callable[[Mapping[str, Any]], T]
    wanted: Mapping[str, Any] = field(default_factory=dict)
    """Query parameters of every page."""
    done: bool = False
    _cursor: str | None = None

    def params(self) -> dict[str, Any]:
        """Query parameters of the next page."""
        return {"cursor": self._cursor, **self.wanted}

    def items(self, page: Mapping[str, Any]) -> list[T]:
        """The items of the page that just came."""
        self._cursor = page.get("next_cursor")
        self.done = self._cursor is None
        return [self.read(item) for item in page["items"]]
