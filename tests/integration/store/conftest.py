"""The store on a real database: every test here that asks for `store` runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration import postgres
from tests.integration.store.clock import Clock
from tests.missing import missing


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Postgres]:
    binaries = postgres.programs()
    if binaries is None:
        missing("initdb and pg_ctl are neither on PATH nor in /usr/lib/postgresql")
    with postgres.running(binaries) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Empty: the settings' own SQLite file."""
    if request.param == "sqlite":
        return ""
    server: postgres.Postgres = request.getfixturevalue("postgres_server")
    return server.empty_database()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, min_free_bytes=0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(settings: Settings, clock: Clock) -> Iterator[Store]:
    opened = Store.open(settings, clock=clock)
    yield opened
    opened.close()
