"""The table of what one process at a time does for the whole installation."""

from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from pfa_store.schema import Base


class ChoreRow(Base):
    """A chore. Only `pfa_store/chores` changes one."""

    __tablename__ = "chores"
    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    holder: Mapped[str | None]
    """Who does it just now."""
    until_s: Mapped[float]
    """Unless it says otherwise, the holder is taken for dead from then on."""
    next_s: Mapped[float]
    """When it is due again."""
    tally: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What came of it so far, and of the last time."""
