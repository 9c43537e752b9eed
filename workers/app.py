"""A Celery worker process for one queue, which `workers/serve` starts: `python -m workers.app QUEUE PARENT_PID ID`."""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_shutting_down

from pfa_core.lifeline import die_with
from pfa_store import logs
from pfa_store.queue import make_celery
from pfa_store.settings import Settings
from workers.process import group_members
from workers.tasks import register


def make_app(settings: Settings, *, worker_id: str | None = None) -> Celery:
    """The Celery application with its tasks."""
    app = make_celery(settings)
    register(app, settings, worker_id=worker_id)
    return app


def main(arguments: Sequence[str]) -> None:
    """Run a worker that takes one job at a time. It dies with its parent, and its pool process dies with it.

    SIGTERM, to it alone or to its group: it takes no more messages, and its job writes a checkpoint and is handed back.
    """
    queue, parent_pid, worker_id = arguments
    die_with(int(parent_pid))
    worker_pid = os.getpid()

    def follow(**_: object) -> None:
        die_with(worker_pid)

    def pass_on(**_: object) -> None:
        """Celery would wait for the end of the job, which may take days."""
        for pid in group_members(os.getpgid(0)):
            if pid != worker_pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    worker_process_init.connect(follow, weak=False)
    worker_shutting_down.connect(pass_on, weak=False)
    settings = Settings()

    def log(**_: object) -> None:
        """Instead of what Celery would set up: in this process, and again in its pool process."""
        logs.configure(settings, role=f"worker-{queue}")

    setup_logging.connect(log, weak=False)
    log()  # Celery tells some things before
    if settings.log_format == "json":
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # it says goodbye there, past all logging, in plain text
    app = make_app(settings, worker_id=worker_id)
    app.worker_main([
        "--quiet", "worker", f"--queues={queue}", f"--hostname={queue}-{worker_id}@%h",
        "--pool=prefork", "--concurrency=1", "--loglevel=WARNING", "--without-gossip", "--without-mingle",
    ])  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
