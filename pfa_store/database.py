"""One database, SQLite or PostgreSQL: opening it, bringing its tables up to date, and transactions."""

import contextlib
import fcntl
import functools
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from pfa_store.errors import StoreTooNew, StoreUnavailable

BUSY_TIMEOUT_MS = 10_000
"""How long a SQLite statement waits for another process's transaction."""

_NO_SPACE = ("database or disk is full", "No space left on device")
"""What SQLite and PostgreSQL say. It stays StoreUnavailable, which workers wait for: jobs go on once there is space."""

_CONNECT = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}
"""libpq's, in seconds but for the last, in milliseconds. A server that was cut off is given up after 20 s; the kernel
alone would wait for a quarter of an hour."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x70666131
"""PostgreSQL advisory lock that a migrating process holds; any constant does ("pfa1")."""


def make_engine(url: str) -> Engine:
    """An engine for a SQLAlchemy URL; `postgresql://` means psycopg. Opens no connection yet."""
    parsed = sqlalchemy.make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return sqlalchemy.create_engine(parsed, pool_pre_ping=True, json_serializer=to_json, connect_args=_CONNECT)


def _sqlite(url: URL) -> Engine:
    if url.database:
        with translated():
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(url, json_serializer=to_json)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes the write lock at once: upgrading a read transaction would fail instead of waiting.
        writes = connection.get_execution_options().get("pfa_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


class Sessions:
    """Opens transactions. Every sub-store does all its work inside `reading` or `writing`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._readers = sessionmaker(engine, expire_on_commit=False)
        self._writers = sessionmaker(engine.execution_options(pfa_writes=True), expire_on_commit=False)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with translated(), self._readers() as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed at the end of the block, and undone if it raises.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with translated(), self._writers.begin() as session:
            yield session

    def ping(self) -> None:
        """One round trip to the database.

        Raises:
            StoreUnavailable: it does not answer.
        """
        with self.reading() as session:
            session.execute(sqlalchemy.text("SELECT 1"))


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn what a database or disk out of reach raises into StoreUnavailable."""
    try:
        yield
    except (OperationalError, InterfaceError, DisconnectionError, PoolTimeout) as error:
        cause = getattr(error, "orig", None) or error
        if any(words in str(cause) for words in _NO_SPACE):
            raise StoreUnavailable(
                "The database's disk is full. Delete something, or ask the administrator; then try again."
            ) from error
        raise StoreUnavailable(f"The database does not answer just now; try again. ({cause})") from error
    except OSError as error:
        raise StoreUnavailable(f"The data folder cannot be used just now: {error}") from error


def upgrade(engine: Engine) -> None:
    """Bring the tables to the newest revision. Any number of processes may call this at once.

    Raises:
        StoreUnavailable: the database does not answer.
        StoreTooNew: a newer version has brought them further than this one knows.
    """
    with translated(), _migration_lock(engine), engine.execution_options(pfa_writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        config = migrations()
        found = _known_revision(connection)
        if found != ScriptDirectory.from_config(config).get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def check_known(engine: Engine) -> None:
    """Check that no newer version has changed the tables, before or since this process started.

    Raises:
        StoreUnavailable: the database does not answer.
        StoreTooNew: one has.
    """
    with translated(), engine.connect() as connection:
        _known_revision(connection)


def _known_revision(connection: Connection) -> str | None:
    """The revision of the tables; None: there are none. Raises: StoreTooNew."""
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in known_revisions():
        newest = ScriptDirectory.from_config(migrations()).get_current_head()
        raise StoreTooNew(
            f"A newer version of PFA has migrated the database to revision {found}; this one knows revisions up to"
            f" {newest}. Start that version or a newer one, or restore a backup of before (docs/upgrading.md).",
            found=found,
            newest=newest,
        )
    return found


@functools.cache
def known_revisions() -> frozenset[str]:
    """The revisions that this version can bring up to date."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions())


def migrations() -> Config:
    """Alembic's configuration; its `connection` attribute is what `env.py` runs on."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextlib.contextmanager
def _migration_lock(engine: Engine) -> Iterator[None]:
    """SQLite: a lock file beside the database, held before the first connection switches the journal mode."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        yield
        return
    with locked(Path(f"{engine.url.database}.lock")):
        yield


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, made if need be. It goes with the process that holds it."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def to_json(value: object) -> str:
    """JSON that every database accepts: a figure that is not finite becomes null."""
    return json.dumps(_finite(value), allow_nan=False)


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document as it will read back: what is not finite is None, tuples are lists."""
    return json.loads(to_json(document))


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
