"""What every call leaves: how many more its key may make (headers), and a line about who did what (audit)."""

import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import CLIENT_GONE
from pfa_store.audit import AuditLog

LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing; their calls are noted only where they were refused."""
ANSWERING = ("/predict/", "/retrieve/")
"""Paths whose calls change nothing, by POST only because they bring an image; they would drown what does. Where they
make a job, the answer says where it is."""
REFUSED = frozenset({401, 403, 429})
MAX_ID = 200
"""Most characters of a path's parameter that a line quotes."""


class Account:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, audit: AuditLog, clock: Callable[[], float] = time.time) -> None:
        self._app = app
        self._audit = audit
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        status, location = CLIENT_GONE, None

        async def noting(message: Message) -> None:
            nonlocal status, location
            if message["type"] == "http.response.start":
                status = message["status"]
                location = Headers(raw=message["headers"]).get("location")
                MutableHeaders(scope=message).update(state.get("rate_headers", {}))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:  # a bug: the server around this answers 500
            status = 500
            raise
        finally:
            answering = scope["path"].startswith(ANSWERING) and location is None
            looking = scope["method"] in LOOKING or answering
            if not looking or status in REFUSED:
                self._note(scope, status, location)

    def _note(self, scope: Scope, status: int, location: str | None) -> None:
        """Ids, never names of files, bodies, queries or secrets."""
        ids = {name: str(value)[:MAX_ID] for name, value in scope.get("path_params", {}).items()}
        client = scope.get("client")
        entry = {
            "key": scope["state"].get("key_id"),
            "method": scope["method"],
            "route": getattr(scope.get("route"), "path", None),
            "status": status,
            "ids": ids,
            "made": location,
            "from": None if client is None else client[0],
        }
        self._audit.write(entry, at_s=self._clock())
