"""Rows leave the store as frozen records, so that nothing outside can change the database by accident."""

from dataclasses import fields
from typing import Any, TypeVar

R = TypeVar("R")


def record_of(kind: type[R], row: object, **extra: object) -> R:
    """A `kind` (a dataclass) with the row's values of the same names; lists become tuples; `extra` wins."""
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]  # every record is a dataclass; there is no bound for that
        value = extra[field.name] if field.name in extra else getattr(row, field.name)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
