"""The doorbell: a Celery message that carries a job's id, and nothing else. The database is the truth.

Why the settings: with Redis, late acknowledgement delivers a task that outlasts the visibility timeout again while it
still runs, so messages are acknowledged early and leases find lost jobs; prefetching makes a short job wait behind a
long one, so it is off.
"""

import logging
import socket
from typing import Any

from celery import Celery
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from pfa_store.errors import StoreUnavailable
from pfa_store.job_record import Job
from pfa_store.jobs import Jobs
from pfa_store.settings import Settings
from pfa_store.specs import Queue

RUN_JOB = "pfa.run_job"
HELP_JOB = "pfa.help_job"
"""Names of the tasks."""

_PATIENCE_S = 1.0
"""How long ringing may wait for the broker: a request that adds a job waits with it."""

_ONE_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
"""At once. Without this Kombu waits two seconds between attempts; with 0 retries it never stops."""

_GIVE_UP = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 2,
    socket.TCP_USER_TIMEOUT: 20_000,
}
"""Seconds, tries, milliseconds: a worker that was cut off gives its connection up after 20 s and makes a new one. The
kernel alone would keep it for hours, and the worker would hear no bell."""

_UNREACHABLE = (KombuError, OperationalError, RedisError, OSError)
"""What Kombu and its Redis client raise when the broker does not answer."""

logger = logging.getLogger(__name__)


def make_celery(settings: Settings) -> Celery:
    """The Celery application, configured. Tasks are added by `workers/tasks`."""
    app = Celery("pfa", broker=settings.broker_url or None, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=False,
        task_create_missing_queues=True,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_concurrency=1,
        worker_pool="prefork",
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"socket_keepalive": True, "socket_keepalive_options": _GIVE_UP},
    )
    return app


class Doorbell:
    """Tells the workers about queued jobs."""

    def __init__(self, settings: Settings, jobs: Jobs) -> None:
        self._url = settings.broker_url
        self._app = make_celery(settings)
        self._jobs = jobs

    def ring(self, job: Job) -> bool:
        """Announce a job; False if the broker cannot be reached just now: the dispatcher rings again later."""
        try:
            self._send(RUN_JOB, job, job.queue)
            self._jobs.mark_rung(job.id)
        except (*_UNREACHABLE, StoreUnavailable) as error:
            logger.warning("the doorbell did not ring for %s: %s", job.id, error)
            return False
        return True

    def call_for_help(self, job: Job) -> bool:
        """Ask one more flow worker to help with the packs of a job that runs; False if the broker cannot be reached."""
        try:
            self._send(HELP_JOB, job, "flow")
        except _UNREACHABLE as error:
            logger.warning("nobody was called to help with %s: %s", job.id, error)
            return False
        return True

    def waiting(self, queue: Queue) -> int | None:
        """Messages that no worker has taken yet; None if the broker cannot be reached just now."""
        try:
            with self._connection() as connection:
                connection.ensure_connection(**_ONE_RETRY)
                with connection.channel() as channel:
                    return int(channel.queue_declare(queue).message_count)
        except _UNREACHABLE as error:
            logger.warning("the broker does not answer: %s", error)
            return None

    def ping(self) -> bool:
        """Whether the broker answers."""
        return self.waiting("train") is not None

    def _send(self, task: str, job: Job, queue: Queue) -> None:
        with self._connection() as connection:
            self._app.send_task(
                task, args=[job.id], queue=queue, connection=connection, retry=False, ignore_result=True
            )

    def _connection(self) -> Any:  # noqa: ANN401  # kombu has no types
        """A connection of its own for each ring, so that threads do not share one."""
        if not self._url:
            raise OperationalError("no broker is configured")
        options = {"socket_connect_timeout": _PATIENCE_S, "socket_timeout": _PATIENCE_S, **_ONE_RETRY}
        return self._app.connection(self._url, connect_timeout=_PATIENCE_S, transport_options=options)
