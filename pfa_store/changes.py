"""Whether the database has changed since one looked: for what remembers an answer and must not give an old one."""

import sqlite3
import threading
import time
from collections.abc import Callable, Hashable

from sqlalchemy import Engine

LOOK_EVERY_S = 1.0
"""What a server's database said is believed for this long."""


class Changes:
    """SQLite tells of every commit of any process (`PRAGMA data_version`, some microseconds). PostgreSQL has nothing as
    cheap: there, a stamp simply lasts LOOK_EVERY_S.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def stamp(self) -> Hashable:
        """Equal to an earlier stamp while nothing has changed in between. Never waits for a lock of the database."""
        if self._path is None:
            return int(self._clock() / LOOK_EVERY_S)
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = sqlite3.connect(self._path, timeout=0, check_same_thread=False)
                (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error:
                self._disconnect()
                return object()  # equal to nothing: the caller asks the database itself, which says what is wrong
            return int(version)

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
