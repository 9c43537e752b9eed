"""The items of a job that needs packs: its videos and the parts of long ones, so that several workers can share it.

An item is claimed, renewed and ended by compare-and-set, as a job is: every claim raises its token, and who lost an
item gets LostLease. What is done is counted here, not by any worker: a pack can be claimed, to be put together, once
all parts of its video are done. What is wrong with a part is wrong with its video.
"""

import sys
from collections.abc import Callable, Mapping

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from pfa_store.attempts import hold
from pfa_store.database import Sessions
from pfa_store.errors import LostLease
from pfa_store.item_record import Item, Tally
from pfa_store.job_record import Job
from pfa_store.parts import Part, parts_of
from pfa_store.records import record_of
from pfa_store.schema import JobItemRow, JobRow
from pfa_store.settings import Settings

CRASHES = 2
"""A video a part of which killed its process this often is refused, and the job goes on."""
POSTPONED_S = 2.0
"""How long an item that somebody else's job has in hand is left alone."""

_OWNER = "attempt "


def owner(job: Job) -> str:
    """The name under which a job's own runner claims items."""
    return f"{_OWNER}{job.token}"


class Items:
    def __init__(self, sessions: Sessions, settings: Settings, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._lease_s = settings.lease_s
        # Parts of a pack are put together in one folder.
        self._part_frames = sys.maxsize if settings.objects_url else settings.part_frames
        self._clock = clock

    def enqueue(self, job: Job, num_frames: Mapping[str, int]) -> None:
        """Record the items of a job, at the start of an attempt; by video id, how many frames the videos have.

        What an earlier attempt refused stays refused. What it had done is queued again: the packs are found, so that
        costs a look at their checksums. So is what its runner, which is gone, had in hand. What it cut stays cut so.

        Raises:
            LostLease: another attempt has begun, or the job is over.
        """
        orphaned = and_(
            JobItemRow.status == "running", JobItemRow.worker.startswith(_OWNER), JobItemRow.worker != owner(job)
        )
        with self._sessions.writing() as session:
            hold(session, job)
            known = _lock(session, JobItemRow.job_id == job.id)
            session.execute(
                update(JobItemRow)
                .where(JobItemRow.job_id == job.id, or_(JobItemRow.status == "done", orphaned))
                .values(status="queued", step=0, worker=None, lease_until_s=None)
            )
            for video_id, count in num_frames.items():
                if video_id not in known:
                    session.add_all(self._rows(job, video_id, count))

    def _rows(self, job: Job, video_id: str, num_frames: int) -> list[JobItemRow]:
        parts = parts_of(num_frames, part_frames=self._part_frames)
        whole = Part(number=0, first_frame=0, num_frames=None, pairs=0 if parts else max(0, num_frames - 1))
        return [
            JobItemRow(
                job_id=job.id,
                video_id=video_id,
                part=part.number,
                first_frame=part.first_frame,
                num_frames=part.num_frames,
                status="queued",
                pairs=part.pairs,
                step=0,
                crashes=0,
                token=0,
            )
            for part in (whole, *parts)
        ]

    def claim(self, job_id: str, worker: str) -> Item | None:
        """Take an item that nobody has: first a pack to put together, then the longest.

        None if there is none or the job is not running.
        """
        now = self._clock()
        free = and_(JobItemRow.job_id == job_id, _is_free(now))
        choice = (
            select(JobItemRow.video_id, JobItemRow.part)
            .where(free)
            .order_by(case((JobItemRow.pairs == 0, 0), else_=1), JobItemRow.pairs.desc())
            .order_by(JobItemRow.video_id, JobItemRow.part)
        )
        with self._sessions.writing() as session:
            if session.scalar(select(JobRow.status).where(JobRow.id == job_id)) != "running":
                return None
            found = session.execute(choice.limit(1).with_for_update(skip_locked=True)).one_or_none()
            if found is None:
                return None
            values = {
                "status": "running",
                "token": JobItemRow.token + 1,
                "worker": worker,
                "lease_until_s": now + self._lease_s,
            }
            statement = update(JobItemRow).where(
                free, JobItemRow.video_id == found.video_id, JobItemRow.part == found.part
            )
            row = session.scalars(statement.values(values).returning(JobItemRow)).one_or_none()
            return None if row is None else record_of(Item, row)

    def renew(self, item: Item, *, step: int) -> None:
        """Keep an item, and tell how many of its pairs are done. Raises: LostLease."""
        self._change(item, step=step, lease_until_s=self._clock() + self._lease_s)

    def finish(self, item: Item) -> None:
        """Raises: LostLease."""
        self._change(item, status="done", lease_until_s=None)

    def refuse(self, item: Item, code: str, message: str) -> None:
        """End a video that cannot be done, with all its parts, whoever has them. Raises: LostLease."""
        with self._sessions.writing() as session:
            _lock(session, *_of_video(item))
            self._changed(session, item, status="refused")
            _refuse_all(session, item, code, message)

    def release(self, item: Item) -> None:
        """Give an item back as it is. Raises: LostLease."""
        self._change(item, status="queued", worker=None, lease_until_s=None)

    def postpone(self, item: Item) -> None:
        """Give an item back that is in the hands of another job; it is not free for a moment. Raises: LostLease."""
        self._change(item, status="queued", worker=None, lease_until_s=self._clock() + POSTPONED_S)

    def crashed(self, item: Item, code: str, message: str) -> None:
        """Count that a process died of an item: it is tried once more, then its video is refused. Raises: LostLease."""
        back = {"status": "queued", "worker": None, "lease_until_s": None}
        with self._sessions.writing() as session:
            _lock(session, *_of_video(item))
            counted = self._changed(session, item, crashes=JobItemRow.crashes + 1, **back)
            if counted.crashes >= CRASHES:
                _refuse_all(session, item, code, message)

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
        """The items of a job, by video and part."""
        whole = select(JobItemRow).where(JobItemRow.job_id == job_id)
        statement = whole.order_by(JobItemRow.video_id, JobItemRow.part)
        with self._sessions.reading() as session:
            return tuple(record_of(Item, row) for row in session.scalars(statement))

    def refused(self, job_id: str) -> Mapping[str, tuple[str, str]]:
        """Code and message of the videos of a job that cannot be done, by id."""
        columns = (JobItemRow.video_id, JobItemRow.error_code, JobItemRow.error_message)
        where = (JobItemRow.job_id == job_id, JobItemRow.status == "refused", JobItemRow.part == 0)
        with self._sessions.reading() as session:
            found = session.execute(select(*columns).where(*where))
            return {row.video_id: (row.error_code or "", row.error_message or "") for row in found}

    def _change(self, item: Item, **values: object) -> None:
        with self._sessions.writing() as session:
            self._changed(session, item, **values)

    @staticmethod
    def _changed(session: Session, item: Item, **values: object) -> JobItemRow:
        """The compare-and-set: only who claimed the item last may write."""
        ours = (
            *_of_video(item),
            JobItemRow.part == item.part,
            JobItemRow.token == item.token,
            JobItemRow.status == "running",
        )
        row = session.scalars(
            update(JobItemRow).where(*ours).values(**values).returning(JobItemRow),
            execution_options={"populate_existing": True},
        ).one_or_none()
        if row is None:
            raise LostLease(f"The video {item.video_id} of job {item.job_id} is in other hands.")
        return row


def _is_free(now_s: float) -> ColumnElement[bool]:
    """Items that may be claimed: that nobody has, or a silent worker; a pack only when its parts are done."""
    part = aliased(JobItemRow)
    unfinished = exists().where(
        part.job_id == JobItemRow.job_id, part.video_id == JobItemRow.video_id, part.part > 0, part.status != "done"
    )
    return and_(
        or_(
            and_(
                JobItemRow.status == "queued",
                or_(JobItemRow.lease_until_s.is_(None), JobItemRow.lease_until_s < now_s),
            ),
            and_(JobItemRow.status == "running", JobItemRow.lease_until_s < now_s),
        ),
        or_(JobItemRow.part > 0, ~unfinished),
    )


def _of_video(item: Item) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return JobItemRow.job_id == item.job_id, JobItemRow.video_id == item.video_id


def _lock(session: Session, *where: ColumnElement[bool]) -> set[str]:
    """Keep several items as they are until the transaction ends; returns their videos.

    All who need more than one lock them in one order, so that no two wait for each other.
    """
    in_order = select(JobItemRow.video_id).where(*where).order_by(JobItemRow.video_id, JobItemRow.part)
    return set(session.scalars(in_order.with_for_update()))


def _refuse_all(session: Session, item: Item, code: str, message: str) -> None:
    session.execute(
        update(JobItemRow)
        .where(*_of_video(item))
        .values(status="refused", lease_until_s=None, error_code=code, error_message=message)
    )
