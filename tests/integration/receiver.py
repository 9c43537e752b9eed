"""A real HTTP server that takes webhooks and checks their signature by what the standard says, with nothing of ours."""

import base64
import hashlib
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_by(self, secret: str) -> bool:
        content = b".".join(
            (self.headers["webhook-id"].encode(), self.headers["webhook-timestamp"].encode(), self.body)
        )
        key = base64.b64decode(secret.split("_", 1)[1])
        expected = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
        return expected in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """Answers with the next of `statuses`, then 204; before each answer it may do something."""

    statuses: list[int] = field(default_factory=list)
    location: str = ""
    before: Callable[[], object] = lambda: None
    messages: list[Message] = field(default_factory=list)

    def __enter__(self) -> "Receiver":
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.messages.append(Message(self.path, headers, body))
                receiver.before()
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook?for=pfa"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
