"""Hosts whose own clocks differ judge leases alike: by the clock of the database that they share."""

import time

import sqlalchemy
from sqlalchemy import create_engine

from pfa_store.clock import COMPARED_EVERY_S, DatabaseClock, clock_of
from pfa_store.database import make_engine
from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec
from pfa_store.store import Store
from tests.integration import postgres

OFF_S = 300.0
CLOSE_S = 5.0
"""More than a round trip takes on a busy machine, and far less than OFF_S."""


def test_a_host_whose_clock_is_ahead_takes_no_living_workers_job(
    postgres_server: postgres.Postgres, settings: Settings
) -> None:
    url = postgres_server.empty_database()
    of_server = settings.model_copy(update={"database_url": url})
    right = Store.open(of_server)
    engine = make_engine(url)
    ahead = Store.open(of_server, clock=DatabaseClock(engine, own=lambda: time.time() + OFF_S))
    naive = Store.open(of_server, clock=lambda: time.time() + OFF_S)
    right.jobs.add("evaluate", EvaluateSpec(model="m"))
    job = right.jobs.claim_next("train", "w")
    assert job is not None
    assert ahead.jobs.reap(ahead.clock()) == ()
    assert abs(ahead.clock() - right.clock()) < CLOSE_S
    assert [one.id for one in naive.jobs.reap(naive.clock())] == [job.id], "what would happen without"
    for store in (right, ahead, naive):
        store.close()
    engine.dispose()


def test_it_is_compared_anew_and_goes_on_while_the_database_is_away(postgres_server: postgres.Postgres) -> None:
    engine = make_engine(postgres_server.empty_database())
    ticks = [1000.0]
    clock = DatabaseClock(engine, monotonic=lambda: ticks[0], own=lambda: 0.0)
    with engine.connect() as connection:
        truth_s = float(connection.execute(sqlalchemy.text("SELECT extract(epoch FROM now())")).scalar_one())
    assert abs(clock() - truth_s) < CLOSE_S
    ticks[0] += COMPARED_EVERY_S - 1  # no time has passed for the database, which is not asked again yet
    assert clock() - truth_s > COMPARED_EVERY_S - 2
    ticks[0] += 1
    assert abs(clock() - truth_s) < CLOSE_S
    engine.dispose()
    gone = create_engine("postgresql+psycopg://nobody@/none?host=/nonexistent")
    assert DatabaseClock(gone, own=lambda: 7.0)() == 7.0
    gone.dispose()


def test_sqlite_goes_by_the_clock_of_its_machine(settings: Settings) -> None:
    engine = make_engine(f"sqlite:///{settings.data_dir}/one.sqlite3")
    assert clock_of(engine) is time.time
    engine.dispose()
