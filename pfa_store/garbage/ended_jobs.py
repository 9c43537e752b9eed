"""What jobs leave behind: history, files, checkpoints, and what dead attempts made.

Of a job that is not over nothing is touched but the output of attempts before the present one, which are fenced off.
The other things go in two transactions. The first says so in the job's row; from then on readers are told that it was
removed. The second holds that row, so that nobody can try the job again meanwhile, and takes the files from their
place, one rename each. A crash between the two leaves files that the next sweep finds: it looks at the disk, not at the
marks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from pfa_store.database import Sessions
from pfa_store.files import Files
from pfa_store.garbage.piece import Kind, Piece, changed_s, entries, size_on_disk
from pfa_store.garbage.retention import Retention
from pfa_store.job_log import JobLog
from pfa_store.job_record import event
from pfa_store.job_states import DONE, HELD
from pfa_store.schema import JobEventRow, JobItemRow, JobRow

BATCH = 100
KEPT_EVENTS = ("left_out", "history_removed")
"""A job that is tried again tells in its result what was left out before."""
CURVE = frozenset({"metrics.jsonl", "times.jsonl", "figures", "tensorboard"})
"""What `pfa_core.history` writes: to look at, also when nothing can go on from it any more."""
MARK: dict[Kind, InstrumentedAttribute[float | None]] = {
    "history": JobRow.history_gone_s,
    "files": JobRow.files_gone_s,
    "checkpoints": JobRow.checkpoints_gone_s,
}
_OUTPUT = re.compile(r"(out|files)-([0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A job as far as it matters here."""

    id: str
    status: str
    token: int
    finished_s: float | None
    history_gone_s: float | None
    files_gone_s: float | None
    checkpoints_gone_s: float | None


