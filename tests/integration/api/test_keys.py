"""Every route of the OpenAPI document asks for a key, and for the scope that the document says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_store.keys import SCOPES
from tests.integration.api.service import Service, running

PUBLIC = {"/health/live", "/health/ready"}
BODILESS = ("/cancel", "/pause", "/resume", "/retry")
"""What is asked of a job needs no more words."""


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    return dict(httpx.get(f"{service.url}/openapi.json").json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, a path with something in its parameters, and what the document says."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            filled = path
            for parameter in operation.get("parameters", []):
                filled = filled.replace(f"{{{parameter['name']}}}", "1")
            yield method.upper(), filled, operation


def test_every_route_needs_a_key_and_its_scope(service: Service, document: dict[str, Any]) -> None:
    secrets = {
        scope: service.store.keys.create(f"all but {scope}", set(SCOPES) - {scope, "admin"})[1] for scope in SCOPES
    }
    checked = 0
    with httpx.Client(base_url=service.url) as http:
        for method, path, operation in operations(document):
            if path in PUBLIC:
                assert "security" not in operation
                assert http.request(method, path).status_code == httpx.codes.OK
                continue
            schemes = operation["security"]
            assert [set(scheme) for scheme in schemes] == [{"bearer"}, {"apiKey"}]
            (scope,) = schemes[0]["bearer"]
            without = http.request(method, path)
            assert refusal(without) == (401, "unauthenticated"), (method, path)
            assert "Bearer" in without.headers["www-authenticate"]
            lacking = http.request(method, path, headers={"X-API-Key": secrets[scope]})
            assert refusal(lacking) == (403, "forbidden"), (method, path)
            assert method == "HEAD" or scope in lacking.json()["detail"]
            checked += 1
    assert checked > 30


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code; an answer to HEAD has no body, and its status says it all."""
    assert answer.headers["content-type"] == "application/problem+json"
    if answer.request.method == "HEAD":
        return answer.status_code, {401: "unauthenticated", 403: "forbidden"}[answer.status_code]
    return answer.status_code, answer.json()["code"]


def test_a_key_opens_by_either_header_until_it_is_revoked(service: Service) -> None:
    key, secret = service.store.keys.create("reader", ["read"])
    for headers in ({"Authorization": f"Bearer {secret}"}, {"X-API-Key": secret}):
        assert httpx.get(f"{service.url}/videos", headers=headers).status_code == httpx.codes.OK
    service.store.keys.revoke(key.id)
    assert httpx.get(f"{service.url}/videos", headers={"X-API-Key": secret}).status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("value", ["", "Bearer", "Basic YTpi", "Bearer pfa_guess", "Bearer \u00e9"])
def test_no_guess_opens(service: Service, value: str) -> None:
    headers = {"Authorization": value.encode()}
    answer = httpx.get(f"{service.url}/videos", headers=headers)  # type: ignore[arg-type]  # bytes are taken too
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_nobody_s_body_is_looked_at(service: Service) -> None:
    """Without a key even a body that is no JSON gets 401, not 422."""
    answer = httpx.post(f"{service.url}/jobs/pretrain", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_the_document_and_its_pages_are_public(service: Service, document: dict[str, Any]) -> None:
    assert httpx.get(f"{service.url}/docs").status_code == httpx.codes.OK
    assert set(document["components"]["securitySchemes"]) == {"bearer", "apiKey"}


def test_the_document_says_what_strangers_need(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for method, path, operation in operations(document):
        if path in PUBLIC:
            continue
        assert operation["summary"], (method, path)
        for status in ("401", "403", "422", "500", "503"):
            content = operation["responses"][status]["content"]
            assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
        if method in ("POST", "PUT", "PATCH") and not path.endswith(BODILESS):
            assert operation["requestBody"]["content"], (method, path)
    forms = document["paths"]["/jobs/pretrain"]["post"]["requestBody"]["content"]
    assert forms["multipart/form-data"]["schema"]["properties"]["files"]["items"]["format"] == "binary"
    assert forms["application/json"]["schema"] == {"$ref": "#/components/schemas/PretrainSpec"}
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_without_keys_only_this_machine_s_own_pages_are_answered(tmp_path: Path) -> None:
    with running(tmp_path, PFA_AUTH="off") as service, httpx.Client(base_url=service.url) as http:
        assert http.get("/videos").status_code == httpx.codes.OK
        assert not (tmp_path / "admin.key").exists()
        own = {"Origin": service.url}
        assert http.get("/videos", headers=own).status_code == httpx.codes.OK
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            assert http.get("/videos", headers=headers).status_code == httpx.codes.FORBIDDEN


def test_keys_cannot_be_switched_off_for_other_machines(tmp_path: Path) -> None:
    environment = {**os.environ, "PFA_AUTH": "off", "PFA_HOST": "0.0.0.0", "PFA_DATA_DIR": str(tmp_path / "data")}
    run = subprocess.run(
        [sys.executable, "-m", "api.serve"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1
    assert "PFA_AUTH=off" in run.stderr
    assert not (tmp_path / "data").exists()
