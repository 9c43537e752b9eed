"""The service as its users start it: `pfa up`, one process tree, spoken to over HTTP alone."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.waiting import wait_for


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class UpProcess:
    """A running `pfa up`."""

    process: subprocess.Popen[bytes]
    url: str
    data_dir: Path
    log: Path
    environment: dict[str, str]

    @property
    def admin_key(self) -> str:
        """The key that the first start wrote."""
        return (self.data_dir / "admin.key").read_text().strip()

    def http(self) -> httpx.Client:
        """A client with the admin key."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.admin_key}"}, timeout=httpx.Timeout(60)
        )

    def processes(self) -> list[int]:
        """Every living process that was started with this service's environment, found in /proc."""
        marker = f"PFA_DATA_DIR={self.data_dir}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    environ, state = (entry / "environ").read_bytes(), (entry / "stat").read_text()
                except OSError:
                    continue
                if marker in environ.split(b"\0") and not re.search(r"\) Z ", state):
                    found.append(int(entry.name))
        return found

    def stop(self, signum: signal.Signals = signal.SIGINT) -> int:
        """Send a signal as Ctrl-C would, and wait for the end."""
        self.process.send_signal(signum)
        return self.process.wait(90)


def start_up(folder: Path, **settings: str) -> UpProcess:
    """Start `pfa up` on a data folder inside `folder` and wait until it is ready."""
    port = free_port()
    data_dir, log = folder / "data", folder / "up.log"
    environment = {**os.environ, "PFA_DATA_DIR": str(data_dir), "PFA_PORT": str(port), **settings}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pfa", "up"], env=environment, stdout=output, stderr=output, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert process.poll() is None, f"pfa up ended: {log.read_text()}"
        try:
            return httpx.get(f"{url}/health/ready", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    wait_for(ready, timeout_s=120, what="pfa up to get ready")
    return UpProcess(process=process, url=url, data_dir=data_dir, log=log, environment=environment)


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    """One service for the tests that only talk to it."""
    running = start_up(tmp_path_factory.mktemp("service"))
    yield running
    assert running.stop() == 0, running.log.read_text()
    wait_for(lambda: not running.processes(), timeout_s=30, what="every process of the service to end")
