"""Sends steps over connections of an event loop (asyncio)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

import httpx

from pfa_client.events import READ_TIMEOUT_S, EventStream
from pfa_client.pages import Pages
from pfa_client.records import JobEvent
from pfa_client.transport import Call, Pause, Steps, request_of
from pfa_client.wire import Wire, headers_of, timeout_of

T = TypeVar("T")


class AsyncWire(Wire):
    """A connection whose calls are awaited, many at once if need be. `sleep` as in `SyncWire`, awaited."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = 300,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers=headers_of(key), timeout=timeout_of(timeout_s), transport=transport
        )
        self._url, self._retries, self._sleep = url, retries, sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        answer: httpx.Response | None = None
        failure: httpx.TransportError | None = None
        while True:
            try:
                step = steps.send(answer) if failure is None else steps.throw(failure)
            except StopIteration as end:
                return end.value
            answer, failure = None, None
            if isinstance(step, Pause):
                await self._sleep(step.seconds)
                continue
            try:
                answer = await self._once(step)
            except httpx.TransportError as error:
                failure = error

    async def _once(self, call: Call) -> httpx.Response:
        response = await self._http.send(request_of(self._http, call), stream=True)
        try:
            if call.to is None or response.status_code >= 400:
                await response.aread()
            else:
                with call.to.open("wb") as file:
                    async for chunk in response.aiter_bytes():
                        file.write(chunk)
        finally:
            await response.aclose()
        return response

    async def _pages(self, pages: Pages[T]) -> AsyncIterator[T]:
        while not pages.done:
            for item in pages.items(await self._run(self._get(pages.path, **pages.params()))):
                yield item

    async def _events(self, stream: EventStream) -> AsyncIterator[JobEvent]:
        while not stream.done:
            try:
                request = request_of(self._http, stream.call())
                request.extensions["timeout"]["read"] = READ_TIMEOUT_S
                response = await self._http.send(request, stream=True)
                try:
                    if response.status_code >= 400:
                        await response.aread()
                        stream.refused(response)
                    else:
                        async for line in response.aiter_lines():
                            if event := stream.line(line):
                                yield event
                        stream.ended()
                finally:
                    await response.aclose()
            except httpx.TransportError as error:
                stream.cut(error)
            if not stream.done:
                await self._sleep(stream.wait_s)
