"""A Celery worker process for one queue: `python -m workers.app QUEUE PARENT_PID`. `workers/serve` starts it."""

import os
import sys
from collections.abc import Sequence

from celery import Celery
from celery.signals import worker_process_init

from pfa_core.lifeline import die_with
from pfa_store.queue import make_celery
from pfa_store.settings import Settings
from workers.tasks import register


def make_app(settings: Settings) -> Celery:
    """The Celery application with its task."""
    app = make_celery(settings)
    register(app, settings)
    return app


def main(arguments: Sequence[str]) -> None:
    """Run a worker that takes one job at a time. It dies with its parent, and its pool process dies with it."""
    queue, parent_pid = arguments
    die_with(int(parent_pid))
    worker_pid = os.getpid()

    def follow(**_: object) -> None:
        die_with(worker_pid)

    worker_process_init.connect(follow, weak=False)
    app = make_app(Settings())
    app.worker_main([
        "--quiet", "worker", f"--queues={queue}", f"--hostname={queue}-{worker_pid}@%h",
        "--pool=prefork", "--concurrency=1", "--loglevel=WARNING", "--without-gossip", "--without-mingle",
    ])  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
