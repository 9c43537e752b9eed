"""Limits on every request, whatever its route: the size of its body, with or without a Content-Length, and NUL."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import PayloadTooLarge

NOWHERE = "/(a path with NUL)"
"""Databases cannot look for NUL; nothing has it in its name, so such a request finds nothing: 404.

In a query it is refused by `api/auth`, once it is known who asks.
"""


class BodyLimit:
    """ASGI middleware that counts the bytes of a body while they arrive.

    Raises (inside the application, where it becomes a problem document):
        PayloadTooLarge: more than `max_bytes`, announced or received.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\0" in scope["path"]:
            scope = {**scope, "path": NOWHERE, "raw_path": NOWHERE.encode()}
        announced = _content_length(scope)
        received = 0

        async def counted() -> Message:
            nonlocal received
            if announced > self._max_bytes:
                raise too_large(self._max_bytes)
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise too_large(self._max_bytes)
            return message

        await self._app(scope, counted, send)


def too_large(max_bytes: int, what: str = "The request's body") -> PayloadTooLarge:
    """The error for a body or file of more than `max_bytes`."""
    return PayloadTooLarge(
        f"{what} is larger than {max_bytes} bytes. Send less at once, or let the operator raise the limit.",
        max_bytes=max_bytes,
    )


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            try:
                return int(value)
            except ValueError:
                return 0  # the server refuses it; what arrives is counted anyway
    return 0
