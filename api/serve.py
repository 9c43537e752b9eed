"""`python -m api.serve`: the HTTP service in one process."""

import logging
import os
import sys

import uvicorn
from pydantic import ValidationError

from pfa_core.errors import PfaError
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.tuning import TUNING


def main() -> int:
    """Read the settings and serve until SIGTERM; returns an exit status."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors():
            where = "".join(f"PFA_{str(part).upper()}: " for part in fault["loc"])
            print(f"{where}{fault['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return 2
    _restart_with(_environment(settings))
    _log_to_stderr()
    try:
        store = Store.open(settings)
        secret = store.keys.ensure_admin() if settings.auth == "on" else None
    except PfaError as error:
        print(str(error), file=sys.stderr)
        return 1
    if secret is not None:
        print(f"The admin key, shown once and kept in {store.files.admin_key}:\n{secret}", flush=True)
    try:
        _serve(settings, store)
    finally:
        store.close()
    return 0


def _serve(settings: Settings, store: Store) -> None:
    from api.app import create_app  # torch: only once the environment is as it shall be

    config = uvicorn.Config(
        create_app(settings, store),
        host=settings.host,
        port=settings.port,
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    uvicorn.Server(config).run()


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("alembic", "faiss", "matplotlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _environment(settings: Settings) -> dict[str, str]:
    """What C libraries read when the process starts; what the operator has set wins."""
    wanted = dict(TUNING)
    if settings.num_threads:
        wanted["OMP_NUM_THREADS"] = str(settings.num_threads)
    return {name: value for name, value in wanted.items() if name not in os.environ}


def _restart_with(environment: dict[str, str]) -> None:
    """Replace this process by itself with more in its environment, unless all of it is there."""
    if environment and sys.platform == "linux":
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **environment})  # no shell is wanted


if __name__ == "__main__":
    sys.exit(main())
