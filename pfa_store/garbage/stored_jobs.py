"""What ended jobs leave in an object store, whichever host had it on its disk: mirrors, and files for users.

It looks at the store, not at marks, so what a crash left is found again. The row of a job that may be tried again is
held while its mirror goes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from pfa_store.database import Sessions
from pfa_store.files import Files
from pfa_store.garbage.ended_jobs import held
from pfa_store.garbage.piece import Piece
from pfa_store.garbage.retention import Retention
from pfa_store.job_mirror import MIRRORS, job_of
from pfa_store.job_states import DONE, HELD
from pfa_store.object_shelf import ObjectShelf
from pfa_store.objects import Objects
from pfa_store.schema import JobRow

_FILES = re.compile(r"files-([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class _Job:
    """A job as far as it matters here."""

    id: str
    status: str
    token: int
    finished_s: float | None
    files_gone_s: float | None

    def ended_before(self, moment_s: float) -> bool:
        return self.status in DONE and self.finished_s is not None and self.finished_s < moment_s

    def as_it_is(self) -> tuple[object, ...]:
        return JobRow.id == self.id, JobRow.status == self.status, JobRow.finished_s == self.finished_s


class StoredJobs:
    def __init__(
        self, sessions: Sessions, files: Files, objects: Objects, shelf: ObjectShelf, retention: Retention
    ) -> None:
        self._sessions = sessions
        self._files = files
        self._objects = objects
        self._shelf = shelf
        self._retention = retention

    def mirrors(self, now_s: float, dry_run: bool) -> Iterator[Piece | None]:
        """Remove those of jobs whose history is gone, and what a retry would go on from, where one may come."""
        for job_id, group in groupby(self._objects.list(MIRRORS), key=lambda entry: job_of(entry[0])):
            entries = list(group)
            job, keys, name = self._job(job_id), [key for key, _ in entries], f"{MIRRORS}{job_id}"
            if job is None:
                if now_s - max(stored_s for _, stored_s in entries) > self._retention.orphans_s:
                    if not dry_run:
                        self._objects.delete(keys)
                    yield Piece(kind="orphans", name=name, why="no job has this id", num_bytes=0)
            elif self._unwanted(job, now_s) and (dry_run or self._delete_mirror(job, keys, now_s)):
                yield Piece(kind="history", name=name, why=f"the job {job.status} long ago", num_bytes=0)
            yield None

    def files(self, now_s: float, dry_run: bool) -> Iterator[Piece | None]:
        """Remove what jobs made for users after its time, and what attempts made that are over."""
        for path, stored_s in self._shelf.below(self._files.job("any").parent):
            parts = _FILES.fullmatch(path.name)
            if parts is None:
                continue
            job, name = self._job(path.parent.name), self._files.relative(path)
            if job is not None and job.status == "succeeded" and job.token == int(parts[1]):
                if job.files_gone_s is not None or self._over(self._retention.files_s, job, now_s):
                    if not dry_run:
                        with self._sessions.writing() as session:  # readers are told first; nobody tries it again
                            _mark(session, job, JobRow.files_gone_s, now_s)
                        self._shelf.forget(path)
                    yield Piece(kind="files", name=name, why="the job succeeded long ago", num_bytes=0)
            elif now_s - stored_s > self._retention.orphans_s and not _may_count(job, int(parts[1])):
                if not dry_run:
                    self._shelf.forget(path)
                yield Piece(kind="outputs", name=name, why="the attempt that made it is over", num_bytes=0)
            yield None

    def _job(self, job_id: str) -> _Job | None:
        columns = [getattr(JobRow, name) for name in _Job.__dataclass_fields__]
        with self._sessions.reading() as session:
            row = session.execute(select(*columns).where(JobRow.id == job_id)).one_or_none()
        return None if row is None else _Job(**row._mapping)

    def _over(self, kept_s: float | None, job: _Job, now_s: float) -> bool:
        return kept_s is not None and job.ended_before(now_s - kept_s)

    def _unwanted(self, job: _Job, now_s: float) -> bool:
        """A job that succeeded has its curve and log there; any other also what a retry goes on from."""
        checkpoints = job.status == "succeeded" or self._over(self._retention.checkpoints_s, job, now_s)
        return checkpoints and self._over(self._retention.history_s, job, now_s)

    def _delete_mirror(self, job: _Job, keys: list[str], now_s: float) -> bool:
        """False: the job was tried again meanwhile, and keeps it."""
        with self._sessions.writing() as session:
            if not held(session, *job.as_it_is()):
                return False
            if job.status != "succeeded":
                _mark(session, job, JobRow.checkpoints_gone_s, now_s)
            self._objects.delete(keys)
        return True


def _mark(session: Session, job: _Job, column: InstrumentedAttribute[float | None], now_s: float) -> None:
    """Say since when it is gone."""
    unmarked = update(JobRow).where(JobRow.id == job.id, column.is_(None))
    session.execute(unmarked.values({column: now_s}), execution_options={"synchronize_session": False})


def _may_count(job: _Job | None, token: int) -> bool:
    """Whether files of this attempt may become the job's. Tokens only rise."""
    return job is not None and (token > job.token or (token == job.token and job.status in HELD))
