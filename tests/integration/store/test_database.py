"""Migrations, transactions and what happens when the database is away."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from pfa_store.database import make_engine, to_json, translated
from pfa_store.errors import StoreUnavailable
from pfa_store.schema import Base
from pfa_store.settings import Settings
from pfa_store.store import Store


def test_migrations_make_the_tables_of_the_schema(store: Store) -> None:
    with store.sessions.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_processes_may_start_at_once(settings: Settings) -> None:
    code = "import sys; from pfa_store.settings import Settings; from pfa_store.store import Store;"
    code += f"Store.open(Settings(data_dir={str(settings.data_dir)!r}, database_url={settings.database_url!r})).ping()"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]


def test_opening_again_keeps_what_is_there(store: Store, settings: Settings) -> None:
    job = store.jobs.add("evaluate", {"dataset": "d", "model": "m"})
    again = Store.open(settings)
    assert again.jobs.get(job.id) == job
    again.close()


def test_sqlite_survives_a_crash_and_checks_references(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
    engine.dispose()


def test_a_writer_waits_for_another(store: Store) -> None:
    """Read, then write, from many threads: no one fails and no increment is lost."""
    job = store.jobs.add("evaluate", {"dataset": "d", "model": "m"})
    claimed = store.jobs.claim(job.id, "w")
    assert claimed is not None
    threads = [threading.Thread(target=store.jobs.note, args=(claimed, "left_out", {"n": n})) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = store.jobs.events(job.id)
    assert sorted(event.data["n"] for event in events if event.kind == "left_out") == list(range(12))


def test_no_database_is_store_unavailable(tmp_path: Path) -> None:
    url = f"postgresql://nobody@/none?host={tmp_path}"
    with pytest.raises(StoreUnavailable):
        Store.open(Settings(data_dir=tmp_path, database_url=url))


def test_a_full_database_says_so(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'a.sqlite3'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE big (content BLOB)")
        connection.exec_driver_sql("PRAGMA max_page_count = 2")  # SQLite's own way to run out of space
        with pytest.raises(StoreUnavailable, match=r"disk is full\. Delete something"), translated():
            connection.exec_driver_sql("INSERT INTO big VALUES (zeroblob(1000000))")
    engine.dispose()


def test_a_data_folder_that_is_a_file_is_store_unavailable(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(StoreUnavailable):
        Store.open(Settings(data_dir=tmp_path / "data"))


def test_figures_that_are_not_finite_are_null() -> None:
    assert to_json({"pcp": float("nan"), "all": [1.5, float("inf")], "name": "a"}) == (
        '{"pcp": null, "all": [1.5, null], "name": "a"}'
    )


def test_postgresql_without_a_driver_means_psycopg() -> None:
    engine = make_engine("postgresql://user@host/name")
    assert isinstance(engine, sqlalchemy.Engine)
    assert engine.driver == "psycopg"
