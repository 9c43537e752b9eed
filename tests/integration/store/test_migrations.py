"""A database of every released revision, with rows in it, becomes one of this release and loses nothing."""

import pytest
import sqlalchemy
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from pfa_store.database import make_engine, migrations
from pfa_store.schema import Base
from pfa_store.settings import Settings
from pfa_store.store import Store

ROWS = (
    "INSERT INTO jobs (id, kind, queue, spec, status, phase, step, total, metrics, attempt, token, created_s, key_id)"
    " VALUES ('job_old', 'flow', 'flow', '{\"videos\": [\"vid_a\"]}', 'queued', 'flow', 3, 9, '{}', 1, 2, 5, 'key_a')",
    "INSERT INTO job_events (job_id, at_s, kind, data) VALUES ('job_old', 5, 'queued', '{}')",
    "INSERT INTO job_events (job_id, at_s, kind, data) VALUES ('job_old', 6, 'left_out', '{\"file\": \"a\"}')",
    "INSERT INTO keys (id, name, secret_sha256, scopes, created_s) VALUES ('key_a', 'a', 'x', '[\"read\"]', 1)",
)
"""Rows that the tables of every revision take."""
REVISIONS = [script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions()]


def change(settings: Settings, revision: str, *, down: bool = False, rows: tuple[str, ...] = ()) -> None:
    engine = make_engine(settings.sqlalchemy_url)
    with engine.execution_options(pfa_writes=True).begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)
        for row in rows:
            connection.exec_driver_sql(row.replace("%", "%%"))
    engine.dispose()


def assert_up_to_date(store: Store) -> None:
    with store.sessions.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_there_are_revisions() -> None:
    assert len(REVISIONS) >= 4
    assert len(set(REVISIONS)) == len(REVISIONS)


@pytest.mark.parametrize("revision", REVISIONS)
def test_up_from_every_revision(settings: Settings, revision: str) -> None:
    change(settings, revision, rows=ROWS)
    store = Store.open(settings)
    assert_up_to_date(store)
    job = store.jobs.get("job_old")
    assert (job.status, job.step, job.attempt, job.token, job.key_id) == ("queued", 3, 1, 2, "key_a")
    assert (job.priority, job.half_batch) == (0, False)
    assert [event.kind for event in store.jobs.events("job_old")] == ["queued", "left_out"]
    held = store.jobs.claim_next("flow", "w")
    assert held is not None
    assert (held.id, held.token, held.request.priority) == ("job_old", 3, 0)
    store.close()


def test_down_and_up_again(settings: Settings) -> None:
    """A job that the older release has no state for is one that it takes up."""
    store = Store.open(settings)
    paused = store.jobs.request_pause(store.jobs.add("flow", {"videos": ["v"]}).id)
    held = store.jobs.claim(store.jobs.add("flow", {"videos": ["v"]}).id, "w")
    assert held is not None
    store.jobs.request_pause(held.id)
    store.close()
    change(settings, "r0003", down=True)
    engine = make_engine(settings.sqlalchemy_url)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT id, status FROM jobs"))
        found = {row.id: row.status for row in rows}
    engine.dispose()
    assert found == {paused.id: "queued", held.id: "running"}
    store = Store.open(settings)
    assert_up_to_date(store)
    assert len(store.jobs.events(held.id)) == 3
    store.close()
