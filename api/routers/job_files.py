"""What a job leaves on the disk: its log, its curve, its checkpoints, and the files that it made."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, Security
from fastapi.params import Depends
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

from api.auth import caller
from api.deps import Services
from api.job_files import file_of, files_of, media_type_of
from api.openapi import problems
from api.schemas.jobs import JobCheckpointRead, JobFileRead
from api.schemas.page import PageRead
from pfa_store.job_log import MAX_TAIL_LINES
from pfa_store.removed import need_curve, need_files, need_log

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"], responses=problems(404, 410))
MAY: list[Depends] = [Security(caller, scopes=["read"])]
TEXT = "text/plain; charset=utf-8"
Tail = Annotated[int | None, Query(ge=1, le=MAX_TAIL_LINES, description="Only so many lines, the last")]


@router.get("/logs", dependencies=MAY, response_class=PlainTextResponse)
def read_log(job_id: str, services: Services, tail: Tail = None) -> Response:
    """What the job's processes wrote; empty until it starts. Of a long log the beginning is gone."""
    job = services.store.jobs.get(job_id)
    need_log(job)
    log = services.store.views.log(job)
    if tail is not None:
        return Response(log.tail(tail), media_type=TEXT)
    return StreamingResponse(log.chunks(), media_type=TEXT)


@router.get("/metrics", dependencies=MAY)
def read_metrics(job_id: str, services: Services) -> list[dict[str, float]]:
    """The curve of a training job: rows of `step`, `loss` and other figures; validation's begin with `val_`."""
    job = services.store.jobs.get(job_id)
    need_curve(job)
    return services.store.views.rows(job)


@router.get("/checkpoints", dependencies=MAY)
def list_checkpoints(job_id: str, services: Services) -> PageRead[JobCheckpointRead]:
    """The checkpoints of a training job, by step: the last two, and the best weights.

    None once it has succeeded, or they were removed.
    """
    found = services.store.views.checkpoints(services.store.jobs.get(job_id))
    return PageRead(items=[JobCheckpointRead.of(one) for one in found], next_cursor=None)


@router.get("/files", dependencies=MAY)
def list_files(job_id: str, services: Services) -> PageRead[JobFileRead]:
    """The files that a job made; none until it has succeeded. Evaluations and comparisons leave tables and pictures."""
    job = services.store.jobs.get(job_id)
    need_files(job)
    found = files_of(services.store, job).values()
    items = [
        JobFileRead(name=path.name, media_type=media_type_of(path), num_bytes=path.stat().st_size) for path in found
    ]
    return PageRead(items=items, next_cursor=None)


@router.get("/files/{name}", dependencies=MAY, response_class=FileResponse)
def read_file(job_id: str, name: str, services: Services) -> FileResponse:
    """A file that a job made: `evaluation.json`, `evaluation.csv`, `pdj.png`, `confusion.png`."""
    path = file_of(services.store, services.store.jobs.get(job_id), name)
    return FileResponse(path, media_type=media_type_of(path), filename=name, content_disposition_type="inline")
