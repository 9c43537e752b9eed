"""What each request is called, and the line that the log gets about it."""

import logging
import re
import time
import uuid

from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import CLIENT_GONE, REQUEST_ID
from pfa_store import logs

VALID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,127}")
"""An `X-Request-ID` that is taken over; any other is replaced."""
WATCHING = ("/health/", "/metrics")
"""Paths that what watches the service calls every few seconds: their lines are of level `debug`."""

logger = logging.getLogger(__name__)


class RequestLog:
    """ASGI middleware around all others: gives each request its id and, with `access`, logs its end.

    The id is bound to the request's own task and never taken off: what the server logs of a request that failed, after
    this is through, has it too.
    """

    def __init__(self, app: ASGIApp, *, access: bool) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        request_id = state["request_id"] = _id_of(Headers(scope=scope).get(REQUEST_ID))
        logs.bind(request_id=request_id)
        trace.get_current_span().set_attribute("pfa.request_id", request_id)
        status, began_s = CLIENT_GONE, time.monotonic()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:  # a bug: the server around this answers 500
            status = 500
            raise
        finally:
            if self._access:
                _tell(scope, status, time.monotonic() - began_s)


def _id_of(sent: str | None) -> str:
    return sent if sent is not None and VALID.fullmatch(sent) else f"req_{uuid.uuid4().hex}"


def _tell(scope: Scope, status: int, duration_s: float) -> None:
    """Never a raw path, a query, a body or a key."""
    route = getattr(scope.get("route"), "path", None)
    client = scope.get("client")
    fields = {
        "method": scope["method"],
        "route": route,
        "status": status,
        "duration_s": round(duration_s, 6),
        "key_id": scope["state"].get("key_id"),
        "client": None if client is None else client[0],
    }
    level = logging.DEBUG if scope["path"].startswith(WATCHING) else logging.INFO
    logger.log(level, "%s %s %d", scope["method"], route or "(none)", status, extra={"fields": fields})
