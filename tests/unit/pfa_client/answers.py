"""A service of canned answers, for both clients."""

from typing import Any

import httpx

from pfa_client import AsyncClient, Client


class Server:
    """Answers from a list, one after the other, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits_s: list[float] = []

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def client(self, retries: int = 3) -> Client:
        def answer(request: httpx.Request) -> httpx.Response:
            request.read()
            return self._take(request)

        transport = httpx.MockTransport(answer)
        return Client("http://test", "key", retries=retries, transport=transport, sleep=self.waits_s.append)

    def async_client(self, retries: int = 3) -> AsyncClient:
        async def answer(request: httpx.Request) -> httpx.Response:
            await request.aread()
            return self._take(request)

        async def sleep(seconds: float) -> None:
            self.waits_s.append(seconds)

        transport = httpx.MockTransport(answer)
        return AsyncClient("http://test", "key", retries=retries, transport=transport, sleep=sleep)


def job(**members: object) -> dict[str, Any]:
    """A job as the service tells it."""
    progress: dict[str, Any] = {"step": 0, "total": 0, "eta_s": None, "metrics": {}}
    plain = {"id": "job_1", "kind": "flow", "status": "queued", "done": False, "phase": "", "progress": progress}
    return {**plain, "attempt": 0, "created": "2030-01-01T00:00:00Z", **members}


def page(*items: object, more: str | None = None) -> httpx.Response:
    """A page of a list; a text stands for a webhook of that id."""
    plain = [
        {"id": item, "url": "https://example.org", "created": "2030-01-01T00:00:00Z"} if isinstance(item, str) else item
        for item in items
    ]
    return httpx.Response(200, json={"items": plain, "next_cursor": more})


def problem(status: int, **headers: str) -> httpx.Response:
    """A refusal."""
    return httpx.Response(status, json={"status": status, "code": "nope", "detail": "No."}, headers=headers)
