"""Collections: galleries of fc6 features that can be searched. An index job fills one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pfa_store.attempts import hold
from pfa_store.database import Sessions
from pfa_store.errors import CollectionNotFound, InUse, NameTaken
from pfa_store.files import Files
from pfa_store.idempotency import Once, remember
from pfa_store.job_record import Job
from pfa_store.job_states import DONE
from pfa_store.records import record_of
from pfa_store.references import unfinished_job_with
from pfa_store.schema import CollectionRow, JobRow

CollectionStatus = Literal["empty", "building", "ready", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    name: str
    status: CollectionStatus
    """`ready` while it is being filled again: the old content answers until the new one is there."""
    model: str
    """`name@version` whose features it holds."""
    dataset_id: str | None
    num_items: int
    folder: str | None
    """Relative to the data folder; `Collections.folder` gives the path. None until it was filled once."""
    job_id: str | None
    """The newest job that fills it."""
    created_s: float


class Collections:
    def __init__(self, sessions: Sessions, files: Files, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._files = files
        self._clock = clock

    def create(self, name: str, model: str, *, once: Once | None = None) -> Collection:
        """An empty collection for features of `model` (`name@version`). Raises: NameTaken."""
        row = CollectionRow(name=name, status="empty", model=model, num_items=0, created_s=self._clock())
        try:
            with self._sessions.writing() as session:
                session.add(row)
                session.flush()
                remember(session, once, made=name, now_s=row.created_s)
                return _record(session, row)
        except IntegrityError as error:
            raise NameTaken(f"There is already a collection {name!r}; choose another name.", name=name) from error

    def get(self, name: str) -> Collection:
        """Raises: CollectionNotFound."""
        with self._sessions.reading() as session:
            return _record(session, _row(session, name))

    def list(self) -> tuple[Collection, ...]:
        """All collections, by name."""
        with self._sessions.reading() as session:
            rows = session.scalars(select(CollectionRow).order_by(CollectionRow.name))
            return tuple(_record(session, row) for row in rows)

    def folder(self, collection: Collection) -> Path | None:
        """Where its index lies; None until it was filled once."""
        return None if collection.folder is None else self._files.absolute(collection.folder)

    def begin(self, name: str, *, model: str, job: Job) -> Collection:
        """Note that `job` fills the collection, which is made if it does not exist. Raises: LostLease."""
        with self._sessions.writing() as session:
            hold(session, job)
            row = session.get(CollectionRow, name)
            if row is None:
                row = CollectionRow(name=name, status="empty", model=model, num_items=0, created_s=self._clock())
                session.add(row)
            if row.folder is None:
                row.status, row.model = "building", model
            row.job_id = job.id
            session.flush()
            return _record(session, row)

    def publish(
        self, folder: Path, name: str, job: Job, *, model: str, dataset_id: str | None, num_items: int
    ) -> Collection:
        """Put a finished index folder in the place of what the collection held.

        Raises:
            CollectionNotFound: it was deleted meanwhile.
            LostLease: this attempt of the job is no longer the one that may publish.
        """
        target = self._files.collection(name) / f"{job.id}-{job.token}"
        with self._sessions.writing() as session:
            hold(session, job)
            before = _row(session, name).folder
            self._files.remove(target)
            self._files.move(folder, target)
            statement = update(CollectionRow).where(CollectionRow.name == name)
            row = session.scalars(
                statement.values(
                    status="ready",
                    model=model,
                    dataset_id=dataset_id,
                    num_items=num_items,
                    folder=self._files.relative(target),
                    job_id=job.id,
                ).returning(CollectionRow),
                execution_options={"populate_existing": True},
            ).one()
            published = _record(session, row)
        if before is not None and before != published.folder:
            self._files.remove(self._files.absolute(before))
        return published

    def delete(self, name: str) -> None:
        """Raises: CollectionNotFound; InUse: an unfinished job fills it."""
        with self._sessions.writing() as session:
            row = _row(session, name)
            job_id = unfinished_job_with(session, ["collection"], name)
            if job_id is not None:
                raise InUse(f"The job {job_id} fills this collection; cancel it or wait for its end.")
            session.delete(row)
        self._files.remove(self._files.collection(name))


def _row(session: Session, name: str) -> CollectionRow:
    row = session.get(CollectionRow, name)
    if row is None:
        raise CollectionNotFound(f"There is no collection {name!r}.")
    return row


def _record(session: Session, row: CollectionRow) -> Collection:
    """A collection whose job ended without filling it has failed, however the job ended."""
    status = row.status
    if status == "building":
        job_status = session.scalar(select(JobRow.status).where(JobRow.id == row.job_id))
        status = "failed" if job_status in (None, *DONE) else "building"
    return record_of(Collection, row, status=status)