class EndedJobs:
    def __init__(self, sessions: Sessions, files: Files, retention: Retention) -> None:
        self._sessions = sessions
        self._files = files
        self._retention = retention

    def events(self, now_s: float, dry_run: bool) -> Iterator[Piece | None]:
        """Forget the events of jobs that ended long ago, and which videos they took in turn."""
        if self._retention.history_s is None:
            return
        before_s, after = now_s - self._retention.history_s, ""
        due = (JobRow.status.in_(DONE), JobRow.finished_s < before_s, JobRow.history_gone_s.is_(None))
        while True:
            with self._sessions.reading() as session:
                page = select(JobRow.id).where(*due, JobRow.id > after).order_by(JobRow.id).limit(BATCH)
                ids = session.scalars(page).all()
            for job_id in ids:
                if dry_run or self._forget(job_id, before_s, now_s):
                    yield Piece(kind="history", name=job_id, why="its events: it ended long ago", num_bytes=0)
            if not ids:
                return
            after = ids[-1]

    def folders(self, now_s: float, dry_run: bool) -> Iterator[Piece | None]:
        """Clear the folders of jobs of what is no longer to be kept; a folder of no job goes as a whole."""
        found = entries(self._files.job("any").parent)
        for first in range(0, len(found), BATCH):
            batch = found[first : first + BATCH]
            columns = [getattr(JobRow, name) for name in _Ended.__dataclass_fields__]
            with self._sessions.reading() as session:
                rows = session.execute(select(*columns).where(JobRow.id.in_([path.name for path in batch])))
                jobs = {row.id: _Ended(**row._mapping) for row in rows}
            for folder in batch:
                job = jobs.get(folder.name)
                yield from self._orphan(folder, now_s, dry_run) if job is None else self._of(job, now_s, dry_run)
                yield None

    def _forget(self, job_id: str, before_s: float, now_s: float) -> bool:
        """Mark and delete in one transaction; False: the job is no longer over."""
        over = (JobRow.id == job_id, JobRow.status.in_(DONE), JobRow.finished_s < before_s)
        with self._sessions.writing() as session:
            marked = update(JobRow).where(*over).values(history_gone_s=now_s).returning(JobRow.status)
            status = session.scalars(marked, execution_options={"synchronize_session": False}).one_or_none()
            if status is None:
                return False
            gone = delete(JobEventRow).where(JobEventRow.job_id == job_id, JobEventRow.kind.not_in(KEPT_EVENTS))
            ids = session.scalars(gone.returning(JobEventRow.id), execution_options={"synchronize_session": False})
            session.add(event(job_id, now_s, "history_removed", num_events=len(ids.all())))
            if status == "succeeded":  # any other may be tried again, and refuses what it refused before
                session.execute(delete(JobItemRow).where(JobItemRow.job_id == job_id))
        return True

    def _orphan(self, folder: Path, now_s: float, dry_run: bool) -> Iterator[Piece]:
        if now_s - changed_s(folder) > self._retention.orphans_s:
            piece = self._piece("orphans", [folder], "no job has this id")
            if not dry_run:
                self._files.remove(folder)
            yield piece

    def _of(self, job: _Ended, now_s: float, dry_run: bool) -> Iterator[Piece]:
        for path in self._dead_outputs(job):
            if now_s - changed_s(path) > self._retention.orphans_s:
                piece = self._piece("outputs", [path], "the attempt that made it is over")
                if not dry_run:
                    self._files.remove(path)
                yield piece
        if job.status not in DONE or job.finished_s is None:
            return
        left: tuple[tuple[Kind, float | None, list[Path]], ...] = (
            ("history", self._retention.history_s, self._history(job)),
            ("files", self._retention.files_s, self._made(job)),
            ("checkpoints", self._checkpoints_after_s(job), self._scratch(job)),
        )
        for kind, after_s, paths in left:
            began = getattr(job, f"{kind}_gone_s") is not None
            if paths and (began or (after_s is not None and now_s - job.finished_s > after_s)):
                piece = self._piece(
                    kind, paths, f"the job {job.status} {(now_s - job.finished_s) / 86400:.1f} days ago"
                )
                if dry_run or self._remove(job, kind, paths, now_s):
                    yield piece

    def _checkpoints_after_s(self, job: _Ended) -> float | None:
        """Nothing goes on from those of a job that succeeded; its worker, unless it died then, has removed them."""
        return self._retention.orphans_s if job.status == "succeeded" else self._retention.checkpoints_s

    def _dead_outputs(self, job: _Ended) -> list[Path]:
        """What attempts left that are over, but the files of the one that succeeded. Tokens only rise."""
        dead = []
        for path in entries(self._files.job(job.id)):
            parts = _OUTPUT.fullmatch(path.name)
            if parts is not None and int(parts[2]) <= job.token:
                newest = int(parts[2]) == job.token
                kept = newest and (job.status in HELD or (parts[1] == "files" and job.status == "succeeded"))
                if not kept:
                    dead.append(path)
        return dead

    def _history(self, job: _Ended) -> list[Path]:
        """The curve of a job that may be tried again stays as long as its checkpoints: it is written on."""
        log = JobLog(self._files, job.id)
        paths = [log.path, log.before, log.before.with_suffix(".tmp")]
        if job.status == "succeeded":
            paths += [path for path in self._work(job) if path.name in CURVE]
        return [path for path in paths if path.exists()]

    def _made(self, job: _Ended) -> list[Path]:
        folder = self._files.job_files(job.id, job.token)
        return [folder] if job.status == "succeeded" and folder.is_dir() else []

    def _scratch(self, job: _Ended) -> list[Path]:
        return [path for path in self._work(job) if job.status != "succeeded" or path.name not in CURVE]

    def _work(self, job: _Ended) -> list[Path]:
        return [path for half in (False, True) for path in entries(self._files.job_work(job.id, half_batch=half))]

    def _remove(self, job: _Ended, kind: Kind, paths: Sequence[Path], now_s: float) -> bool:
        """False: the job was tried again meanwhile, and keeps what it has."""
        as_it_was = (JobRow.id == job.id, JobRow.status == job.status, JobRow.finished_s == job.finished_s)
        with self._sessions.writing() as session:
            unmarked = update(JobRow).where(*as_it_was, MARK[kind].is_(None))
            session.execute(unmarked.values({MARK[kind]: now_s}), execution_options={"synchronize_session": False})
        graves: list[Path | None] = []
        try:
            with self._sessions.writing() as session:
                if not held(session, *as_it_was, MARK[kind].is_not(None)):
                    return False
                graves += [self._files.bury(path) for path in paths]
            for path in paths:
                self._files.shelf.forget(path)
        finally:
            for grave in graves:
                self._files.empty(grave)
        return True

    def _piece(self, kind: Kind, paths: Sequence[Path], why: str) -> Piece:
        common = paths[0] if len(paths) == 1 else paths[0].parent
        num_bytes = sum(map(size_on_disk, paths))
        return Piece(kind=kind, name=self._files.relative(common), why=why, num_bytes=num_bytes)


def held(session: Session, *conditions: object) -> bool:
    """Keep a job's row as it is until the transaction ends; False: there is none like that."""
    statement = select(JobRow.id).where(*conditions)  # type: ignore[arg-type]  # columns' conditions, gathered in tuples
    return session.scalar(statement.with_for_update()) is not None
