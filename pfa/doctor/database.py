"""The database: whether it answers, is of this release, and how it is kept; and the workers that it knows."""

import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from pfa.doctor.finding import Finding, broken, ok, warning
from pfa_core.errors import PfaError
from pfa_store.database import Sessions, make_engine, migrations
from pfa_store.settings import Settings
from pfa_store.workers import Workers

_UNREACHABLE = "Start it, or correct PFA_DATABASE_URL; empty, SQLite in the data folder is used."


def database(settings: Settings) -> Iterator[Finding]:
    """Looks at the database as it is: nothing is made or migrated."""
    url = sqlalchemy.make_url(settings.sqlalchemy_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        yield ok("database", "SQLite, will be made at the first start")
        return
    engine = make_engine(settings.sqlalchemy_url)
    try:
        with engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
    except (SQLAlchemyError, PfaError, OSError) as error:
        yield broken("database", f"does not answer: {getattr(error, 'orig', None) or error}", remedy=_UNREACHABLE)
        return
    else:
        yield ok("database", f"{engine.dialect.name} answers")
        current = list(_revision(revision))
        yield from current
        yield from _sqlite(engine)
        if not any(each.verdict == "broken" for each in current) and revision is not None:
            yield from _workers(engine, settings)
    finally:
        engine.dispose()


def _revision(revision: str | None) -> Iterator[Finding]:
    script = ScriptDirectory.from_config(migrations())
    head = script.get_current_head()
    known = {each.revision for each in script.walk_revisions()}
    if revision == head:
        yield ok("migrations", f"at {head}, the newest")
    elif revision is None:
        yield warning("migrations", "it has no tables yet", remedy="They are made at the first start: pfa up.")
    elif revision in known:
        remedy = "The next start migrates it. Stop workers and API of the older release first, and keep a copy."
        yield warning("migrations", f"at {revision}, this release wants {head}", remedy=remedy)
    else:
        remedy = "Install the release that made it, or restore the copy from before."
        yield broken("migrations", f"at {revision}, which this release does not know (its own: {head})", remedy=remedy)


def _sqlite(engine: Engine) -> Iterator[Finding]:
    """SQLite: the journal, and whether the file is sound."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        mode = str(connection.execute(sqlalchemy.text("PRAGMA journal_mode")).scalar())
        sound = str(connection.execute(sqlalchemy.text("PRAGMA quick_check(1)")).scalar())
    if mode != "wal":
        remedy = "Put the data folder on a local disk: write-ahead logs need shared memory, which network disks lack."
        yield broken("SQLite journal", f"mode {mode} instead of wal", remedy=remedy)
    if sound != "ok":
        yield broken("SQLite file", sound, remedy="Restore a copy; `sqlite3 pfa.sqlite3 .recover` saves what it can.")
    if mode == "wal" and sound == "ok":
        yield ok("SQLite journal", "write-ahead, and the file is sound")


def _workers(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """Who is there, and who was."""
    now_s = time.time()
    try:
        found = Workers(Sessions(engine), settings, time.time).list()
    except SQLAlchemyError as error:
        yield broken("workers", f"cannot be listed: {error}", remedy="The migrations come first; see above.")
        return
    for queue in ("flow", "train"):
        there = [each for each in found if each.queue == queue and each.status != "lost"]
        if there:
            seen = max(each.seen_s for each in there)
            busy = sum(each.status == "busy" for each in there)
            yield ok(f"{queue} workers", f"{len(there)}, {busy} busy, last seen {max(0.0, now_s - seen):.0f} s ago")
        else:
            remedy = f"Start one: pfa worker --queue {queue}; `pfa up` starts all. Until then jobs wait."
            yield warning(f"{queue} workers", "none is there", remedy=remedy)
    hosts = sorted({each.host for each in found if each.status != "lost"})
    if engine.dialect.name == "sqlite" and len(hosts) > 1:
        remedy = (
            "If they are machines, use PostgreSQL (PFA_DATABASE_URL): SQLite's journal does not work over a network."
        )
        yield warning("several hosts", f"{', '.join(hosts)} share a SQLite file", remedy=remedy)
    for each in found:
        if each.status == "lost":
            says = f"{each.queue} worker on {each.host} ({each.pid}) is silent for {now_s - each.seen_s:.0f} s"
            yield warning("lost worker", says, remedy="Its job is taken over by itself. See why it went: its log.")
        elif each.seen_s > now_s + settings.lease_s:
            says = f"{each.host} was seen {each.seen_s - now_s:.0f} s in the future"
            yield broken("worker's clock", says, remedy="Set the clocks of all machines by NTP.")
