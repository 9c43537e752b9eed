"""Keeps jobs moving whatever happened to workers or broker: takes jobs from the silent, rings for the unheard."""

import logging

from pfa_store.specs import QUEUES
from pfa_store.store import Store

logger = logging.getLogger(__name__)


def tick(store: Store) -> None:
    """One round. Any number of dispatchers may run at once.

    A job that was never announced, or was handed back, is announced at once. One that was is announced again only
    while its queue is empty: behind a long job every message would otherwise be repeated each minute. A message that
    was lost is thus made good once the others are through. Any message will do for any job of its queue, and one too
    many does no harm: who finds nothing to claim goes on waiting.

    Raises:
        StoreUnavailable: the database does not answer; the next round will do it.
    """
    now_s = store.clock()
    for job in store.jobs.reap(now_s):
        logger.warning("job %s was taken from a silent worker and is %s", job.id, job.status)
    store.idempotency.forget(now_s)
    store.workers.forget(now_s)
    store.jobs.thin_events()
    if num_expired := store.uploads.sweep(now_s):
        logger.info("%d unfinished uploads expired", num_expired)
    due = store.jobs.due_for_ringing(now_s)
    for queue in QUEUES:
        jobs = [job for job in due if job.queue == queue]
        waiting = store.queue.waiting(queue) if jobs else None
        if waiting is None:
            continue
        for job in jobs:
            if (waiting == 0 or job.rung_s is None) and not store.queue.ring(job):
                break
