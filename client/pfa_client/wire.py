"""What every call of the client is made of, whichever client sends it."""

from collections.abc import Generator
from typing import Any

import httpx

from pfa_client.transport import Call, Pause, Steps, sent


class Wire:
    """The service at `url`, on which the calls build. `SyncWire` and `AsyncWire` send what these steps yield."""

    _url: str
    _retries: int

    def _send(self, call: Call) -> Generator[Call | Pause, Any, httpx.Response]:
        return sent(call, retries=self._retries, url=self._url)

    def _json(self, call: Call) -> Steps[Any]:
        return (yield from self._send(call)).json()

    def _get(self, path: str, **params: Any) -> Steps[Any]:  # noqa: ANN401  # JSON
        return (yield from self._json(Call(method="GET", path=path, params=params, repeatable=True)))

    def _delete(self, path: str) -> Steps[None]:
        yield from self._send(Call(method="DELETE", path=path, repeatable=True))

    def _all(self, path: str) -> Steps[list[Any]]:
        """The items of a list that comes as one page, or of all its pages."""
        items: list[Any] = []
        cursor = None
        while True:
            page = yield from self._get(path, cursor=cursor)
            items += page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return items


def headers_of(key: str | None) -> dict[str, str]:
    """What every request says."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def timeout_of(timeout_s: float) -> httpx.Timeout:
    """A connection is there within seconds or not at all; an answer may take long."""
    return httpx.Timeout(timeout_s, connect=10)
