"""Collections: galleries of fc6 features that can be searched. An index job fills one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pfa_core.errors import IndexDamaged, ModelUnsuitable
from pfa_core.gallery_format import read_manifest
from pfa_core.gallery_item import ItemFilter
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.retrieval import item_not_found
from pfa_store.attempts import hold
from pfa_store.database import Sessions
from pfa_store.errors import CollectionNotFound, InUse, NameTaken
from pfa_store.files import Files
from pfa_store.gallery_change import changing
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
    """`ready` while more is added: the old content answers until the new one is there."""
    model: str
    """`name@version` whose features it holds."""
    dataset_id: str | None
    """The data set that was added last."""
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
        """Where its index lies, on this host from now on; None until it was filled once."""
        return None if collection.folder is None else self._files.shelf.here(self._files.absolute(collection.folder))

    def begin(self, name: str, *, model: str, job: Job, replace: bool = False) -> Collection:
        """Note that `job` fills the collection, which is made if it does not exist.

        Raises:
            ModelUnsuitable: it holds features of another model, and is not to be replaced.
            LostLease: this attempt of the job is no longer the one that may write.
        """
        with self._sessions.writing() as session:
            hold(session, job)
            row = session.get(CollectionRow, name)
            if row is None:
                row = CollectionRow(name=name, status="empty", model=model, num_items=0, created_s=self._clock())
                session.add(row)
            elif not replace:
                need_same_model(_record(session, row), model)
            if row.folder is None:
                row.status, row.model = "building", model
            row.job_id = job.id
            session.flush()
            return _record(session, row)

    def holds(self, name: str, job: Job) -> Collection | None:
        """The collection, if an attempt of `job` has filled it that was lost before it could say so.

        Raises:
            CollectionNotFound: it was deleted meanwhile.
        """
        folder = self.folder(self.get(name))
        try:
            manifest = None if folder is None else read_manifest(folder)
        except IndexDamaged:
            return None
        if manifest is None or job.id not in manifest.appended:
            return None
        with self._sessions.writing() as session:
            hold(session, job)
            row = _row(session, name)
            row.status, row.num_items = "ready", manifest.num_items
            session.flush()
            return _record(session, row)

    def publish(
        self,
        writer: SegmentWriter,
        name: str,
        job: Job,
        *,
        model: str,
        dataset_id: str | None,
        num_features: int,
        replace: bool = False,
    ) -> Collection:
        """Add a written segment to the collection, or put it in the place of what there was; once a job.

        Raises:
            CollectionNotFound: it was deleted meanwhile.
            ModelUnsuitable: it got features of another model meanwhile.
            LostLease: this attempt of the job is no longer the one that may publish.
        """
        with self._sessions.writing() as session:
            hold(session, job)  # asked before anything is moved, too
        default = self._files.relative(self._files.collection(name) / job.id)
        with changing(self._files, name, present=partial(self._named, name), default=default, anew=replace) as change:
            change.edit.append(writer, key=job.id, model=model, num_features=num_features, replaces=replace)
            change.share()
            with self._sessions.writing() as session:
                hold(session, job)
                row = _row(session, name)
                change.need_unchanged(row.folder)
                published = change.edit.publish()
                row.status, row.model, row.dataset_id = "ready", model, dataset_id
                row.num_items, row.folder, row.job_id = published.num_items, change.folder, job.id
                session.flush()
                return _record(session, row)

    def delete_items(self, name: str, chosen: ItemFilter | int) -> int:
        """Delete the items that a filter lets through, or one by its id; returns how many.

        Raises:
            CollectionNotFound: there is no such collection.
            ItemNotFound: there is no item with that id.
        """
        folder = self.folder(self.get(name))
        if folder is None:
            if isinstance(chosen, int):
                raise item_not_found(chosen)
            return 0
        with changing(self._files, name, present=partial(self._named, name)) as change:
            if isinstance(chosen, ItemFilter):
                num_deleted = change.edit.delete_where(chosen)
            else:
                num_deleted = change.edit.delete(np.array([chosen]))
                if num_deleted == 0:
                    raise item_not_found(chosen)
            if num_deleted:
                change.share()
                with self._sessions.writing() as session:
                    row = _row(session, name)
                    change.need_unchanged(row.folder)
                    row.num_items, row.folder = change.edit.publish().num_items, change.folder
                    row.status = "ready" if row.num_items else "empty"
        return num_deleted

    def _named(self, name: str) -> str | None:
        """The folder that the collection's row names. Raises: CollectionNotFound."""
        with self._sessions.reading() as session:
            return _row(session, name).folder

    def delete(self, name: str) -> None:
        """Raises: CollectionNotFound; InUse: an unfinished job fills it."""
        with self._sessions.writing() as session:
            row = _row(session, name)
            job_id = unfinished_job_with(session, ["collection"], name)
            if job_id is not None:
                raise InUse(f"The job {job_id} fills this collection; cancel it or wait for its end.")
            session.delete(row)
        self._files.unpublish(self._files.collection(name))


def need_same_model(collection: Collection, model: str) -> None:
    """Raises: ModelUnsuitable: the collection is for another model."""
    if collection.model != model:
        raise ModelUnsuitable(
            f"The collection {collection.name!r} holds features of {collection.model}, not of {model}. Name that model,"
            " or set `replace`.",
            model=collection.model,
        )


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
