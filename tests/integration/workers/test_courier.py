"""Webhooks on their way: to a real server, signed, again after a failure, and never where they must not go."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pfa_store.deliveries import Delivery
from pfa_store.errors import WebhookRefused
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.webhook_targets import Target
from tests.integration.receiver import Receiver
from tests.integration.store.clock import Clock
from tests.integration.workers.service import Service
from tests.waiting import wait_for
from workers.courier import Courier, post


@pytest.fixture
def on(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", min_free_bytes=0, webhooks="on", webhook_allow="127.0.0.1, other.test")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(on: Settings, clock: Clock) -> Iterator[Store]:
    opened = Store.open(on, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def ended(store: Store) -> str:
    return store.jobs.request_cancel(store.jobs.add("evaluate", {"dataset": "d"}, key_id="key_1").id).id


def rounds(store: Store, webhook_id: str) -> Delivery:
    """One round of a dispatcher that starts and stops; what became of the newest message."""
    courier = Courier(store)
    courier.round()
    courier.close()
    return store.deliveries.of(webhook_id)[0]


def test_a_message_arrives_signed(store: Store, receiver: Receiver, clock: Clock) -> None:
    hook = store.webhooks.create(receiver.url, key_id="key_1")
    job_id = ended(store)
    assert rounds(store, hook.id).status == "delivered"
    (message,) = receiver.messages
    assert message.is_signed_by(hook.secret)
    assert not message.is_signed_by("whsec_AAAA")
    assert (message.path, message.headers["host"]) == ("/hook?for=pfa", f"127.0.0.1:{receiver.port}")
    assert message.headers["webhook-timestamp"] == str(int(clock()))
    assert message.headers["content-type"] == "application/json"
    assert json.loads(message.body)["data"] == {
        "id": job_id,
        "kind": "evaluate",
        "status": "cancelled",
        "error": None,
        "finished": "1970-01-12T13:46:40+00:00",
    }
    assert rounds(store, hook.id).attempts == 1, "it is not sent twice"


def test_a_failure_is_made_good_after_a_restart_with_the_same_id(
    on: Settings, store: Store, receiver: Receiver, clock: Clock
) -> None:
    receiver.statuses = [500, 503]
    hook = store.webhooks.create(receiver.url, key_id="key_1")
    ended(store)
    assert rounds(store, hook.id).last_error == "it answered 500"
    assert rounds(store, hook.id).attempts == 1, "not before its time"
    clock.pass_s(5)
    assert rounds(store, hook.id).status == "waiting"
    clock.pass_s(30)
    again = Store.open(on, clock=clock)
    assert rounds(again, hook.id).status == "delivered"
    again.close()
    assert len({message.headers["webhook-id"] for message in receiver.messages}) == 1
    assert len({message.headers["webhook-timestamp"] for message in receiver.messages}) == 3
    assert len({message.body for message in receiver.messages}) == 1
    assert all(message.is_signed_by(hook.secret) for message in receiver.messages)


def test_redirects_are_not_followed(store: Store, receiver: Receiver) -> None:
    with Receiver() as inside:
        receiver.statuses, receiver.location = [307], inside.url
        hook = store.webhooks.create(receiver.url, key_id="key_1")
        ended(store)
        assert rounds(store, hook.id).last_error == "it answered 307"
        assert inside.messages == []


def test_a_receiver_that_is_gone_is_told_no_more(store: Store, receiver: Receiver) -> None:
    receiver.statuses = [410]
    hook = store.webhooks.create(receiver.url, key_id="key_1")
    ended(store)
    assert rounds(store, hook.id).status == "failed"


def test_nobody_there_and_no_tls_there_are_failures(store: Store, receiver: Receiver) -> None:
    with Receiver() as closed:
        nowhere = closed.url
    hooks = [
        store.webhooks.create(url, key_id="key_1") for url in (nowhere, receiver.url.replace("http://", "https://"))
    ]
    ended(store)
    for hook in hooks:
        delivery = rounds(store, hook.id)
        assert (delivery.status, delivery.attempts) == ("waiting", 1)
        assert delivery.last_error is not None
        assert delivery.last_error.startswith("ConnectError")
    assert receiver.messages == []


def test_what_the_operator_no_longer_allows_is_not_sent(on: Settings, store: Store, receiver: Receiver) -> None:
    hook = store.webhooks.create(receiver.url, key_id="key_1")
    ended(store)
    strict = Store.open(on.model_copy(update={"webhook_allow": ""}), clock=store.clock)
    assert rounds(strict, hook.id).status == "failed"
    strict.close()
    assert receiver.messages == []


def test_nothing_is_sent_while_webhooks_are_off(on: Settings, store: Store, receiver: Receiver) -> None:
    hook = store.webhooks.create(receiver.url, key_id="key_1")
    ended(store)
    off = Store.open(on.model_copy(update={"webhooks": "off"}), clock=store.clock)
    courier = Courier(off)
    courier.round()
    courier.close()
    off.close()
    assert store.deliveries.of(hook.id) == ()
    assert receiver.messages == []


def target(receiver: Receiver, host: str, *, trusted: bool) -> Target:
    return Target(scheme="http", host=host, port=receiver.port, path="/", trusted=trusted)


def test_a_name_that_leads_inside_is_refused_after_it_is_looked_up(receiver: Receiver) -> None:
    with pytest.raises(WebhookRefused, match=r"localhost has the address (127\.0\.0\.1|::1)"):
        asyncio.run(post(target(receiver, "localhost", trusted=False), "{}", {}))
    assert receiver.messages == []


def test_the_receiver_is_named_though_the_connection_goes_to_its_address(receiver: Receiver) -> None:
    assert asyncio.run(post(target(receiver, "127.1", trusted=True), "{}", {})) == httpx.codes.NO_CONTENT
    assert receiver.messages[0].headers["host"] == f"127.1:{receiver.port}"


def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert asyncio.run(post(target(receiver, "127.0.0.1", trusted=True), "{}", {})) == httpx.codes.NO_CONTENT
        assert proxy.messages == []


def test_a_slow_receiver_holds_up_only_its_own_place(store: Store, clock: Clock) -> None:
    """Rounds go on, and send nothing twice, while a receiver takes its time."""
    release = threading.Event()
    with Receiver(before=lambda: release.wait(30)) as slow:
        hook = store.webhooks.create(slow.url, key_id="key_1")
        ended(store)
        courier = Courier(store)
        courier.round()
        wait_for(lambda: slow.messages, what="the message")
        courier.round()
        assert len(slow.messages) == 1
        release.set()
        courier.close()
    assert store.deliveries.of(hook.id)[0].status == "delivered"


def test_the_dispatcher_of_the_workers_sends(settings: Settings, service: Service, receiver: Receiver) -> None:
    """`python -m workers.serve`, as it is started."""
    allowed = settings.model_copy(update={"webhooks": "on", "webhook_allow": "127.0.0.1"})
    store = Store.open(allowed)
    hook = store.webhooks.create(receiver.url, key_id="key_1")
    ended(store)
    workers = Service(allowed)
    workers.start()
    try:
        wait_for(lambda: receiver.messages, what="the message")
        wait_for(lambda: store.deliveries.of(hook.id)[0].status == "delivered", what="the note that it arrived")
    finally:
        workers.stop()
        store.close()
    assert receiver.messages[0].is_signed_by(hook.secret)
