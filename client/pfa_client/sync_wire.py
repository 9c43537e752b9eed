"""Sends steps over blocking connections."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx

from pfa_client.events import READ_TIMEOUT_S, EventStream
from pfa_client.pages import Pages
from pfa_client.records import JobEvent
from pfa_client.transport import Call, Pause, Steps, request_of
from pfa_client.wire import Wire, headers_of, timeout_of

T = TypeVar("T")


class SyncWire(Wire):
    """A connection that waits for every answer. `sleep` waits; a test gives one that only notes for how long."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = 300,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = httpx.Client(
            base_url=url, headers=headers_of(key), timeout=timeout_of(timeout_s), transport=transport
        )
        self._url, self._retries, self._sleep = url, retries, sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _run(self, steps: Steps[T]) -> T:
        answer: httpx.Response | None = None
        failure: httpx.TransportError | None = None
        while True:
            try:
                step = steps.send(answer) if failure is None else steps.throw(failure)
            except StopIteration as end:
                return end.value
            answer, failure = None, None
            if isinstance(step, Pause):
                self._sleep(step.seconds)
                continue
            try:
                answer = self._once(step)
            except httpx.TransportError as error:
                failure = error

    def _once(self, call: Call) -> httpx.Response:
        response = self._http.send(request_of(self._http, call), stream=True)
        try:
            if call.to is None or response.status_code >= 400:
                response.read()
            else:
                with call.to.open("wb") as file:
                    for chunk in response.iter_bytes():
                        file.write(chunk)
        finally:
            response.close()
        return response

    def _pages(self, pages: Pages[T]) -> Iterator[T]:
        while not pages.done:
            yield from pages.items(self._run(self._get(pages.path, **pages.params())))

    def _events(self, stream: EventStream) -> Iterator[JobEvent]:
        while not stream.done:
            try:
                request = request_of(self._http, stream.call())
                request.extensions["timeout"]["read"] = READ_TIMEOUT_S
                response = self._http.send(request, stream=True)
                try:
                    if response.status_code >= 400:
                        response.read()
                        stream.refused(response)
                    else:
                        yield from filter(None, map(stream.line, response.iter_lines()))
                        stream.ended()
                finally:
                    response.close()
            except httpx.TransportError as error:
                stream.cut(error)
            if not stream.done:
                self._sleep(stream.wait_s)
