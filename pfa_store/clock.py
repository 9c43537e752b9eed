"""The time that leases go by: the database server's own, which all hosts share, whatever their clocks show."""

import threading
import time
from collections.abc import Callable

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

COMPARED_EVERY_S = 10.0
"""So old a comparison is made anew: a machine that was suspended goes by the old one for no longer than this."""


def clock_of(engine: Engine) -> Callable[[], float]:
    """Seconds since 1970, as all who use this database count them; with SQLite, this machine's clock."""
    return DatabaseClock(engine) if engine.dialect.name == "postgresql" else time.time


class DatabaseClock:
    """PostgreSQL's clock, compared with this machine's monotonic one every few seconds and reckoned on in between.

    It is exact to half a round trip. While the database is out of reach it goes on as it was compared last; where it
    never was, it is this machine's own.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        own: Callable[[], float] = time.time,
    ) -> None:
        self._engine, self._monotonic, self._own = engine, monotonic, own
        self._comparing = threading.Lock()
        self._ahead_s: float | None = None
        self._again_s = 0.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        if (self._ahead_s is None or self._monotonic() >= self._again_s) and self._comparing.acquire(blocking=False):
            try:
                self._compare()
            finally:
                self._comparing.release()
        return self._own() if self._ahead_s is None else self._monotonic() + self._ahead_s

    def _compare(self) -> None:
        try:
            with self._engine.connect() as connection:
                before_s = self._monotonic()
                server_s = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
                after_s = self._monotonic()
        except (SQLAlchemyError, OSError):
            return  # who asks for the time has something to ask of the database, too, and tells what is wrong with it
        self._ahead_s = float(server_s) - (before_s + after_s) / 2
        self._again_s = after_s + COMPARED_EVERY_S
