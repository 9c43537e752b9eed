"""The same POST twice with one `Idempotency-Key`: one thing, one answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_client import Client
from tests.integration.api.service import Service

Send = Callable[[httpx.Client, str, str], httpx.Response]


@pytest.fixture(scope="module")
def walker(service: Service) -> str:
    return service.publish("idempotent", "appearance").ref


@pytest.fixture
def requests(walker: str, clips: dict[str, Path], client: Client) -> dict[str, Send]:
    """Each way to make something, by `tag`, which decides what is asked for, and key."""
    (video,) = client.upload_videos([clips["one"]]).videos

    def form(*names: str) -> list[tuple[str, tuple[str, bytes]]]:
        return [("files", (f"{name}.mp4", clips[name].read_bytes())) for name in names]

    def post(path: str, body: Callable[[str], dict[str, Any]]) -> Send:
        return lambda http, tag, key: http.post(path, headers={"Idempotency-Key": key}, **body(tag))

    return {
        "videos": post("/videos", lambda tag: {"files": form(*("two", "text") if tag.endswith("1") else ("one",))}),
        "collection": post("/collections", lambda tag: {"json": {"name": tag, "model": walker}}),
        "dataset": post("/datasets", lambda tag: {"json": {"name": tag, "videos": [{"video": video.id}]}}),
        "dataset form": post("/datasets", lambda tag: {"data": {"name": tag}, "files": form("one", "text")}),
        "upload": lambda http, tag, key: http.post(
            "/uploads",
            headers={"Idempotency-Key": key, "Tus-Resumable": "1.0.0", "Upload-Length": f"100{tag[-1]}"},
        ),
        "job": post("/jobs/flow", lambda tag: {"json": {"videos": [video.id], "seed": int(tag[-1])}}),
    }


WAYS = ("videos", "collection", "dataset", "dataset form", "upload", "job")


@pytest.mark.parametrize("way", WAYS)
def test_the_same_request_gets_the_same_answer_and_another_is_refused(
    service: Service, requests: dict[str, Send], name: str, way: str
) -> None:
    send = requests[way]
    with service.http() as http:
        first, again = (send(http, f"{name}-1", name) for _ in range(2))
        assert first.is_success, first.text
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        other = send(http, f"{name}-2", name)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
        assert send(http, f"{name}-2", f"{name}-b").is_success, "another key is another request"


@pytest.mark.parametrize("way", WAYS)
def test_requests_beside_each_other_make_one_thing(
    service: Service, requests: dict[str, Send], name: str, way: str
) -> None:
    send = requests[way]

    def ask(_number: int) -> httpx.Response:
        with service.http() as http:
            return send(http, f"{name}-1", name)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert {answer.is_success for answer in answers} == {True}, [answer.text for answer in answers]
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert len({answer.headers.get("location") for answer in answers}) == 1


def test_a_key_belongs_to_its_api_key_and_its_route(service: Service, requests: dict[str, Send], name: str) -> None:
    _, secret = service.store.keys.create("another", ["jobs"])
    with service.http() as http, service.http(secret) as other:
        assert requests["job"](http, "seed-1", name).is_success
        assert requests["job"](other, "seed-2", name).is_success
        assert requests["dataset"](http, f"{name}-2", name).is_success


def test_what_was_made_and_deleted_since_is_not_made_again(
    service: Service, requests: dict[str, Send], name: str
) -> None:
    with service.http() as http:
        assert requests["dataset"](http, name, name).is_success
        assert http.delete(f"/datasets/{name}").is_success
        gone = requests["dataset"](http, name, name)
    assert (gone.status_code, gone.json()["code"]) == (404, "dataset_not_found")


@pytest.mark.parametrize("key", ["", "x" * 256])
@pytest.mark.parametrize("way", WAYS)
def test_odd_keys(service: Service, requests: dict[str, Send], name: str, way: str, key: str) -> None:
    with service.http() as http:
        answer = requests[way](http, f"{name}-1", key)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
