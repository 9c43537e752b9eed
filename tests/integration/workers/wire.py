"""A wire to a server of this machine, which can be cut: what is sent then is swallowed, and nobody is told."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path


class Wire:
    """Passes on what comes to a port of the loopback interface to a unix socket, and back."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._whole = threading.Event()
        self._whole.set()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """From now on connections are open and silent, as when a cable is pulled out."""
        with self._lock:
            self._whole.clear()

    def mend(self) -> None:
        """New connections work; those from before have ended, as when a network that forgot them answers."""
        with self._lock:
            for key in list(self._selector.get_map().values()):
                if key.data is not None:
                    self._close(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered
            self._whole.set()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.mend()
        self._selector.close()
        self._listener.close()

    def _pass_on(self) -> None:
        while not self._over.is_set():
            if not self._whole.wait(0.05):
                continue
            ready = self._selector.select(0.05)
            with self._lock:
                if self._whole.is_set():
                    for key, _ in ready:
                        self._serve(key)

    def _serve(self, key: selectors.SelectorKey) -> None:
        one = key.fileobj
        assert isinstance(one, socket.socket)
        if one is self._listener:
            self._connect(one.accept()[0])
        elif one.fileno() != -1:
            try:
                data = one.recv(1 << 16)
                key.data.sendall(data)
            except OSError:
                data = b""
            if not data:
                self._close(one)

    def _connect(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(str(self._server))
        except OSError:
            far.close()
            near.close()
            return
        self._selector.register(near, selectors.EVENT_READ, far)
        self._selector.register(far, selectors.EVENT_READ, near)

    def _close(self, one: socket.socket) -> None:
        """Both ends; called twice it does nothing."""
        if one.fileno() == -1:
            return
        other: socket.socket = self._selector.unregister(one).data
        one.close()
        if other.fileno() != -1:
            self._selector.unregister(other)
            other.close()


@contextlib.contextmanager
def wire(server: Path) -> Iterator[Wire]:
    """A whole one; at the end it is gone."""
    made = Wire(server)
    try:
        yield made
    finally:
        made.close()
