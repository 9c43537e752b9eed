"""Webhooks over HTTP: registered by a key, for its own jobs; the secret is told once."""

from collections.abc import Iterator

import httpx
import pytest

from pfa_store.store import Store
from tests.integration.api.service import Service, running
from tests.integration.receiver import Receiver
from workers.courier import Courier


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data_dir = tmp_path_factory.mktemp("hooked")
    with running(data_dir, PFA_WEBHOOKS="on", PFA_WEBHOOK_ALLOW="127.0.0.1") as service:
        yield service


@pytest.fixture
def http(hooked: Service, name: str) -> Iterator[httpx.Client]:
    with hooked.http(hooked.store.keys.create(name, ["jobs", "read"])[1]) as http:
        yield http


def test_a_webhook_is_made_listed_and_deleted_by_its_own_key(hooked: Service, http: httpx.Client, name: str) -> None:
    url = "https://example.org/hook"
    first, again = (http.post("/webhooks", json={"url": url}, headers={"Idempotency-Key": name}) for _ in range(2))
    assert first.status_code == httpx.codes.CREATED
    assert first.json() == again.json()
    made = first.json()
    assert made["secret"].startswith("whsec_")
    assert first.headers["location"] == f"/webhooks/{made['id']}"
    (listed,) = http.get("/webhooks").json()["items"]
    assert (listed["id"], listed["url"]) == (made["id"], url)
    assert "secret" not in listed
    assert "secret" not in http.get(f"/webhooks/{made['id']}").json()
    with hooked.http() as other:
        assert other.get("/webhooks").json()["items"] == []
        for answer in (
            other.get(f"/webhooks/{made['id']}"),
            other.get(f"/webhooks/{made['id']}/deliveries"),
            other.delete(f"/webhooks/{made['id']}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")
    assert http.delete(f"/webhooks/{made['id']}").status_code == httpx.codes.NO_CONTENT
    assert http.get("/webhooks").json()["items"] == []


@pytest.mark.parametrize("url", ["http://example.org/", "https://10.0.0.1/", "https://localhost/", "mailto:a@b", ""])
def test_addresses_that_nothing_is_sent_to_are_refused(http: httpx.Client, url: str) -> None:
    answer = http.post("/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook_refused")


def test_they_are_off_by_default(service: Service) -> None:
    with service.http() as http:
        answer = http.post("/webhooks", json={"url": "https://example.org/hook"})
        assert (answer.status_code, answer.json()["code"]) == (409, "webhooks_off")
        assert http.get("/webhooks").json()["items"] == []


def test_the_end_of_a_job_is_told_and_the_delivery_listed(hooked: Service, http: httpx.Client) -> None:
    with Receiver() as receiver:
        made = http.post("/webhooks", json={"url": receiver.url}).json()
        key_id = hooked.store.webhooks.get(made["id"]).key_id
        job = hooked.store.jobs.add("evaluate", {"dataset": "d", "model": "m"}, key_id=key_id)
        assert http.post(f"/jobs/{job.id}/cancel").status_code == httpx.codes.ACCEPTED
        settings = hooked.store.settings.model_copy(update={"webhooks": "on", "webhook_allow": "127.0.0.1"})
        store = Store.open(settings)
        courier = Courier(store)
        courier.round()
        courier.close()
        store.close()
        (message,) = receiver.messages
    assert message.is_signed_by(made["secret"])
    (delivery,) = http.get(f"/webhooks/{made['id']}/deliveries").json()["items"]
    assert (delivery["id"], delivery["job"]) == (message.headers["webhook-id"], job.id)
    assert (delivery["status"], delivery["attempts"], delivery["last_error"]) == ("delivered", 1, None)
