"""A job that is rung and waited for, as a test of a whole service does it."""

from typing import Any

from pfa_store.job_record import Job
from pfa_store.store import Store
from tests.waiting import wait_for


def succeeded(store: Store, job: Job) -> dict[str, Any]:
    """The result of a job that must succeed."""
    assert store.queue.ring(job)
    wait_for(lambda: store.jobs.get(job.id).done or None, what=f"the end of the {job.kind} job", timeout_s=180)
    now = store.jobs.get(job.id)
    assert now.status == "succeeded", now.error_message
    assert now.result is not None
    return dict(now.result)
