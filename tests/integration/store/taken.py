"""A job in a worker's hands, and what its events say."""

from pfa_store.job_record import Job
from pfa_store.store import Store


def taken(store: Store, job: Job) -> Job:
    """The job as the worker gets it that claims it."""
    claimed = store.jobs.claim(job.id, "worker")
    assert claimed is not None
    return claimed


def kinds(store: Store, job: Job) -> list[str]:
    """The kinds of its events, oldest first."""
    return [event.kind for event in store.jobs.events(job.id)]
