"""Several API processes on one port: this one listens, hands each connection to the process with the fewest, and starts
again whichever ends. It serves nothing itself, so it needs neither torch nor the database.

A process that accepts from a shared socket takes what it can get, so that of sixteen clients that come at once one
process may have all; handing over shares them evenly, and connections wait here while a process is being replaced.
"""

import contextlib
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from api.handed import REPORT
from api.metrics import FOLDER_VARIABLE
from pfa_store.database import locked
from pfa_store.files import HELD_BY

BACKLOG = 2048
GRACE_S = 12.0
"""From SIGTERM to SIGKILL; uvicorn itself waits 10 s for requests to end."""
STEADY_S = 30.0
"""A process that ran this long before it ended is started again at once, any other after BACKOFF_S."""
BACKOFF_S = 1.0
_LOOK_EVERY_S = 0.25
_ACCEPTS = 64

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Server:
    """A process that answers, and this end of the channel to it."""

    number: int
    process: "subprocess.Popen[bytes]"
    channel: socket.socket
    started_s: float
    ready: bool = False
    left_s: float | None = None
    """When it closed its channel: it finishes what runs, or is dead."""
    num_sent: int = 0
    num_open: int = 0
    pending: bytearray = field(default_factory=bytearray)

    def reported(self) -> bool:
        """Read what it tells; False once it is gone."""
        try:
            data = self.channel.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.pending += data
        while len(self.pending) >= REPORT.size:
            num_handed, num_open = REPORT.unpack(self.pending[: REPORT.size])
            del self.pending[: REPORT.size]
            self.ready = True
            self.num_open = num_open + self.num_sent - num_handed
        return bool(data)

    def hand(self, connection: socket.socket) -> bool:
        """Give it a connection; False if it cannot take one just now."""
        try:
            socket.send_fds(self.channel, [b"c"], [connection.fileno()])
        except OSError:  # it is busy, or gone: then its channel says so
            return False
        self.num_sent += 1
        self.num_open += 1
        return True


class Processes:
    """A listening socket and the processes behind it."""

    def __init__(self, listener: socket.socket, *, number: int, command: Callable[[int, int], Sequence[str]]) -> None:
        """command: what to run as the process of a number, with the file descriptor of its channel."""
        self._listener = listener
        self._listener.setblocking(False)
        self._command = command
        self._selector = selectors.DefaultSelector()
        self._servers: dict[int, Server] = {}
        self._accepted: deque[socket.socket] = deque()
        self._due_s = dict.fromkeys(range(number), 0.0)
        self._listening = self._stopping = self._announced = False

    def run(self, announce: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; `announce` is called once all processes answer for the first time."""
        before = {each: signal.signal(each, self._stop) for each in (signal.SIGTERM, signal.SIGINT)}
        try:
            while not self._stopping:
                self._start_due()
                self._turn()
                if not self._announced and len(self._ready()) == len(self._due_s):
                    self._announced = True
                    announce()
        finally:
            self._end()
            for each, handler in before.items():
                signal.signal(each, handler)

    def _stop(self, _signum: int, _frame: object) -> None:
        self._stopping = True

    def _ready(self) -> list[Server]:
        return [server for server in self._servers.values() if server.ready]

    def _start_due(self) -> None:
        for number, due_s in self._due_s.items():
            if number not in self._servers and time.monotonic() >= due_s:
                self._start(number)

    def _start(self, number: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = list(self._command(number, theirs.fileno()))
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        ours.setblocking(False)
        self._servers[number] = Server(number, process, ours, time.monotonic())
        self._selector.register(ours, selectors.EVENT_READ, number)

    def _turn(self) -> None:
        """Wait for something to do, and do it."""
        self._hand_over()
        self._listen(bool(self._ready()) and not self._accepted)
        for key, _ in self._selector.select(_LOOK_EVERY_S):
            if key.data is None:
                self._accept()
            elif not (server := self._servers[key.data]).reported():
                self._leave(server)
        for server in list(self._servers.values()):
            if server.process.poll() is not None:
                self._lose(server)
            elif server.left_s is not None and time.monotonic() > server.left_s + GRACE_S:
                server.process.kill()

    def _listen(self, wanted: bool) -> None:
        """While nobody can answer, connections wait in the socket's own queue."""
        if wanted and not self._listening:
            self._selector.register(self._listener, selectors.EVENT_READ, None)
        elif self._listening and not wanted:
            self._selector.unregister(self._listener)
        self._listening = wanted

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, _ = self._listener.accept()
            except OSError:  # none waits, or its client has left
                return
            self._accepted.append(connection)
            if not self._hand_over():
                return

    def _hand_over(self) -> bool:
        """Give what was accepted to those that have the fewest; False where nobody can take any just now."""
        while self._accepted:
            by_load = sorted(self._ready(), key=lambda server: (server.num_open, server.num_sent))
            if not any(server.hand(self._accepted[0]) for server in by_load):
                return False
            self._accepted.popleft().close()  # the process has it now
        return True

    def _leave(self, server: Server) -> None:
        server.ready, server.left_s = False, time.monotonic()
        self._selector.unregister(server.channel)
        server.channel.close()

    def _lose(self, server: Server) -> None:
        """A process has ended; another one is due."""
        if server.left_s is None:
            self._leave(server)
        del self._servers[server.number]
        lived_s = time.monotonic() - server.started_s
        self._due_s[server.number] = time.monotonic() + (0.0 if lived_s > STEADY_S else BACKOFF_S)
        if not self._stopping:
            logger.error("API process %d ended with %d; it starts again", server.process.pid, server.process.returncode)

    def _end(self) -> None:
        """End all processes: they finish what runs, side by side."""
        self._listen(False)
        self._listener.close()
        for connection in self._accepted:
            connection.close()
        for server in self._servers.values():
            server.process.terminate()
        deadline_s = time.monotonic() + GRACE_S
        for server in self._servers.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(max(0.0, deadline_s - time.monotonic()))
            server.process.kill()
            server.process.wait()
            server.channel.close()
        self._selector.close()


def listening(host: str, port: int) -> socket.socket:
    """A socket that clients may connect to. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


@contextlib.contextmanager
def shared_metrics(folder: Path) -> Iterator[None]:
    """Let the processes started in this block count together, in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="metrics-", dir=folder) as shared, locked(Path(shared) / HELD_BY):
        os.environ[FOLDER_VARIABLE] = shared
        try:
            yield
        finally:
            del os.environ[FOLDER_VARIABLE]


def command_of(number: int, descriptor: int) -> Sequence[str]:
    """What runs as an API process."""
    return (sys.executable, "-m", "api.serve", "--process", str(number), "--channel", str(descriptor))
