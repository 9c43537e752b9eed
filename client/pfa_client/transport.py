"""One request to the service: sent again after a wait where that cannot do harm."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from pfa_client.errors import ServiceUnreachable, problem_of
from pfa_client.files import Part

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


class Transport:
    """Sends calls and turns what is not a success into errors.

    `sleep` waits between two tries; a test gives one that only notes for how long.
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        retries: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = http
        self._retries = retries
        self._sleep = sleep

    def send(self, call: Call) -> httpx.Response:
        """The successful response.

        Raises:
            ProblemError: the service refused.
            ServiceUnreachable: no answer, after all retries.
        """
        attempts = 1 + (self._retries if call.repeatable else 0)
        for attempt in range(1, attempts + 1):
            try:
                response = self._once(call)
            except httpx.TransportError as error:
                if attempt == attempts:
                    raise ServiceUnreachable(f"{self._http.base_url} does not answer: {error!r}") from error
                self._sleep(backoff_s(attempt))
                continue
            if response.status_code in RETRIED and attempt < attempts:
                self._sleep(_asked_s(response) or backoff_s(attempt))
                continue
            if response.status_code >= 400:
                raise problem_of(response)
            return response
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, call: Call) -> httpx.Response:
        return self._http.request(
            call.method,
            call.path,
            params={name: value for name, value in call.params.items() if value is not None},
            headers=dict(call.headers),
            json=call.json,
            content=call.content,
            data=dict(call.fields) if call.parts or call.fields else None,
            files=call.parts() if call.parts else None,
        )


def backoff_s(attempt: int) -> float:
    """How long to wait after so many attempts that failed."""
    return min(0.25 * 2 ** (attempt - 1), 8.0)


def _asked_s(response: httpx.Response) -> float | None:
    """What Retry-After asks for, in seconds; a date or nonsense counts as not said."""
    try:
        return min(max(float(response.headers.get("Retry-After", "")), 0.0), MAX_WAIT_S)
    except ValueError:
        return None
