"""Requests that no honest client sends: each gets a problem of the 400s, never one of the 500s."""

import httpx
import pytest

from pfa_client import Client
from tests.integration.api.service import Service


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/videos/%00"),
        ("GET", "/models/a%00b"),
        ("GET", "/videos?cursor=%00"),
        ("GET", "/videos/%ff%fe"),
        ("GET", "/models/name/versions/99999999999999999999"),
        ("GET", "/models/name/versions/-1"),
        ("GET", "/jobs/x/events?cursor=99999999999999999999"),
        ("GET", "/jobs/x/events?cursor=-1"),
        ("GET", "/jobs?status=sleeping"),
        ("GET", "/jobs?limit=100000"),
        ("GET", "/jobs?cursor=AAAA"),
        ("GET", "/nowhere"),
        ("PATCH", "/videos"),
        ("DELETE", "/jobs/x"),
        ("DELETE", "/videos/x"),
        ("DELETE", "/datasets/x"),
        ("DELETE", "/collections/x"),
        ("POST", "/jobs/x/cancel"),
    ],
)
def test_odd_paths(service: Service, method: str, path: str) -> None:
    with service.http() as http:
        answer = http.request(method, path)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nul\0l",
        b"null",
        b"[]",
        b'"text"',
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"name": "x", "videos": [{"video": "\\u0000"}]}',
        b'{"name": "x", "videos": [{"video": "\\ud800"}]}',
        b'{"name": "x", "videos": [{"video": "v", "label": "\xff"}]}',
        b'{"name": NaN, "videos": Infinity}',
        b'{"name": "x", "videos": 1e999}',
    ],
)
def test_odd_bodies(service: Service, body: bytes) -> None:
    with service.http() as http:
        for path in ("/datasets", "/jobs/pretrain", "/collections"):
            answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid"), path


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_odd_idempotency_keys(service: Service, client: Client, key: str) -> None:
    with service.http() as http:
        answer = http.post("/jobs/flow", json={"videos": ["v"]}, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


def test_a_redirect_keeps_nothing_from_being_found(service: Service) -> None:
    with service.http() as http:
        assert http.get("/videos/", follow_redirects=True).status_code == httpx.codes.OK
