"""Who still needs a video, a data set or a model: asked before one is deleted."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from pfa_store.job_states import DONE
from pfa_store.schema import JobRow


def unfinished_job_with(session: Session, field: str, *values: str) -> str | None:
    """Id of a job that is not over and whose spec names one of `values` in `field`."""
    statement = select(JobRow.id, JobRow.spec).where(JobRow.status.not_in(DONE)).order_by(JobRow.created_s)
    for job_id, spec in session.execute(statement):
        named = spec.get(field)
        if not set(values).isdisjoint(named if isinstance(named, list) else [named]):
            return job_id
    return None
