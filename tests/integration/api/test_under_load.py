"""Predictions while models change, while there is too much to do, and where there is too little memory."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.integration.api import media
from tests.integration.api.service import Service, running
from tests.processes import children_of
from tests.waiting import wait_for

PICTURE = media.encoded(media.picture())


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two processes with places for two predictions each."""
    folder = tmp_path_factory.mktemp("narrow")
    with running(folder, PFA_API_PROCESSES="2", PFA_MAX_QUEUE="1", PFA_MAX_BATCH="1") as service:
        yield service


def test_a_swap_under_load_fails_no_request(service: Service, name: str) -> None:
    service.publish(name, "pose", seed=1)
    service.publish(name, "pose", seed=2)
    service.store.models.set_alias(name, "production", 1)
    stop = threading.Event()

    def ask() -> list[tuple[int, str]]:
        seen = []
        with service.http() as http:
            while not stop.is_set():
                answer = http.post("/predict/pose", params={"model": f"{name}@production"}, files={"file": PICTURE})
                seen.append((answer.status_code, answer.json().get("model", "")))
        return seen

    def meant(version: int) -> bool:
        with service.http() as http:
            answer = http.post("/predict/pose", params={"model": f"{name}@production"}, files={"file": PICTURE})
        return bool(answer.json().get("model") == f"{name}@{version}")

    with ThreadPoolExecutor(4) as pool, service.http() as http:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            wait_for(lambda: meant(1), what="version 1")
            for version in (2, 1, 2):
                http.put(f"/models/{name}/aliases/production", json={"version": version}).raise_for_status()
                wait_for(lambda: meant(version), what=f"version {version}")  # noqa: B023
        finally:
            stop.set()
        seen = [each for future in asking for each in future.result()]
    assert {status for status, _ in seen} == {httpx.codes.OK}
    assert {model for _, model in seen} == {f"{name}@1", f"{name}@2"}


def test_four_times_too_much_is_refused_in_order_and_breaks_nothing(narrow: Service) -> None:
    narrow.publish("walker", "pose")
    before = children_of(narrow.pid)

    def ask(_number: int) -> list[httpx.Response]:
        with narrow.http() as http:
            return [http.post("/predict/pose", params={"model": "walker"}, files={"file": PICTURE}) for _ in range(10)]

    with ThreadPoolExecutor(16) as pool:
        answers = [answer for answered in pool.map(ask, range(16)) for answer in answered]
    assert len(answers) == 160
    assert {answer.status_code for answer in answers} == {200, 503}
    for refused in (answer for answer in answers if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE):
        assert refused.json()["code"] == "queue_full"
        assert int(refused.headers["retry-after"]) >= 1
    assert ask(0)[-1].status_code == httpx.codes.OK
    assert children_of(narrow.pid) == before


def test_a_model_that_does_not_fit_is_refused_and_the_others_answer_on(tmp_path: Path) -> None:
    with running(tmp_path, PFA_MODEL_BYTES="80000") as service, service.http() as http:
        service.publish("kept", "pose")
        service.publish("other", "pose")
        service.store.models.set_alias("kept", "production", 1)

        def ask(model: str) -> httpx.Response:
            return http.post("/predict/pose", params={"model": model}, files={"file": PICTURE})

        assert ask("kept").status_code == httpx.codes.OK, ask("kept").text
        refused = ask("other")
        assert (refused.status_code, refused.json()["code"]) == (507, "model_memory_full")
        assert refused.json()["max_bytes"] == 80_000
        assert "PFA_MODEL_BYTES" in refused.json()["detail"]
        assert ask("kept").status_code == httpx.codes.OK
        service.store.models.remove_alias("kept", "production")
        assert ask("other").status_code == httpx.codes.OK
