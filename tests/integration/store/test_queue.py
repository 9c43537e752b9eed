"""The doorbell, with a broker that is up, down, hung, or not configured."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec, PretrainSpec
from pfa_store.store import Store
from tests.integration.broker import Broker, broker


@pytest.fixture
def server() -> Iterator[Broker]:
    with broker() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path, server: Broker) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path, broker_url=server.url, min_free_bytes=0))
    yield opened
    opened.close()


def test_ringing_puts_a_message_into_the_jobs_queue(store: Store, server: Broker) -> None:
    server.start()
    job = store.jobs.add("evaluate", EvaluateSpec(model="m"))
    assert store.queue.ping()
    assert store.queue.ring(job)
    assert (store.queue.waiting("train"), store.queue.waiting("flow")) == (1, 0)
    assert store.jobs.get(job.id).rung_s is not None


def test_helpers_are_called_to_the_flow_queue_whatever_the_job(store: Store, server: Broker) -> None:
    server.start()
    job = store.jobs.add("pretrain", PretrainSpec(videos=["v"]))
    assert store.queue.call_for_help(job)
    assert (store.queue.waiting("train"), store.queue.waiting("flow")) == (0, 1)
    assert store.jobs.get(job.id).rung_s is None, "the job itself was not announced"
    server.stop()
    assert not store.queue.call_for_help(job)


@pytest.mark.timeout(60)
def test_a_broker_that_is_away_is_not_waited_for(store: Store, server: Broker) -> None:
    job = store.jobs.add("evaluate", EvaluateSpec(model="m"))
    for _ in range(2):
        assert not store.queue.ring(job)
        assert not store.queue.ping()
        server.start()
        server.stop()
    assert store.jobs.get(job.id).rung_s is None


@pytest.mark.timeout(60)
def test_a_broker_that_hangs_is_not_waited_for(store: Store, server: Broker) -> None:
    server.start()
    server.freeze()
    job = store.jobs.add("evaluate", EvaluateSpec(model="m"))
    assert not store.queue.ring(job)
    assert not store.queue.ping()
    assert store.jobs.get(job.id).rung_s is None


def test_without_a_broker_the_bell_is_silent(tmp_path: Path) -> None:
    store = Store.open(Settings(data_dir=tmp_path, min_free_bytes=0))
    assert not store.queue.ring(store.jobs.add("evaluate", EvaluateSpec(model="m")))
    assert not store.queue.ping()
    store.close()
