"""The two Celery tasks: a job's id arrived, so run the job whose turn it is in its queue, or help with that one."""

import logging
from collections.abc import Callable

from celery import Celery

from pfa_store.errors import StoreUnavailable
from pfa_store.queue import HELP_JOB, RUN_JOB
from pfa_store.settings import Settings
from pfa_store.store import Store
from workers.turn import help_job, run_job

logger = logging.getLogger(__name__)


def register(app: Celery, settings: Settings, *, worker_id: str | None = None) -> None:
    """Add the tasks to the application. `worker_id`: under which this worker is listed."""

    def with_store(act: Callable[[str, Store, str | None], None]) -> Callable[[str], None]:
        def run(job_id: str) -> None:
            try:
                store = Store.open(settings, migrate=False)
                try:
                    act(job_id, store, worker_id)
                finally:
                    store.close()
            except StoreUnavailable as error:
                # Nothing is lost: a queued job is announced again, a claimed one is taken over when its lease runs out.
                logger.warning("job %s, or another, has to wait: %s", job_id, error)

        return run

    app.task(with_store(run_job), name=RUN_JOB)
    app.task(with_store(help_job), name=HELP_JOB)
