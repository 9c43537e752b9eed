"""The items of a flow job: one a video, so that several workers can share the job.

An item is claimed, renewed and ended by compare-and-set, as a job is: every claim raises its token, and who lost an
item gets LostLease. What is done is counted here, not by any worker.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import and_, case, func, or_, select, update

from pfa_store.attempts import hold
from pfa_store.database import Sessions
from pfa_store.errors import LostLease
from pfa_store.job_record import Job
from pfa_store.records import record_of
from pfa_store.schema import JobItemRow, JobRow
from pfa_store.settings import Settings

ItemStatus = Literal["queued", "running", "done", "refused"]

CRASHES = 2
"""An item whose process died this often is refused, and the job goes on."""

_OWNER = "attempt "


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One video of a job, claimed."""

    job_id: str
    video_id: str
    status: ItemStatus
    pairs: int
    step: int
    crashes: int
    token: int
    worker: str | None
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far a job's items are."""

    waiting: int
    """Items that anybody may claim."""
    running: int
    """Items that somebody has; with a lease that ran out, they may be claimed too."""
    ended: int
    pairs: int
    pairs_done: int
    """An item that is over counts in full, whatever became of it."""


def owner(job: Job) -> str:
    """The name under which a job's own runner claims items."""
    return f"{_OWNER}{job.token}"


class Items:
    def __init__(self, sessions: Sessions, settings: Settings, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._lease_s = settings.lease_s
        self._clock = clock

    def enqueue(self, job: Job, pairs: Mapping[str, int]) -> None:
        """Record the items of a job by video id, at the start of an attempt.

        What an earlier attempt refused stays refused. What it had done is queued again: the packs are found, so that
        costs a look at their checksums. So is what its runner, which is gone, had in hand.

        Raises:
            LostLease: another attempt has begun, or the job is over.
        """
        orphaned = and_(
            JobItemRow.status == "running", JobItemRow.worker.startswith(_OWNER), JobItemRow.worker != owner(job)
        )
        with self._sessions.writing() as session:
            hold(session, job)
            session.execute(
                update(JobItemRow)
                .where(JobItemRow.job_id == job.id, or_(JobItemRow.status == "done", orphaned))
                .values(status="queued", step=0, worker=None, lease_until_s=None)
            )
            known = set(session.scalars(select(JobItemRow.video_id).where(JobItemRow.job_id == job.id)))
            session.add_all(
                JobItemRow(job_id=job.id, video_id=video_id, status="queued", pairs=count, step=0, crashes=0, token=0)
                for video_id, count in pairs.items()
                if video_id not in known
            )

    def claim(self, job_id: str, worker: str) -> Item | None:
        """Take the longest item that nobody has; None if there is none or the job is not running."""
        now = self._clock()
        free = and_(
            JobItemRow.job_id == job_id,
            or_(
                JobItemRow.status == "queued",
                and_(JobItemRow.status == "running", JobItemRow.lease_until_s < now),
            ),
        )
        longest = select(JobItemRow.video_id).where(free).order_by(JobItemRow.pairs.desc(), JobItemRow.video_id)
        with self._sessions.writing() as session:
            if session.scalar(select(JobRow.status).where(JobRow.id == job_id)) != "running":
                return None
            video_id = session.scalar(longest.limit(1).with_for_update(skip_locked=True))
            if video_id is None:
                return None
            values = {
                "status": "running",
                "token": JobItemRow.token + 1,
                "worker": worker,
                "lease_until_s": now + self._lease_s,
            }
            statement = update(JobItemRow).where(free, JobItemRow.video_id == video_id).values(values)
            row = session.scalars(statement.returning(JobItemRow)).one_or_none()
            return None if row is None else record_of(Item, row)

    def renew(self, item: Item, *, step: int) -> None:
        """Keep an item, and tell how many of its pairs are done. Raises: LostLease."""
        self._change(item, step=step, lease_until_s=self._clock() + self._lease_s)

    def finish(self, item: Item) -> None:
        """Raises: LostLease."""
        self._change(item, status="done", lease_until_s=None)

    def refuse(self, item: Item, code: str, message: str) -> None:
        """End an item that cannot be done. Raises: LostLease."""
        self._change(item, status="refused", lease_until_s=None, error_code=code, error_message=message)

    def release(self, item: Item) -> None:
        """Give an item back as it is. Raises: LostLease."""
        self._change(item, status="queued", worker=None, lease_until_s=None)

    def crashed(self, item: Item, code: str, message: str) -> None:
        """Count that a process died of an item: it is tried once more, then refused. Raises: LostLease."""
        last = JobItemRow.crashes + 1 >= CRASHES
        self._change(
            item,
            crashes=JobItemRow.crashes + 1,
            status=case((last, "refused"), else_="queued"),
            error_code=case((last, code), else_=None),
            error_message=case((last, message), else_=None),
            worker=None,
            lease_until_s=None,
        )

    def tally(self, job_id: str, *, without: str = "") -> Tally:
        """Count a job's items; `without`: leave out the steps of what this worker has in hand."""
        ended = JobItemRow.status.in_(("done", "refused"))
        ours = and_(JobItemRow.status == "running", JobItemRow.worker == without)
        statement = select(
            func.count(case((JobItemRow.status == "queued", 1))),
            func.count(case((JobItemRow.status == "running", 1))),
            func.count(case((ended, 1))),
            func.coalesce(func.sum(JobItemRow.pairs), 0),
            func.coalesce(func.sum(case((ended, JobItemRow.pairs), (ours, 0), else_=JobItemRow.step)), 0),
        ).where(JobItemRow.job_id == job_id)
        with self._sessions.reading() as session:
            waiting, running, over, pairs, done = (int(count) for count in session.execute(statement).one())
            return Tally(waiting=waiting, running=running, ended=over, pairs=pairs, pairs_done=done)

    def all(self, job_id: str) -> tuple[Item, ...]:
        """The items of a job."""
        statement = select(JobItemRow).where(JobItemRow.job_id == job_id).order_by(JobItemRow.video_id)
        with self._sessions.reading() as session:
            return tuple(record_of(Item, row) for row in session.scalars(statement))

    def _change(self, item: Item, **values: object) -> None:
        """The compare-and-set: only who claimed the item last may write."""
        statement = update(JobItemRow).where(
            JobItemRow.job_id == item.job_id,
            JobItemRow.video_id == item.video_id,
            JobItemRow.token == item.token,
            JobItemRow.status == "running",
        )
        with self._sessions.writing() as session:
            if session.scalar(statement.values(**values).returning(JobItemRow.video_id)) is None:
                raise LostLease(f"The video {item.video_id} of job {item.job_id} is in other hands.")
