"""Who still needs a video, a data set or a model: asked before one is deleted."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from pfa_store.job_states import DONE
from pfa_store.schema import JobRow

DATASETS = ("dataset", "pose", "action", "static")
"""The fields of a spec that name data sets."""


def unfinished_job_with(session: Session, fields: Sequence[str], *values: str) -> str | None:
    """Id of a job that is not over and whose spec names one of `values` in one of `fields`."""
    statement = select(JobRow.id, JobRow.spec).where(JobRow.status.not_in(DONE)).order_by(JobRow.created_s)
    for job_id, spec in session.execute(statement):
        for named in map(spec.get, fields):
            if not set(values).isdisjoint(named if isinstance(named, list) else [named]):
                return job_id
    return None
