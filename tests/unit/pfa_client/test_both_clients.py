"""One body, two clients: the same requests and the same answers, whichever sends them."""

import asyncio
import inspect
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_client import AsyncClient, Client, ClientError, LiveJob, ProblemError, ServiceUnreachable
from pfa_client.client import Calls
from pfa_client.methods import Written
from tests.unit.pfa_client.answers import Server, job, page, problem


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_call_is_written_once_for_both() -> None:
    """A plain method among the calls would block the event loop: it belongs under a decorator of `methods`."""
    plain = {name for name in public(Calls) if not isinstance(inspect.getattr_static(Calls, name), Written)}
    assert plain == set()
    assert public(Client) - public(Calls) == {"close"}
    assert public(AsyncClient) - public(Calls) == {"aclose"}


def test_methods_keep_their_names_and_words() -> None:
    method = Server().client().job_log
    assert method.__name__ == "job_log"
    assert "processes wrote" in str(method.__doc__)


ANSWERS: dict[str, tuple[list[httpx.Response | Exception], str, tuple[Any, ...]]] = {
    "one answer": ([httpx.Response(200, json=job())], "job", ("job_1",)),
    "after a busy service": ([problem(503), httpx.Response(200, json=job())], "job", ("job_1",)),
    "after a lost connection": ([httpx.ReadError("cut"), httpx.Response(200, json=job())], "cancel", ("job_1",)),
    "several pages in one list": ([page("a", more="c"), page("b")], "webhooks", ()),
    "refused": ([problem(404)], "job", ("x",)),
    "never answered": ([httpx.ConnectError("refused")] * 4, "job", ("x",)),
    "not to be sent twice": ([httpx.ReadError("cut")], "resume", ("x",)),
    "waited for": (
        [httpx.Response(200, json=job(status="running")), httpx.Response(200, json=job(status="failed", done=True))],
        "wait",
        ("job_1",),
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_both_send_the_same_and_say_the_same(case: str) -> None:
    answers, method, arguments = ANSWERS[case]
    blocking, awaited = Server(*answers), Server(*answers)

    async def in_a_loop() -> Any:
        async with awaited.async_client() as pfa:
            return await getattr(pfa, method)(*arguments)

    def found(result: Any) -> Any:
        return {name: getattr(result, name) for name in ("id", "status")} if hasattr(result, "status") else result

    try:
        with blocking.client() as pfa:
            expected: Any = getattr(pfa, method)(*arguments)
    except ClientError as error:
        with pytest.raises(type(error), match=r"404|does not answer"):
            asyncio.run(in_a_loop())
    else:
        assert found(asyncio.run(in_a_loop())) == found(expected)
    assert [(one.method, str(one.url)) for one in awaited.requests] == [
        (one.method, str(one.url)) for one in blocking.requests
    ]
    assert awaited.waits_s == blocking.waits_s
    assert not blocking.answers


def test_lists_are_asynchronous_iterators() -> None:
    server = Server(page(job(), more="c"), page(job(id="job_2")))

    async def ids() -> list[str]:
        async with server.async_client() as pfa:
            return [job.id async for job in pfa.jobs(status="running")]

    assert asyncio.run(ids()) == ["job_1", "job_2"]
    assert [dict(one.url.params) for one in server.requests] == [
        {"status": "running"},
        {"cursor": "c", "status": "running"},
    ]


def test_many_calls_may_be_under_way_at_once() -> None:
    asked = 0
    all_asked = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked == 8:
            all_asked.set()
        await all_asked.wait()  # nobody is answered before all have asked
        return httpx.Response(200, json=job(id=request.url.path.rpartition("/")[2]))

    async def all_of_them() -> list[str]:
        async with AsyncClient("http://test", transport=httpx.MockTransport(answer)) as pfa:
            return [job.id for job in await asyncio.gather(*(pfa.job(str(number)) for number in range(8)))]

    assert asyncio.run(all_of_them()) == [str(number) for number in range(8)]


def test_files_go_out_whole_from_a_loop_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bytes(range(256)) * 1000)
    server = Server(problem(503), httpx.Response(200, json={"model": "m@1", "values": [1.0]}))

    async def values() -> tuple[float, ...]:
        async with server.async_client() as pfa:
            return (await pfa.features(path, model="m")).values

    assert asyncio.run(values()) == (1.0,)
    assert all(path.read_bytes() in request.content for request in server.requests)


def test_a_job_knows_its_service() -> None:
    server = Server(
        httpx.Response(202, json=job()),
        httpx.Response(200, json=job(status="cancelling")),
        httpx.Response(200, json=job(status="cancelled", done=True)),
        httpx.Response(200, text="the end\n"),
    )
    started = server.client().start_job("flow", dataset="walks")
    assert isinstance(started, LiveJob)
    assert started.cancel().status == "cancelling"
    assert started.wait(progress=False).status == "cancelled"
    assert started.log(tail=1) == "the end\n"
    assert [one.url.path for one in server.requests] == [
        "/jobs/flow",
        "/jobs/job_1/cancel",
        "/jobs/job_1",
        "/jobs/job_1/logs",
    ]


def test_a_job_of_a_loop_is_awaited() -> None:
    server = Server(httpx.Response(202, json=job()), httpx.Response(200, json=job(status="succeeded", done=True)))

    async def status() -> str:
        async with server.async_client() as pfa:
            started = await pfa.start_job("flow", dataset="walks")
            return (await started.wait(progress=False)).status

    assert asyncio.run(status()) == "succeeded"


def test_names_cannot_lead_to_another_route() -> None:
    server = Server(httpx.Response(200, content=b"x"))
    assert server.client().job_file("job_1", "../../keys?a#b") == b"x"
    assert server.requests[0].url.raw_path == b"/jobs/job_1/files/..%2F..%2Fkeys%3Fa%23b"


def test_errors_are_clients_own() -> None:
    assert issubclass(ProblemError, ClientError)
    assert issubclass(ServiceUnreachable, ClientError)
