"""The whole service in one command: broker, API and workers on this machine, over one data folder."""

import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import httpx

from pfa.broker import local_broker
from pfa.children import Child, Children
from pfa.errors import AlreadyRunning, ServiceFailed
from pfa_store.settings import Settings
from pfa_store.store import Store

_READY_TIMEOUT_S = 120.0
_WORKER_MARGIN_S = 15.0
"""A worker may need `cancel_grace_s` for a checkpoint, and this to go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service that answers."""

    url: str
    admin_key: str | None
    """The admin key, when this start created it."""
    broker: str
    children: Children

    def keep_alive(self) -> None:
        """Restart whichever process has ended; call it now and then."""
        self.children.keep_alive()


@contextmanager
def service(settings: Settings, announce: Callable[[str], None]) -> Iterator[Running]:
    """Start everything, yield once it answers, and leave no process behind.

    Raises:
        AlreadyRunning: another service uses this data folder.
        BrokerUnavailable: there is no broker to start.
        ServiceFailed: the API does not get ready.
    """
    if settings.port == 0:
        settings = settings.model_copy(update={"port": _free_port()})
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _only_one(settings.data_dir):
        store = Store.open(settings)
        admin_key = store.keys.ensure_admin()
        children = Children(announce)
        try:
            broker_url, broker = _start_broker(settings, children)
            _start_processes(settings, children, broker_url)
            url = _url(settings)
            _wait_until_ready(url, children)
            yield Running(url=url, admin_key=admin_key, broker=broker, children=children)
        finally:
            children.stop()


def _start_broker(settings: Settings, children: Children) -> tuple[str, str]:
    if settings.broker_url:
        return settings.broker_url, "configured"
    broker = local_broker(settings.data_dir / "broker")
    child = Child(name="broker", command=broker.command, env=os.environ)
    children.start(child)
    broker.wait_until_ready(lambda: child.exit_code() is None)
    return broker.url, broker.source


def _start_processes(settings: Settings, children: Children, broker_url: str) -> None:
    env = environment(settings, broker_url)
    python = sys.executable
    logs = settings.data_dir / "logs"
    logs.mkdir(exist_ok=True)
    children.start(Child(name="API", command=(python, "-m", "api.serve"), env=env, log=logs / "api.log"))
    for queue in ("flow", "train"):
        command = (python, "-m", "workers.serve", "--queue", queue)
        log = logs / f"worker-{queue}.log"
        grace_s = settings.cancel_grace_s + _WORKER_MARGIN_S
        children.start(Child(name=f"{queue} worker", command=command, env=env, log=log, grace_s=grace_s))


def environment(settings: Settings, broker_url: str) -> dict[str, str]:
    """The environment that gives a child process exactly these settings."""
    ours = {f"PFA_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    ours["PFA_DATA_DIR"] = str(settings.data_dir.resolve())
    ours["PFA_BROKER_URL"] = broker_url
    return {**os.environ, **ours}


def _url(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _wait_until_ready(url: str, children: Children) -> None:
    deadline_s = time.monotonic() + _READY_TIMEOUT_S
    api = next(child for child in children.members if child.name == "API")
    while time.monotonic() < deadline_s:
        if api.exit_code() is not None:
            raise ServiceFailed(f"The API ended while starting:\n{_last_lines(api.log)}")
        try:
            if httpx.get(f"{url}/health/ready", timeout=2.0).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise ServiceFailed(f"The API at {url} did not get ready within {_READY_TIMEOUT_S:.0f} s.")


def _last_lines(log: Path | None) -> str:
    """What a process said before it ended."""
    return "" if log is None else "\n".join(log.read_text(errors="replace").splitlines()[-12:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    lock: IO[str]
    with (data_dir / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"A service already runs on {data_dir}. Stop it, or set PFA_DATA_DIR to another folder."
            ) from None
        yield


class StopRequested(BaseException):
    """SIGINT or SIGTERM came; raised in the main thread so that every `finally` runs."""


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into StopRequested; later ones are ignored while things wind down."""

    def stop(signum: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise StopRequested(signal.Signals(signum).name)

    before: Mapping[signal.Signals, object] = {
        each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]  # what signal.signal itself returned


def run(settings: Settings, announce: Callable[[str], None], ready: Callable[[Running], None]) -> None:
    """Serve until a signal comes (`pfa up`)."""
    try:
        with stop_on_signals(), service(settings, announce) as running:
            ready(running)
            while True:
                running.keep_alive()
                time.sleep(0.5)
    except StopRequested:
        announce("stopped")
