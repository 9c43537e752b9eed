"""The one Celery task: a job's id arrived, so run that job unless somebody else does."""

import logging

from celery import Celery

from pfa_store.errors import StoreUnavailable
from pfa_store.queue import RUN_JOB
from pfa_store.settings import Settings
from pfa_store.store import Store
from workers.supervisor import run_job

logger = logging.getLogger(__name__)


def register(app: Celery, settings: Settings) -> None:
    """Add the task to the application."""

    def run(job_id: str) -> None:
        try:
            store = Store.open(settings, migrate=False)
            try:
                run_job(job_id, store)
            finally:
                store.close()
        except StoreUnavailable as error:
            # Nothing is lost: a queued job is announced again, a claimed one is taken over when its lease runs out.
            logger.warning("job %s has to wait: %s", job_id, error)

    app.task(run, name=RUN_JOB)
