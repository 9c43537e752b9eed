"""Workers, as they are sent."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.page import time_of
from pfa_store.specs import Queue
from pfa_store.workers import Worker, WorkerStatus


class WorkerRead(BaseModel):
    """A worker of a queue at the moment it was asked for."""

    id: str
    host: str
    pid: int = Field(description="Of the process that keeps the worker running, on its host")
    queue: Queue
    status: WorkerStatus = Field(description="`lost`: it has been silent for as long as a lease lasts")
    job_id: str | None = Field(description="The job that it does or helps with")
    version: str
    started: datetime
    seen: datetime

    @classmethod
    def of(cls, worker: Worker) -> Self:
        return cls(
            id=worker.id,
            host=worker.host,
            pid=worker.pid,
            queue=worker.queue,
            status=worker.status,
            job_id=worker.job_id,
            version=worker.version,
            started=time_of(worker.started_s),
            seen=time_of(worker.seen_s),
        )
