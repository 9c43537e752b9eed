"""When the client sends again, how long it waits, and what it raises."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pfa_client import Client, ProblemError, ServiceUnreachable

Handler = Callable[[httpx.Request], httpx.Response]
PROBLEM = {
    "type": "/problems/video_not_found",
    "title": "Not Found",
    "status": 404,
    "code": "video_not_found",
    "detail": "There is no video 'x'.",
    "instance": "/videos/x",
    "more": 1,
}
JOB = {
    "id": "job_1",
    "kind": "flow",
    "status": "queued",
    "done": False,
    "phase": "",
    "progress": {"step": 0, "total": 0, "eta_s": None, "metrics": {}},
    "attempt": 0,
    "created": "2030-01-01T00:00:00Z",
    "a_member_of_tomorrow": True,
}


class Server:
    """Answers from a list, one after the other, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits_s: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, retries: int = 3) -> Client:
        return Client(
            "http://test", "key", retries=retries, transport=httpx.MockTransport(self), sleep=self.waits_s.append
        )


def busy(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={**PROBLEM, "status": status, "code": "queue_full"}, headers=headers)


def test_a_problem_is_an_error_with_its_members() -> None:
    server = Server(httpx.Response(404, json=PROBLEM))
    with pytest.raises(ProblemError) as raised:
        server.client().video("x")
    error = raised.value
    assert (error.status, error.code, error.detail) == (404, "video_not_found", "There is no video 'x'.")
    assert error.facts == {"more": 1}
    assert server.requests[0].headers["authorization"] == "Bearer key"
    assert server.waits_s == []


@pytest.mark.parametrize("content", [b"<html>Bad Gateway</html>", b"[]", b""])
def test_what_is_no_problem_document_is_an_error_too(content: bytes) -> None:
    with pytest.raises(ProblemError) as raised:
        Server(httpx.Response(502, content=content)).client().job("x")
    assert (raised.value.status, raised.value.code) == (502, "unknown")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_said(status: int) -> None:
    answers = (busy(status, **{"Retry-After": "7"}), busy(status, **{"Retry-After": "0.5"}))
    server = Server(*answers, httpx.Response(200, json=JOB))
    assert server.client().job("job_1").id == "job_1"
    assert server.waits_s == [7, 0.5]


def test_without_a_hint_the_waits_grow() -> None:
    server = Server(*[busy(503, **{"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"})] * 4)
    with pytest.raises(ProblemError):
        server.client(retries=3).job("job_1")
    assert server.waits_s == [0.25, 0.5, 1.0]


def test_a_lost_connection_is_tried_again_and_then_reported() -> None:
    lost = httpx.ConnectError("refused")
    assert Server(lost, httpx.Response(200, json=JOB)).client().job("job_1").status == "queued"
    with pytest.raises(ServiceUnreachable, match="http://test"):
        Server(lost, lost).client(retries=1).job("job_1")


def test_a_job_is_sent_again_with_the_same_key() -> None:
    server = Server(httpx.ReadError("cut"), busy(503), httpx.Response(202, json=JOB))
    job = server.client().start_job("pretrain", dataset="walks", config={"learn": {"steps": 5}})
    assert job.id == "job_1"
    keys = {request.headers["idempotency-key"] for request in server.requests}
    assert len(keys) == 1
    assert keys != {""}
    assert json.loads(server.requests[2].content) == {"dataset": "walks", "config": {"learn": {"steps": 5}}}


def test_two_jobs_have_two_keys() -> None:
    server = Server(httpx.Response(202, json=JOB), httpx.Response(202, json=JOB))
    client = server.client()
    client.start_job("flow", dataset="a")
    client.start_job("flow", dataset="a")
    first, second = (request.headers["idempotency-key"] for request in server.requests)
    assert first != second


def test_what_may_not_be_sent_twice_is_sent_once() -> None:
    server = Server(httpx.ReadError("cut"))
    with pytest.raises(ServiceUnreachable):
        server.client().resume("job_1")
    assert len(server.requests) == 1


def test_files_are_sent_whole_each_time(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bytes(range(256)) * 1000)
    answer = {"model": "m@1", "values": [1.0, 2.0]}
    server = Server(busy(503), httpx.Response(200, json=answer))
    assert server.client().features(path, model="m").values == (1.0, 2.0)
    first, second = (request.content for request in server.requests)
    assert path.read_bytes() in first
    assert path.read_bytes() in second
    assert 'filename="a.png"' in second[:500].decode("latin-1")


def test_pages_are_read_to_the_last() -> None:
    pages = [{"items": [JOB], "next_cursor": "c"}, {"items": [{**JOB, "id": "job_2"}], "next_cursor": None}]
    server = Server(*(httpx.Response(200, json=page) for page in pages))
    assert [job.id for job in server.client().jobs(kind="flow")] == ["job_1", "job_2"]
    asked = [dict(request.url.params) for request in server.requests]
    assert asked == [{"kind": "flow"}, {"cursor": "c", "kind": "flow"}]


def test_waiting_reports_each_look_and_ends_with_the_job() -> None:
    running = {**JOB, "status": "running", "progress": {"step": 3, "total": 9}}
    done = {**JOB, "status": "succeeded", "done": True, "result": {"model": "m@1"}}
    server = Server(*(httpx.Response(200, json=state) for state in (JOB, running, done)))
    seen: list[str] = []
    job = server.client().wait("job_1", lambda job: seen.append(job.status), every_s=2)
    assert job.result == {"model": "m@1"}
    assert seen == ["queued", "running", "succeeded"]
    assert server.waits_s == [2, 2]


def test_waiting_has_an_end() -> None:
    with pytest.raises(TimeoutError, match="still queued"):
        Server(httpx.Response(200, json=JOB)).client().wait("job_1", timeout_s=0)
