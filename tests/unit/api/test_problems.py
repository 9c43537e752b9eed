"""Every deliberate error has a status, and every problem document has its members."""

import asyncio
import json
from http import HTTPStatus

import httpx
from fastapi import FastAPI

import api.errors  # noqa: F401  # adds its leaves to the tree
import pfa_store.errors  # noqa: F401  # as above
from api.body import validated
from api.errors import QueueFull, Unauthenticated
from api.problems import MEDIA_TYPE, STATUS_OF, install, problem
from api.schemas.predict import ModelParams
from pfa_core.errors import PfaError, VideoTooShort
from pfa_store.errors import ModelNotFound


def leaves(kind: type[PfaError]) -> set[type[PfaError]]:
    """All but those of the front door, whose commands never speak HTTP and which other tests may have imported."""
    below = [child for child in kind.__subclasses__() if not child.__module__.startswith("pfa.")]
    return {kind} if not below else set().union(*(leaves(child) for child in below))


def test_every_leaf_has_a_status_and_only_leaves_do() -> None:
    assert leaves(PfaError) == set(STATUS_OF)


def test_every_leaf_has_a_code_of_its_own() -> None:
    codes = [leaf.code for leaf in leaves(PfaError)]
    assert all(codes)
    assert len(set(codes)) == len(codes)


def answer(method: str, path: str) -> httpx.Response:
    """What a small application with our handlers answers."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


def application() -> FastAPI:
    app = FastAPI()
    install(app)

    @app.get("/short")
    def short() -> None:
        raise VideoTooShort(num_frames=5, needed=13)

    @app.get("/full")
    def full() -> None:
        raise QueueFull("Too much waits.", retry_after_s=7)

    @app.get("/who")
    def who() -> None:
        raise Unauthenticated("Send a key.")

    @app.get("/bug")
    def bug() -> None:
        raise RuntimeError("secret internals")

    @app.get("/lost")
    def lost() -> None:
        raise ModelNotFound("There is no model 'x'.")

    @app.get("/crowd")
    def crowd() -> None:
        validated({str(number): number for number in range(5000)}, ModelParams, where="body")

    @app.get("/typed")
    def typed(number: int) -> int:
        return number

    return app


def test_a_deliberate_error_says_what_to_do_and_carries_its_facts() -> None:
    response = answer("GET", "/short")
    assert response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.json() == {
        "type": "/problems/video_too_short",
        "title": HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        "status": 422,
        "code": "video_too_short",
        "detail": "The video has 5 frames; at least 13 are needed. Send a longer clip.",
        "instance": "/short",
        "num_frames": 5,
        "needed": 13,
    }


def test_what_is_not_found_says_where_to_look() -> None:
    assert answer("GET", "/lost").json()["detail"] == "There is no model 'x'. GET /models lists those that there are."


def test_thousands_of_faults_get_a_short_answer() -> None:
    response = answer("GET", "/crowd")
    assert response.json()["code"] == "request_invalid"
    assert len(response.json()["errors"]) == 100
    assert len(response.content) < 20_000


def test_waiting_and_signing_in_have_their_headers() -> None:
    assert answer("GET", "/full").headers["retry-after"] == "7"
    assert answer("GET", "/who").headers["www-authenticate"].startswith("Bearer")


def test_a_bug_tells_nothing_of_the_inside() -> None:
    response = answer("GET", "/bug")
    assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert response.json()["code"] == "internal"
    assert "secret" not in response.text


def test_the_framework_s_own_errors_are_problems_too() -> None:
    invalid = answer("GET", "/typed?number=x")
    assert (invalid.status_code, invalid.json()["code"]) == (422, "request_invalid")
    assert invalid.json()["errors"][0]["where"] == "query.number"
    missing = answer("GET", "/nowhere")
    assert (missing.status_code, missing.headers["content-type"]) == (404, MEDIA_TYPE)
    wrong = answer("POST", "/short")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"


def test_facts_never_hide_a_standard_member() -> None:
    response = problem(HTTPStatus.CONFLICT, code="c", detail="d", instance="/i", facts={"status": "x", "more": 1})
    body = json.loads(bytes(response.body))
    assert (body["status"], body["more"]) == (409, 1)
