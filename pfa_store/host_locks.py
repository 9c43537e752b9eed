"""Locks between hosts that share a database but no folder."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from sqlalchemy import Engine, NullPool

from pfa_store.database import locked, translated


class HostLocks:
    """Locks by name: an advisory lock of PostgreSQL, on a connection of its own; for SQLite a file beside the database.

    Both go with the process that holds them, however it ends.
    """

    def __init__(self, engine: Engine) -> None:
        self._url = engine.url
        self._engine: Engine | None = None
        if engine.dialect.name == "postgresql":
            # Not of the pool: those who wait would use it up, and who holds the lock would have none to work with.
            self._engine = sqlalchemy.create_engine(
                engine.url,
                poolclass=NullPool,
                isolation_level="AUTOCOMMIT",
                connect_args={"connect_timeout": 5},
            )

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Exclude everybody who asks for the same name of the same database. Raises: StoreUnavailable."""
        if self._engine is None:
            with translated():
                stack = contextlib.ExitStack()
                stack.enter_context(locked(Path(f"{self._url.database}.{name.replace('/', '-')}.lock")))
            with stack:
                yield
            return
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        with translated():
            connection = self._engine.connect()
        try:
            with translated():
                connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": key})
            yield
        finally:
            connection.close()  # and the lock with it: nobody else ever gets this connection
