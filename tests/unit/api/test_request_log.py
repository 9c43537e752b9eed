"""A request that meets a bug of ours is found by its id."""

import asyncio
import logging

import httpx
import pytest
from fastapi import FastAPI

from api import problems
from api.request_log import RequestLog


def app_with_a_bug() -> FastAPI:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(RequestLog, access=True)

    @app.get("/bugs/{bug_id}")
    def bug(bug_id: str) -> None:
        raise ZeroDivisionError(bug_id)

    return app


@pytest.mark.parametrize("sent", ["mine", None])
def test_an_answer_of_500_has_an_id_and_the_log_its_line(sent: str | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    transport = httpx.ASGITransport(app_with_a_bug(), raise_app_exceptions=False)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.get("/bugs/7", headers={} if sent is None else {"X-Request-ID": sent})

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    request_id = answer.headers["X-Request-ID"]
    assert request_id == sent if sent else request_id.startswith("req_")
    (line,) = [record for record in caplog.records if record.name == "api.request_log"]
    fields = line.__dict__["fields"]
    assert (fields["method"], fields["route"], fields["status"]) == ("GET", "/bugs/{bug_id}", 500)
