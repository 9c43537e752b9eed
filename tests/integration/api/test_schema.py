"""Every operation of the OpenAPI document against a running service, with what the document allows and what it forbids.

No answer may be one of the 500s; each must be one that the document announces, of its type and schema, and what is
refused must be a problem document. Each operation is asked about things that exist, too. Seeded, and bounded in number.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from api import tus
from api.schemas.problem import Problem
from tests.integration.api.service import Service, running
from tests.integration.api.test_uploads import begin

schemathesis.serializer.alias(tus.PIECE_TYPE, "application/octet-stream")
AnyCase = Case[Any]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory, clips: dict[str, Path]) -> Iterator[Service]:
    """A service with one of everything, which the odd requests may delete."""
    with running(tmp_path_factory.mktemp("fuzzed"), PFA_WEBHOOKS="on") as service:
        yield service


@pytest.fixture(scope="module")
def known(fuzzed: Service, clips: dict[str, Path]) -> dict[str, str]:
    """Path parameters that name something."""
    with fuzzed.client() as client, fuzzed.http() as http:
        video = client.upload_videos([clips["one"]]).videos[0].id
        fuzzed.publish("poser", "pose")
        fuzzed.publish("actor", "action")
        http.post("/collections", json={"name": "gallery", "model": "actor"}).raise_for_status()
        return {
            "video_id": video,
            "dataset": client.create_dataset("walks", videos=[video]).id,
            "job_id": client.start_job("flow", videos=[video]).id,
            "upload_id": begin(http, 1000).split("/")[-1],
            "webhook_id": http.post("/webhooks", json={"url": "https://example.org"}).json()["id"],
            "name": "poser",
            "model": "poser",
            "item_id": "0",
            "version": "1",
            "alias": "production",
            "file": "config.json",
        }


@pytest.fixture(scope="module")
def document(fuzzed: Service) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")


@pytest.fixture(scope="module")
def session(fuzzed: Service) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {fuzzed.key}"
        yield session


GROUPS = (
    "videos",
    "uploads",
    "datasets",
    "jobs",
    "models",
    "predict",
    "collections",
    "retrieve",
    "v2",
    "webhooks",
    "workers",
    "health",
    "metrics",
)


def test_no_operation_is_forgotten(document: OpenApiSchema) -> None:
    assert {path.split("/")[1] for path in document} == set(GROUPS)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("group", GROUPS)
def test_every_operation_answers_as_its_document_says(
    document: OpenApiSchema, known: dict[str, str], session: requests.Session, group: str, mode: GenerationMode
) -> None:
    """`mode`: what the document allows, or what it forbids."""
    for found in document.include(path_regex=f"^/{group}(/|$)").get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (list(operation.iter_parameters()) or list(operation.body)):
            continue

        @settings(
            max_examples=8,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: AnyCase) -> None:
            ask(case, session)
            if case.path_parameters and case.method != "DELETE":
                case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
                ask(case, session)

        answers()


def ask(case: AnyCase, session: requests.Session) -> None:
    response = case.call(session=session, timeout=60)
    case.validate_response(response, checks=CHECKS)
    if response.status_code >= 400 and case.method not in ("HEAD", "TRACE"):
        assert response.headers["content-type"] == ["application/problem+json"]
        problem = Problem.model_validate_json(response.content)
        assert problem.status == response.status_code
        assert problem.detail
