"""What is known about a job, as it leaves the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pfa_store.job_states import DONE, HELD, JobStatus
from pfa_store.records import record_of
from pfa_store.schema import JobEventRow, JobRow
from pfa_store.specs import SPEC_OF, JobKind, Queue, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A unit of work at the moment it was read. Times are seconds since 1970."""

    id: str
    kind: JobKind
    queue: Queue
    spec: Mapping[str, Any]
    status: JobStatus
    phase: str
    step: int
    total: int
    eta_s: float | None
    metrics: Mapping[str, Any]
    attempt: int
    """How often it was started."""
    priority: int
    """-10..10; of the queued jobs the highest is done first."""
    half_batch: bool
    """Memory ran out, so it trains with half of the batch size that was asked for."""
    token: int
    """Fencing token of the newest attempt."""
    worker: str | None
    lease_until_s: float | None
    rung_s: float | None
    error_code: str | None
    error_message: str | None
    result: Mapping[str, Any] | None
    created_s: float
    started_s: float | None
    finished_s: float | None
    history_gone_s: float | None = None
    """When its events and its log were removed, long after its end; None: they are there. So the next two."""
    files_gone_s: float | None = None
    checkpoints_gone_s: float | None = None
    """Tried again, it begins from nothing."""
    key_id: str | None

    @property
    def done(self) -> bool:
        """Nothing more will happen to it."""
        return self.status in DONE

    @property
    def held(self) -> bool:
        """An attempt is under way."""
        return self.status in HELD

    @property
    def request(self) -> Spec:
        """The spec as the class that checked it."""
        return SPEC_OF[self.kind].model_validate(self.spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that happened to a job; `id` rises."""

    id: int
    job_id: str
    at_s: float
    kind: str
    data: Mapping[str, Any]


def job_of(row: JobRow) -> Job:
    """The record of a row."""
    return record_of(Job, row)


def event(job_id: str, at_s: float, kind: str, **data: object) -> JobEventRow:
    """A new event, to be added in the transaction that makes it true."""
    return JobEventRow(job_id=job_id, at_s=at_s, kind=kind, data=data)
