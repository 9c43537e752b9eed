"""Jobs, as they are sent. What is asked for is in `pfa_store/specs`."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from api.schemas.page import time_of, time_or_none
from pfa_store.job_checkpoints import JobCheckpoint
from pfa_store.job_record import Job, JobEvent
from pfa_store.job_states import JobStatus
from pfa_store.specs import JobKind


class ProgressRead(BaseModel):
    """How far a job is in its present phase."""

    step: int
    total: int = Field(description="0 when unknown")
    eta_s: float | None = Field(description="Seconds until the phase ends, as far as can be told")
    metrics: dict[str, Any] = Field(description="Latest figures, such as `loss` and `accuracy`")


class JobError(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class JobRead(BaseModel):
    """A unit of work at the moment it was asked for."""

    id: str
    kind: JobKind
    status: JobStatus
    done: bool = Field(description="Nothing more will happen to it, unless it is tried again")
    phase: str = Field(description="What is being done: `decode`, `flow`, `train`, `validate`, ...")
    progress: ProgressRead
    attempt: int = Field(description="How often it was started; shutdowns of workers and pauses do not count")
    priority: int = Field(description="-10..10; of the queued jobs the highest is done first")
    error: JobError | None
    result: dict[str, Any] | None = Field(description="What a succeeded job made, such as `model` and `metrics`")
    spec: dict[str, Any] = Field(description="What was asked for, with model names pinned to versions")
    created: datetime
    started: datetime | None
    finished: datetime | None
    removed: dict[Literal["history", "files", "checkpoints"], datetime] = Field(
        description="What was removed of it long after its end, and when: its events and log, the files that it made,"
        " what a retry would go on from"
    )

    @classmethod
    def of(cls, job: Job) -> Self:
        error = None
        if job.error_code is not None:
            error = JobError(code=job.error_code, message=job.error_message or "")
        return cls(
            id=job.id,
            kind=job.kind,
            status=job.status,
            done=job.done,
            phase=job.phase,
            progress=ProgressRead(step=job.step, total=job.total, eta_s=job.eta_s, metrics=dict(job.metrics)),
            attempt=job.attempt,
            priority=job.priority,
            error=error,
            result=None if job.result is None else dict(job.result),
            spec=dict(job.spec),
            created=time_of(job.created_s),
            started=time_or_none(job.started_s),
            finished=time_or_none(job.finished_s),
            removed=_removed(job),
        )


def _removed(job: Job) -> dict[Literal["history", "files", "checkpoints"], datetime]:
    found: dict[Literal["history", "files", "checkpoints"], datetime] = {}
    if job.history_gone_s is not None:
        found["history"] = time_of(job.history_gone_s)
    if job.files_gone_s is not None:
        found["files"] = time_of(job.files_gone_s)
    if job.checkpoints_gone_s is not None:
        found["checkpoints"] = time_of(job.checkpoints_gone_s)
    return found


class JobFileRead(BaseModel):
    """A file that a job left; `GET /jobs/{id}/files/{name}` fetches it."""

    name: str
    media_type: str
    num_bytes: int


class JobCheckpointRead(BaseModel):
    """A checkpoint that the job would go on from, or its best weights so far."""

    step: int
    best: bool = Field(description="The best weights, which are kept beside the checkpoints")
    saved: datetime
    num_bytes: int

    @classmethod
    def of(cls, checkpoint: JobCheckpoint) -> Self:
        return cls(
            step=checkpoint.step,
            best=checkpoint.best,
            saved=time_of(checkpoint.saved_s),
            num_bytes=checkpoint.num_bytes,
        )


class JobEventRead(BaseModel):
    """Something that happened to a job; ids rise."""

    id: int
    at: datetime
    kind: str
    data: dict[str, Any]

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        return cls(id=event.id, at=time_of(event.at_s), kind=event.kind, data=dict(event.data))
