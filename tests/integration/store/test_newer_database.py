"""A database that a newer version has migrated: this one says so, and leaves it as it is."""

import pytest
from typer.testing import CliRunner

from pfa.cli import app
from pfa_store.database import known_revisions
from pfa_store.errors import StoreTooNew
from pfa_store.settings import Settings
from pfa_store.store import Store

NEWER = "r9999"


def migrated_by_a_newer_version(store: Store) -> None:
    with store.sessions.engine.execution_options(pfa_writes=True).begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{NEWER}'")


def test_it_is_refused_at_the_start_and_noticed_later(store: Store, settings: Settings) -> None:
    store.check_known()
    job = store.jobs.add("flow", {"videos": ["v"]})
    migrated_by_a_newer_version(store)
    for open_or_look in (lambda: Store.open(settings), store.check_known):
        with pytest.raises(StoreTooNew, match=f"revision {NEWER}.*up to {max(known_revisions())}"):
            open_or_look()
    assert store.jobs.get(job.id) == job
    with store.sessions.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == NEWER


def test_pfa_migrate_says_so_in_a_line(store: Store, settings: Settings) -> None:
    migrated_by_a_newer_version(store)
    environment = {"PFA_DATA_DIR": str(settings.data_dir), "PFA_DATABASE_URL": settings.database_url}
    told = CliRunner().invoke(app, ["migrate"], env=environment)
    assert told.exit_code == 1
    assert "Start that version or a newer one" in told.stderr
    assert "Traceback" not in told.stderr
