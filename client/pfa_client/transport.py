"""Requests as values, and when they are sent again: nothing here does I/O, so both clients share all of it."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from pfa_client.errors import ServiceUnreachable, problem_of
from pfa_client.files import Part

T = TypeVar("T")

RETRIED = (429, 503)
MAX_WAIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that can be built as often as it must be sent."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    parts: Callable[[], list[Part]] | None = None
    repeatable: bool = False
    """Sending it twice does what sending it once does."""
    to: Path | None = None
    """Where the body of a success goes, chunk by chunk, instead of into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A wait between two calls."""

    seconds: float


Steps = Generator[Call | Pause, Any, T]
"""What a method of the client does: yields calls, gets an httpx.Response for each (or httpx.TransportError thrown in),
yields pauses, and returns its result."""


def at(*segments: str | int) -> str:
    """`at("models", "a/b", "versions", 3)` -> `/models/a%2Fb/versions/3`: no name can lead to another route."""
    return "".join(f"/{quote(str(segment), safe='@')}" for segment in segments)


def request_of(http: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    """The request as this connection sends it; its files are opened anew."""
    return http.build_request(
        call.method,
        call.path,
        params={name: value for name, value in call.params.items() if value is not None},
        headers=dict(call.headers),
        json=call.json,
        content=call.content,
        data=dict(call.fields) if call.parts or call.fields else None,
        files=call.parts() if call.parts else None,
    )


def sent(call: Call, *, retries: int, url: str) -> Steps[httpx.Response]:
    """The successful response; where that cannot do harm, after a wait the call is sent again.

    Raises:
        ProblemError: the service refused.
        ServiceUnreachable: no answer, after all retries.
    """
    attempts = 1 + (retries if call.repeatable else 0)
    for attempt in range(1, attempts + 1):
        try:
            response: httpx.Response = yield call
        except httpx.TransportError as error:
            if attempt == attempts:
                raise ServiceUnreachable(f"{url} does not answer: {error!r}") from error
            yield Pause(seconds=backoff_s(attempt))
            continue
        if response.status_code in RETRIED and attempt < attempts:
            yield Pause(seconds=asked_s(response) or backoff_s(attempt))
            continue
        if response.status_code >= 400:
            raise problem_of(response)
        return response
    raise AssertionError("unreachable: the last attempt returns or raises")


def backoff_s(attempt: int) -> float:
    """How long to wait after so many attempts that failed."""
    return min(0.25 * 2 ** (attempt - 1), 8.0)


def asked_s(response: httpx.Response) -> float | None:
    """What Retry-After asks for, in seconds; a date or nonsense counts as not said."""
    try:
        return min(max(float(response.headers.get("Retry-After", "")), 0.0), MAX_WAIT_S)
    except ValueError:
        return None
