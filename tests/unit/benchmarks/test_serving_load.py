"""The load generator of `benchmarks.serving`, against a server whose answers are known."""

import asyncio
import math
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import parse_options_header

from benchmarks.serving_load import Load, load, quantile, request_bytes

ANSWERS = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"model":"walk@1"}',
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2,\r\n2\r\n3]\r\n0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    b"",  # hangs up
)


async def asked(clients: int, seconds: float) -> tuple[Load, list[bytes]]:
    """Load a server that gives the answers in turn, and what it was sent."""
    turn, bodies = count(), []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
                bodies.append(await reader.readexactly(int(length.split(b":")[1])))
                answer = ANSWERS[next(turn) % len(ANSWERS)]
                if not answer:
                    return
                writer.write(answer)
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        found = await load(
            f"http://127.0.0.1:{port}/x?y=z", [b"one", b"two"], key="k", clients=clients, seconds=seconds
        )
    finally:
        server.close()
        await server.wait_closed()
    return found, bodies


def test_every_kind_of_answer_is_counted() -> None:
    found, bodies = asyncio.run(asked(clients=3, seconds=0.5))
    rounds = len(bodies) // len(ANSWERS)
    assert rounds >= 1
    assert found.answered == found.statuses["200"]
    total = found.answered + found.statuses["503"] + found.broken
    assert len(bodies) - 3 <= total <= len(bodies) + 3  # those at the very end
    for counted, expected in (
        (found.answered, 2),
        (found.statuses["503"], 2),
        (found.broken, 1),
        (found.bare_refusals, 1),
    ):
        assert abs(counted - expected * rounds) <= expected * 2 + 3
    assert set(found.models) == {"walk@1", ""}
    assert any(b"\r\n\r\none\r\n" in body for body in bodies)
    assert any(b"\r\n\r\ntwo\r\n" in body for body in bodies)
    assert found.errors == found.statuses["503"] + found.broken


def test_a_request_is_one_that_parses() -> None:
    head, _, body = request_bytes("http://127.0.0.1:8000/a/b?c=d", b"JPEG", key="secret", name="field").partition(
        b"\r\n\r\n"
    )
    first, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert first == b"POST /a/b?c=d HTTP/1.1"
    assert headers[b"Host"] == b"127.0.0.1:8000"
    assert headers[b"Authorization"] == b"Bearer secret"
    assert int(headers[b"Content-Length"]) == len(body)
    _, options = parse_options_header(headers[b"Content-Type"])
    parts = body.split(b"--" + options[b"boundary"])
    assert parts[0] == b""
    assert parts[2] == b"--\r\n"
    assert b'name="field"' in parts[1]
    assert parts[1].endswith(b"\r\n\r\nJPEG\r\n")


@pytest.mark.parametrize("url", ["http://192.0.2.1/x", "http://example.org/x"])
def test_only_this_machine_is_loaded(url: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        asyncio.run(load(url, [b""], key="", clients=1, seconds=0.1))


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    found = quantile(sorted(values), share)
    assert found == min(value for value in values if sum(other <= value for other in values) >= share * len(values))


def test_of_nothing_there_is_no_quantile() -> None:
    assert math.isnan(quantile([], 0.5))
