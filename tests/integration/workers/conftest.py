"""A store, a broker and workers with short leases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration import broker as brokers
from tests.integration.workers.service import Service


@pytest.fixture
def broker() -> Iterator[brokers.Broker]:
    with brokers.broker() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, broker: brokers.Broker) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        broker_url=broker.url,
        min_free_bytes=0,
        lease_s=4,
        heartbeat_s=0.5,
        ring_again_s=2,
        cancel_grace_s=20,
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def service(settings: Settings, broker: brokers.Broker) -> Iterator[Service]:
    """Workers, not started yet; the broker runs."""
    broker.start()
    made = Service(settings)
    yield made
    made.stop()
