"""How every call of the client goes out and comes back."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from pfa_client.transport import Call, Transport


class Wire:
    """A connection to the service at `url`, on which the calls build."""

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
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=httpx.Timeout(timeout_s, connect=10), transport=transport
        )
        self._send = Transport(self._http, retries=retries, sleep=sleep).send
        self._sleep = sleep
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ready(self) -> bool:
        """Whether the service can take work just now."""
        return self._http.get("/health/ready").status_code == httpx.codes.OK

    def _get(self, path: str, **params: Any) -> Any:  # noqa: ANN401  # JSON
        return self._send(Call(method="GET", path=path, params=params, repeatable=True)).json()

    def _delete(self, path: str) -> None:
        self._send(Call(method="DELETE", path=path, repeatable=True))

    def _pages(self, path: str, **params: Any) -> Iterator[Any]:  # noqa: ANN401  # JSON
        cursor = None
        while True:
            page = self._get(path, cursor=cursor, **params)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return
