"""What a Celery task does with its turn: claim a job and supervise it, or help with one that runs."""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping

from pfa_store import logs
from pfa_store.errors import JobNotFound, StoreUnavailable
from pfa_store.job_origin import fields_of
from pfa_store.store import Store
from pfa_store.traces import traceparent_of
from workers.attempt_span import attempt_span
from workers.helping import help_with
from workers.stop_flag import told_to_stop
from workers.supervisor import Supervisor, environment_of


def run_job(job_id: str, store: Store, worker_id: str | None = None) -> None:
    """Run the job whose turn it is in the queue of the job that the bell rang for; safe to call any number of times.

    One bell is one claim, of whichever job, so there are as many claims as jobs. A worker that is told to leave before
    it claims one leaves it to others: the dispatcher rings again.

    Raises:
        StoreUnavailable: the database did not answer when a job was to be claimed.
    """
    with told_to_stop() as stop:
        try:
            queue = store.jobs.get(job_id).queue
        except JobNotFound:
            return
        job = None if stop.is_set else store.jobs.claim_next(queue, f"{socket.gethostname()}:{os.getpid()}")
        if job is not None:
            origin = _origin(store, job.id)
            with (
                _listed(store, worker_id, job.id),
                logs.bound(**fields_of(job, origin)),
                attempt_span(store.settings, job, origin) as span,
            ):
                status = Supervisor(store, job, stop).run(traceparent_of(span))
                span.set_attribute("pfa.status", status)


def help_job(job_id: str, store: Store, worker_id: str | None = None) -> None:
    """Help with the packs of a job if it runs; safe to call any number of times.

    Raises:
        StoreUnavailable: the database did not answer at the start.
    """
    with told_to_stop() as stop, _listed(store, worker_id, job_id):
        help_with(job_id, store, environment_of(store.settings), lambda: stop.is_set)


def _origin(store: Store, job_id: str) -> Mapping[str, str]:
    """Who asked for the job; no job depends on that."""
    with contextlib.suppress(StoreUnavailable):
        return store.jobs.origin(job_id)
    return {}


@contextlib.contextmanager
def _listed(store: Store, worker_id: str | None, job_id: str) -> Iterator[None]:
    """Meanwhile the list of workers tells what this one does, where it is on it; no job depends on that list."""
    if worker_id is None:
        yield
        return
    with contextlib.suppress(StoreUnavailable):
        store.workers.does(worker_id, job_id)
    try:
        yield
    finally:
        with contextlib.suppress(StoreUnavailable):
            store.workers.does(worker_id, None)
