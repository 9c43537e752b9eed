"""How many jobs wait in each queue, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from pfa_store.database import Sessions
from pfa_store.schema import JobEventRow, JobRow
from pfa_store.specs import QUEUES, Queue

QUEUING = ("queued", "handed_back", "out_of_memory", "resumed", "retried")
"""Events by which a job comes into its queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in one queue."""

    num_jobs: int
    oldest_s: float
    """For how long the one has waited that waits longest, since it was queued the last time; 0: none waits."""


def backlog(sessions: Sessions, now_s: float) -> Mapping[Queue, Backlog]:
    """What waits in every queue. Raises: StoreUnavailable."""
    since = (
        select(JobRow.queue, func.max(JobEventRow.at_s).label("at_s"))
        .join(JobEventRow, JobEventRow.job_id == JobRow.id)
        .where(JobRow.status == "queued", JobEventRow.kind.in_(QUEUING))
        .group_by(JobRow.id, JobRow.queue)
        .subquery()
    )
    with sessions.reading() as session:
        rows = session.execute(select(since.c.queue, func.count(), func.min(since.c.at_s)).group_by(since.c.queue))
        found = {queue: (count, at_s) for queue, count, at_s in rows}
    none = (0, now_s)
    return {
        queue: Backlog(num_jobs=found.get(queue, none)[0], oldest_s=max(0.0, now_s - found.get(queue, none)[1]))
        for queue in QUEUES
    }
