"""Server-sent events: what a line means, and that a cut loses and repeats nothing."""

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfa_client import ProblemError, ServiceUnreachable
from tests.unit.pfa_client.answers import Server, problem

STREAM = {"Content-Type": "text/event-stream"}


def message(number: int) -> str:
    data = {"id": number, "at": "2030-01-01T00:00:00Z", "kind": "progress", "data": {"step": number}}
    return f"id: {number}\nevent: progress\ndata: {json.dumps(data)}\n\n"


DONE = 'event: done\ndata: {"status": "succeeded"}\n\n'


def stream(text: str) -> httpx.Response:
    return httpx.Response(200, headers=STREAM, content=text.encode())


def ids(server: Server, *, after: int = 0) -> list[int]:
    return [event.id for event in server.client().follow("job_1", after=after)]


@given(cuts=st.lists(st.integers(0, 12), max_size=3), where=st.integers(0, 40))
def test_wherever_it_is_cut_each_event_comes_once(cuts: list[int], where: int) -> None:
    """The service replays from Last-Event-ID; what was cut in the middle of a message comes again whole."""
    answers, last = [], 0
    for cut in sorted(cuts):
        torn = message(cut + 1)[:where]
        answers.append(stream("".join(message(number) for number in range(last + 1, cut + 1)) + torn))
        last = max(last, cut)
        if torn.endswith("\n\n"):
            last = cut + 1
    answers.append(stream(": still here\n\n" + "".join(message(number) for number in range(last + 1, 14)) + DONE))
    server = Server(*answers)
    assert ids(server) == list(range(1, 14))
    asked = [int(request.headers.get("Last-Event-ID", 0)) for request in server.requests]
    assert asked == sorted(asked)
    assert asked[0] == 0


def test_it_goes_on_after_the_event_that_was_named() -> None:
    server = Server(stream(message(8) + DONE))
    assert ids(server, after=7) == [8]
    assert server.requests[0].headers["Last-Event-ID"] == "7"
    assert server.requests[0].headers["Accept"] == "text/event-stream"


def test_what_was_seen_is_not_told_again() -> None:
    assert ids(Server(stream(message(1) + message(2)), stream(message(2) + message(3) + DONE))) == [1, 2, 3]


def test_data_of_several_lines_are_one_text() -> None:
    text = 'id: 1\ndata: {"id": 1, "at": "", "kind": "x",\ndata:  "data": {}}\n\n'
    (event,) = Server(stream(text + DONE)).client().follow("job_1")
    assert (event.id, event.kind) == (1, "x")


def test_a_busy_service_is_asked_again_when_it_said() -> None:
    server = Server(problem(503, **{"Retry-After": "7"}), httpx.ConnectError("refused"), stream(message(1) + DONE))
    assert ids(server) == [1]
    assert server.waits_s == [7, 0.5]


def test_patience_has_an_end() -> None:
    with pytest.raises(ServiceUnreachable, match="http://test"):
        ids(Server(*[httpx.ConnectError("refused")] * 4))
    with pytest.raises(ServiceUnreachable):
        ids(Server(*[stream("")] * 4))
    with pytest.raises(ProblemError, match="404"):
        ids(Server(problem(404)))


def test_a_loop_hears_the_same() -> None:
    server = Server(stream(message(1) + "id: 2\nda"), stream(message(2) + DONE))

    async def heard() -> list[int]:
        async with server.async_client() as pfa:
            return [event.id async for event in pfa.follow("job_1")]

    assert asyncio.run(heard()) == [1, 2]
