"""Messages to webhooks, on both databases: each end once, to whom it concerns, and again until somebody takes it."""

import json
import threading

import pytest

from pfa_store.deliveries import ATTEMPT_S, KEEP_S, LOOK_BACK_S, WAITS_S, Delivery
from pfa_store.errors import InUse, WebhookNotFound, WebhookRefused, WebhooksOff
from pfa_store.idempotency import Once
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.webhooks import MOST
from tests.integration.store.clock import Clock

URL = "https://example.org/hook"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhooks": "on"})


def ended(store: Store, *, key_id: str | None = "key_1", fails: bool = False) -> Job:
    job = store.jobs.claim(store.jobs.add("evaluate", {"dataset": "d"}, key_id=key_id).id, "w")
    assert job is not None
    if fails:
        return store.jobs.fail(job, "training_diverged", "x" * 9000)
    return store.jobs.succeed(job, {"pdj": 1.0})


def due(store: Store, clock: Clock) -> tuple[Delivery, ...]:
    store.deliveries.note_ends(clock())
    return store.deliveries.claim_due(clock(), limit=100)


def test_each_end_is_told_once_to_the_webhooks_of_its_key(store: Store, clock: Clock) -> None:
    before = ended(store)
    clock.pass_s(1)
    hooks = [store.webhooks.create(URL, key_id="key_1") for _ in range(2)]
    store.webhooks.create(URL, key_id="key_2")
    nobodys = store.webhooks.create(URL, key_id=None)
    good, bad, other = ended(store), ended(store, fails=True), ended(store, key_id=None)
    store.jobs.add("evaluate", {"dataset": "d"}, key_id="key_1")
    assert store.deliveries.note_ends(clock()) == 5
    assert store.deliveries.note_ends(clock()) == 0
    found = store.deliveries.claim_due(clock(), limit=100)
    told = {(delivery.webhook_id, delivery.job_id) for delivery in found}
    assert told == {(hook.id, job.id) for hook in hooks for job in (good, bad)} | {(nobodys.id, other.id)}
    assert before.id not in {job_id for _, job_id in told}
    body = json.loads(next(delivery.body for delivery in found if delivery.job_id == bad.id))
    assert (body["type"], body["data"]["id"], body["data"]["status"]) == ("job.failed", bad.id, "failed")
    assert body["data"]["error"] == {"code": "training_diverged", "message": "x" * 500}
    assert max(len(delivery.body) for delivery in found) < 2000


def test_many_dispatchers_write_and_claim_a_message_once(store: Store, clock: Clock) -> None:
    store.webhooks.create(URL, key_id="key_1")
    for _ in range(5):
        ended(store)
    claimed: list[Delivery] = []
    threads = [threading.Thread(target=lambda: claimed.extend(due(store, clock))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    claimed.extend(due(store, clock))
    assert len(claimed) == len({delivery.id for delivery in claimed}) == 5


def test_what_nobody_takes_is_tried_again_and_given_up_in_the_end(store: Store, clock: Clock) -> None:
    hook = store.webhooks.create(URL, key_id="key_1")
    ended(store)
    pauses_s = []
    for wait_s in (*WAITS_S, None):
        (delivery,) = due(store, clock)
        store.deliveries.missed(delivery, "it answered 500")
        assert due(store, clock) == ()
        if wait_s is not None:
            clock.pass_s(wait_s - 0.5)
            assert due(store, clock) == ()
            clock.pass_s(0.5)
            pauses_s.append(wait_s)
    assert sum(pauses_s) > 17 * 3600
    (last,) = store.deliveries.of(hook.id)
    assert (last.status, last.attempts, last.last_error) == ("failed", len(WAITS_S) + 1, "it answered 500")
    clock.pass_s(10 * WAITS_S[-1])
    assert due(store, clock) == ()


def test_an_attempt_whose_process_died_is_made_again(store: Store, clock: Clock) -> None:
    store.webhooks.create(URL, key_id="key_1")
    ended(store)
    (lost,) = due(store, clock)
    clock.pass_s(ATTEMPT_S + 1)
    (again,) = due(store, clock)
    assert (again.id, again.body, again.attempts) == (lost.id, lost.body, 2)
    store.deliveries.missed(lost, "a late word of the first attempt", for_good=True)
    store.deliveries.delivered(again)
    (delivery,) = store.deliveries.of(again.webhook_id)
    assert (delivery.status, delivery.delivered_s, delivery.last_error) == ("delivered", clock(), None)


def test_a_job_that_ends_again_is_told_again(store: Store, clock: Clock) -> None:
    """The same job, queued again by its user after it failed."""
    hook = store.webhooks.create(URL, key_id="key_1")
    job = ended(store, fails=True)
    (first,) = due(store, clock)
    clock.pass_s(60)
    with store.sessions.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE jobs SET finished_s = {clock()} WHERE id = '{job.id}'")
    (second,) = [delivery for delivery in due(store, clock) if delivery.attempts == 1]
    assert first.id != second.id
    assert {delivery.job_id for delivery in store.deliveries.of(hook.id)} == {job.id}


def test_what_ended_long_ago_is_neither_told_nor_remembered(store: Store, clock: Clock) -> None:
    hook = store.webhooks.create(URL, key_id="key_1")
    ended(store)
    clock.pass_s(LOOK_BACK_S + 1)
    assert due(store, clock) == ()
    ended(store)
    (delivery,) = due(store, clock)
    store.deliveries.delivered(delivery)
    clock.pass_s(KEEP_S + 1)
    store.deliveries.forget(clock())
    assert store.deliveries.of(hook.id) == ()


def test_a_deleted_webhook_is_told_nothing(store: Store, clock: Clock) -> None:
    hook = store.webhooks.create(URL, key_id="key_1")
    ended(store)
    store.deliveries.note_ends(clock())
    with pytest.raises(WebhookNotFound):
        store.webhooks.delete(hook.id, key_id="key_2")
    store.webhooks.delete(hook.id, key_id="key_1")
    assert due(store, clock) == ()


def test_a_key_has_so_many_webhooks_and_none_while_they_are_off(store: Store, settings: Settings) -> None:
    once = Once(key_id="key_1", route="/webhooks", idempotency_key="a", body_sha256="1")
    first = store.webhooks.create(URL, key_id="key_1", once=once)
    assert store.idempotency.find(once) == {"id": first.id}
    for _ in range(MOST - 1):
        store.webhooks.create(URL, key_id="key_1")
    with pytest.raises(InUse):
        store.webhooks.create(URL, key_id="key_1")
    assert len(store.webhooks.list(key_id="key_1")) == MOST
    assert len({hook.secret for hook in store.webhooks.list(key_id="key_1")}) == MOST
    with pytest.raises(WebhookRefused):
        store.webhooks.create("https://127.0.0.1/", key_id="key_2")
    off = Store.open(settings.model_copy(update={"webhooks": "off"}))
    with pytest.raises(WebhooksOff):
        off.webhooks.create(URL, key_id="key_2")
    off.close()
