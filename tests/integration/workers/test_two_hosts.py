"""Two hosts share PostgreSQL, a broker and a folder; one is cut off from all but the folder, and returns."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pfa_store.errors import LostLease
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration import postgres
from tests.integration.workers.service import Service
from tests.integration.workers.training import trained_steps, training
from tests.integration.workers.wire import Wire, wire
from tests.missing import missing
from tests.waiting import wait_for

STEPS = 400


@pytest.fixture
def server() -> Iterator[postgres.Postgres]:
    binaries = postgres.programs()
    if binaries is None:
        missing("initdb and pg_ctl are neither on PATH nor in /usr/lib/postgresql")
    with postgres.running(binaries) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, server: postgres.Postgres) -> Settings:
    return settings.model_copy(update={"database_url": server.empty_database()})


@pytest.fixture
def wires(settings: Settings, server: postgres.Postgres) -> Iterator[list[Wire]]:
    """To the database and to the broker."""
    broker = Path(settings.broker_url.partition("://")[2])
    with wire(server.socket_folder / ".s.PGSQL.5432") as to_database, wire(broker) as to_broker:
        yield [to_database, to_broker]


@pytest.fixture
def far(settings: Settings, wires: list[Wire]) -> Iterator[Service]:
    """The host at the end of the wires."""
    made = Service(far_settings(settings, wires))
    yield made
    made.stop()


def far_settings(settings: Settings, wires: list[Wire]) -> Settings:
    to_database, to_broker = wires
    return settings.model_copy(
        update={
            "database_url": f"postgresql://postgres@127.0.0.1:{to_database.port}/postgres",
            "broker_url": f"redis://127.0.0.1:{to_broker.port}/0",
        }
    )


def curve(store: Store, job: Job) -> list[dict[str, Any]]:
    return [json.loads(line) for line in store.files.job_metrics(job.id).read_text().splitlines()]


def ended(store: Store, job: Job) -> Job:
    wait_for(lambda: store.jobs.get(job.id).done, timeout_s=240, what="the end of the job")
    return store.jobs.get(job.id)


def test_a_host_that_is_cut_off_loses_its_job_ends_it_and_takes_work_again(
    settings: Settings, store: Store, service: Service, far: Service, wires: list[Wire]
) -> None:
    far.start()
    job = training(store, steps=STEPS)
    assert store.queue.ring(job)
    reached = trained_steps(store, job, at_least=1)
    held = store.jobs.get(job.id)
    (lost,) = far.processes("workers.runner")
    service.start()  # the other host
    for each in wires:
        each.cut()
    wait_for(lambda: lost not in far.processes(), timeout_s=60, what="the end of the cut-off attempt")
    wait_for(lambda: store.jobs.get(job.id).attempt == 2, timeout_s=60, what="the attempt of the other host")
    trained_steps(store, job, at_least=reached + 1)
    with pytest.raises(LostLease):
        store.jobs.heartbeat(held)
    with pytest.raises(LostLease):
        store.jobs.succeed(held, {})
    for each in wires:
        each.mend()
    done = ended(store, job)
    assert (done.status, done.attempt) == ("succeeded", 2)
    assert [model.version for model in store.models.list()] == [1]
    service.stop()
    again = training(store, steps=STEPS)  # the same, and nothing happens to it
    assert store.queue.ring(again)
    assert ended(store, again).status == "succeeded"
    assert curve(store, job) == curve(store, again)
