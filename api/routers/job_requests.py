"""What can be asked of a job that exists: cancel, pause, resume, retry."""

from http import HTTPStatus

from fastapi import APIRouter, Security
from fastapi.params import Depends

from api.auth import caller
from api.deps import Services
from api.openapi import problems
from api.schemas.jobs import JobRead
from pfa_store.job_record import Job
from pfa_store.store import Store

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"], responses=problems(404, 409))
MAY: list[Depends] = [Security(caller, scopes=["jobs"])]


@router.post("/cancel", status_code=HTTPStatus.ACCEPTED, dependencies=MAY)
def cancel_job(job_id: str, services: Services) -> JobRead:
    """Ask a job to stop; it has stopped once its status is `cancelled`. 409 when it is over already."""
    return JobRead.of(services.store.jobs.request_cancel(job_id))


@router.post("/pause", status_code=HTTPStatus.ACCEPTED, dependencies=MAY)
def pause_job(job_id: str, services: Services) -> JobRead:
    """Ask a job to write a checkpoint and free its worker; it has done so once its status is `paused`.

    409 when it is over, or is being cancelled.
    """
    return JobRead.of(services.store.jobs.request_pause(job_id))


@router.post("/resume", status_code=HTTPStatus.ACCEPTED, dependencies=MAY)
def resume_job(job_id: str, services: Services) -> JobRead:
    """Queue a paused job again; it goes on from its checkpoint. 409 when it is not paused (yet)."""
    return _rung(services.store, services.store.jobs.request_resume(job_id))


@router.post("/retry", status_code=HTTPStatus.ACCEPTED, dependencies=MAY)
def retry_job(job_id: str, services: Services) -> JobRead:
    """Queue a failed or cancelled job again, with all its attempts; it goes on from its last checkpoint.

    Videos that were left out stay so. 409 in any other state.
    """
    return _rung(services.store, services.store.jobs.request_retry(job_id))


def _rung(store: Store, job: Job) -> JobRead:
    store.queue.ring(job)
    return JobRead.of(job)
