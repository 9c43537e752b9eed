"""Connections that are cut: a request sent by hand, and a proxy that hangs up."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit


@contextlib.contextmanager
def half_a_request(
    url: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *, announced: int
) -> Iterator[socket.socket]:
    """Send the head and `body` of a request that announces more; hang up at the end of the block."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {announced}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((parts.hostname, parts.port or 80)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        yield connection


class CuttingProxy:
    """Hands bytes on to a service, and hangs up once `cut_after` bytes were sent; so for its first connections."""

    def __init__(self, url: str, *, cut_after: list[int]) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._target = (parts.hostname, parts.port or 80)
        self._cuts = list(cut_after)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.num_cut = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            limit = self._cuts.pop(0) if self._cuts else None
            thread = threading.Thread(target=self._serve, args=(near, limit), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, near: socket.socket, limit: int | None) -> None:
        with near, socket.create_connection(self._target) as far:
            back = threading.Thread(target=self._pump, args=(far, near, None), daemon=True)
            back.start()
            self._pump(near, far, limit)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16_384):
                if limit is not None:
                    data, limit = data[:limit], limit - len(data)
                sink.sendall(data)
                if limit is not None and limit <= 0:
                    self.num_cut += 1
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def auth(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
