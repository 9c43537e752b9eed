"""What a handler gets: the job, the store, and folders to work in."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pfa_core.progress import Progress
from pfa_store.job_record import Job
from pfa_store.store import Store

JobResult = dict[str, Any]
"""The result document of a job: plain values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One attempt of a job, as a handler sees it."""

    job: Job
    store: Store

    @property
    def folder(self) -> Path:
        """Checkpoints and metrics; kept from attempt to attempt."""
        return self.store.files.job_work(self.job.id, half_batch=self.job.half_batch)

    def leave_file(self, name: str, content: bytes) -> None:
        """Write a file that users can fetch from `GET /jobs/{id}/files/{name}` once the job has succeeded."""
        files = self.store.files
        files.write_atomic(files.job_files(self.job.id, self.job.token) / name, content)

    @property
    def out(self) -> Path:
        """What this attempt makes, until it is published."""
        return self.store.files.job_out(self.job.id, self.job.token)


Handler = Callable[[Work], Generator[Progress, None, JobResult]]
"""A recipe as a job: yields progress, returns the result document. Closing it stops it (and writes a checkpoint)."""
