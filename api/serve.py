"""`python -m api.serve`: the HTTP service, in one process or several (`PFA_API_PROCESSES`)."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import uvicorn
from pydantic import ValidationError

from api import processes
from api.handed import HandedServer, channel_of
from pfa_core.errors import PfaError
from pfa_store import logs
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.tuning import TUNING


@dataclass(frozen=True, slots=True)
class Place:
    """Which of several processes this is."""

    number: int
    channel: int
    """File descriptor through which connections come."""


logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the settings and serve until SIGTERM; returns an exit status."""
    place = _place(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            where = "".join(f"PFA_{str(part).upper()}: " for part in fault["loc"])
            print(f"{where}{fault['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return 2
    _restart_with(_environment(settings))
    logs.configure(settings, role="api")
    try:
        store = Store.open(settings)
        secret = store.keys.ensure_admin() if settings.auth == "on" and place is None else None
    except PfaError as error:
        print(str(error), file=sys.stderr)
        return 1
    if secret is not None:
        print(f"The admin key, shown once and kept in {store.files.admin_key}:\n{secret}", flush=True)
    try:
        if settings.api_processes > 1 and place is None:
            return _serve_in_several(settings, store)
        _serve(settings, store, place)
    finally:
        store.close()
    return 0


def _serve_in_several(settings: Settings, store: Store) -> int:
    try:
        listener = processes.listening(settings.host, settings.port)
    except OSError as error:
        print(f"PFA cannot listen on {settings.host}, port {settings.port}: {error.strerror}.", file=sys.stderr)
        return 1
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    with processes.shared_metrics(store.files.root / "tmp"):
        several = processes.Processes(listener, number=settings.api_processes, command=processes.command_of)
        several.run(lambda: logger.info("%d API processes running on %s", settings.api_processes, url))
    return 0


def _serve(settings: Settings, store: Store, place: Place | None) -> None:
    from api.app import create_app  # torch: only once the environment is as it shall be

    config = uvicorn.Config(
        create_app(settings, store, process=0 if place is None else place.number),
        host=settings.host,
        port=settings.port,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=10,
    )
    server = uvicorn.Server(config) if place is None else HandedServer(config, channel_of(place.channel))
    server.run()


def _place(arguments: Sequence[str] | None) -> Place | None:
    """None for the process that was started by hand."""
    parser = argparse.ArgumentParser(prog="python -m api.serve", description=__doc__)
    parser.add_argument("--process", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--channel", type=int, help=argparse.SUPPRESS)
    found = parser.parse_args(arguments)
    return None if found.channel is None else Place(found.process, found.channel)


def _environment(settings: Settings) -> dict[str, str]:
    """What C libraries read when the process starts; what the operator has set wins."""
    wanted = dict(TUNING)
    if settings.num_threads or settings.api_processes > 1:
        wanted["OMP_NUM_THREADS"] = str(settings.api_threads)
    return {name: value for name, value in wanted.items() if name not in os.environ}


def _restart_with(environment: dict[str, str]) -> None:
    """Replace this process by itself with more in its environment, unless all of it is there."""
    if environment and sys.platform == "linux":
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **environment})  # no shell is wanted


if __name__ == "__main__":
    sys.exit(main())
