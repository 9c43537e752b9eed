"""The whole service as `pfa up` starts it, and a second machine's worker beside it, with short leases."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import redis

from pfa.broker import local_broker
from pfa_store.errors import StoreUnavailable
from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.e2e.conftest import UpProcess, start_up
from tests.processes import children_of, command_of, parent_of
from tests.waiting import wait_for

LEASE_S = 6.0
SETTINGS = {
    "PFA_LEASE_S": str(LEASE_S),
    "PFA_HEARTBEAT_S": "0.5",
    "PFA_RING_AGAIN_S": "2",
    "PFA_CANCEL_GRACE_S": "20",
    "PFA_MIN_FREE_BYTES": "0",
    "PFA_MAX_ATTEMPTS": "1000",
    "PFA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
"""An attempt ends soon, and no job fails because it was killed too often."""

Role = Literal["api", "broker", "worker", "celery", "pool", "runner"]


class SecondWorker:
    """`python -m workers.serve`, started again whenever it ends, as Docker would."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment, self._log = environment, log
        self._leaving = threading.Event()
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._leaving.set()
        self._process.terminate()
        self._keeper.join(120)
        assert not self._keeper.is_alive(), "the second worker does not leave"

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "workers.serve"],
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _keep(self) -> None:
        while self._process.wait() is not None and not self._leaving.is_set():
            self._process = self._start()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running service. Work is asked for over HTTP; `store` is for looking on."""

    up: UpProcess
    second: SecondWorker
    store: Store
    http: httpx.Client

    @property
    def database(self) -> Path:
        return self.up.data_dir / "pfa.sqlite3"

    def pids(self, role: Role) -> list[int]:
        """Processes that play this part just now."""
        return [pid for pid in self.up.processes() if _role(pid) == role] if role != "broker" else self._broker()

    def some(self, role: Role) -> list[int]:
        """`pids`, once there is one."""
        return wait_for(lambda: self.pids(role), what=f"a process: {role}")

    def ready(self) -> bool:
        """The API answers, and so do the database and the broker."""
        try:
            answer = self.http.get("/health/ready", timeout=5)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK and bool(answer.json()["broker"])

    @contextlib.contextmanager
    def broker(self) -> Iterator["redis.Redis"]:
        """A client of the broker."""
        client = redis.Redis(unix_socket_path=self.store.settings.broker_url.partition("://")[2], socket_timeout=5)
        try:
            yield client
        finally:
            client.close()

    def _broker(self) -> list[int]:
        return [pid for pid in children_of(self.up.process.pid) if b"broker.sock" in command_of(pid)]


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Signal a process, unless it has just ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _role(pid: int) -> Role | None:
    command = command_of(pid)
    if b"workers.app" in command:
        return "pool" if b"workers.app" in command_of(parent_of(pid)) else "celery"
    parts: dict[bytes, Role] = {b"api.serve": "api", b"workers.serve": "worker", b"workers.runner": "runner"}
    return next((role for part, role in parts.items() if part in command), None)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Start everything on a data folder inside `folder`; stop it at the end, after which nothing may be left of it."""
    up = start_up(folder, **SETTINGS)
    try:
        broker_url = local_broker(up.data_dir / "broker").url
        settings = Settings(data_dir=up.data_dir, broker_url=broker_url, lease_s=LEASE_S, min_free_bytes=0)
        second = SecondWorker({**up.environment, "PFA_BROKER_URL": broker_url}, folder / "second-worker.log")
        store = Store.open(settings)
        try:
            with up.http() as http:
                stack = Stack(up=up, second=second, store=store, http=http)
                wait_for(lambda: _workers_are_there(stack), timeout_s=120, what="the workers")
                yield stack
        finally:
            second.stop()
            store.close()
    finally:
        code = up.stop()
    assert code == 0, up.log.read_text()
    wait_for(lambda: not up.processes(), timeout_s=30, what="the end of every process")


def _workers_are_there(stack: Stack) -> bool:
    try:
        return len([worker for worker in stack.store.workers.list() if worker.status != "lost"]) == 4
    except StoreUnavailable:
        return False
