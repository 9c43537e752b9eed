"""Named sets of videos or of images, with what is known about each item."""

import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pfa_core.errors import DatasetUnsuitable
from pfa_store.database import Sessions
from pfa_store.disk import disk_errors
from pfa_store.errors import DatasetNotFound, InUse, NameTaken, VideoNotFound
from pfa_store.files import Files
from pfa_store.idempotency import Once, remember
from pfa_store.images import Images
from pfa_store.paging import Page, newest_first
from pfa_store.records import record_of
from pfa_store.references import DATASETS, unfinished_job_with
from pfa_store.schema import CollectionRow, DatasetItemRow, DatasetRow, VideoRow

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoItem:
    """A video to put into a data set."""

    video_id: str
    label: str | None = None
    group: str | None = None
    split: Split | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageItem:
    """An image (one person of it) to put into a data set."""

    file: str
    image_sha256: str
    label: str | None = None
    group: str | None = None
    split: Split | None = None
    person: Mapping[str, Any] | None = None
    """{joints: {name: [x_px, y_px, visible]}, torso_box, person_box: [x, y, w, h] px}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    id: str
    name: str
    kind: Literal["videos", "images"]
    joint_names: tuple[str, ...] | None
    num_items: int
    created_s: float
    key_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetItem:
    """A video, or one person (or one label) in an image."""

    position: int
    video_id: str | None
    image_sha256: str | None
    file: str
    label: str | None
    group: str | None
    split: Split | None
    person: Mapping[str, Any] | None


class Datasets:
    def __init__(self, sessions: Sessions, files: Files, images: Images, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._files = files
        self._images = images
        self._clock = clock

    def create_from_videos(
        self, name: str, items: Sequence[VideoItem], *, key_id: str | None = None, once: Once | None = None
    ) -> Dataset:
        """Raises: NameTaken, VideoNotFound; DatasetUnsuitable: no items."""
        with self._files.lock("videos"), self._sessions.writing() as session:
            known = _filenames(session, {item.video_id for item in items})
            missing = next((item.video_id for item in items if item.video_id not in known), None)
            if missing is not None:
                raise VideoNotFound(f"There is no video {missing!r}.")
            rows = [
                DatasetItemRow(
                    position=position,
                    video_id=item.video_id,
                    file=known[item.video_id],
                    label=item.label,
                    group=item.group,
                    split=item.split,
                )
                for position, item in enumerate(items)
            ]
            return self._insert(session, DatasetRow(name=name, kind="videos", key_id=key_id), rows, once)

    def create_from_images(
        self,
        name: str,
        joint_names: Sequence[str] | None,
        items: Sequence[ImageItem],
        *,
        key_id: str | None = None,
        once: Once | None = None,
    ) -> Dataset:
        """`joint_names`: the joints that persons may have, in the order of the heatmaps; None: labels only.

        Raises:
            NameTaken: another data set has this name.
            DatasetUnsuitable: no items, or an image that was not added before.
        """
        with self._files.lock("images"), contextlib.ExitStack() as stack:
            sizes = self._image_sizes({item.image_sha256 for item in items})
            session = stack.enter_context(self._sessions.writing())
            rows = [
                DatasetItemRow(
                    position=position,
                    image_sha256=item.image_sha256,
                    image_bytes=sizes[item.image_sha256],
                    file=item.file,
                    label=item.label,
                    group=item.group,
                    split=item.split,
                    person=None if item.person is None else dict(item.person),
                )
                for position, item in enumerate(items)
            ]
            joints = None if joint_names is None else list(joint_names)
            row = DatasetRow(name=name, kind="images", joint_names=joints, key_id=key_id)
            return self._insert(session, row, rows, once)

    def get(self, id_or_name: str) -> Dataset:
        """Raises: DatasetNotFound."""
        with self._sessions.reading() as session:
            return _record(session, _row(session, id_or_name))

    def items(self, id_or_name: str) -> tuple[DatasetItem, ...]:
        """The items in their order. Raises: DatasetNotFound."""
        with self._sessions.reading() as session:
            dataset = _row(session, id_or_name)
            statement = (
                select(DatasetItemRow).where(DatasetItemRow.dataset_id == dataset.id).order_by(DatasetItemRow.position)
            )
            return tuple(record_of(DatasetItem, row) for row in session.scalars(statement))

    def list(self, *, limit: int = 50, cursor: str | None = None) -> Page[Dataset]:
        """Data sets, newest first.

        Raises:
            ConfigInvalid: the cursor or the limit cannot be used.
        """
        with self._sessions.reading() as session:
            return newest_first(
                session,
                select(DatasetRow),
                time=DatasetRow.created_s,
                key=DatasetRow.id,
                record=lambda row: _record(session, row),
                limit=limit,
                cursor=cursor,
            )

    def delete(self, id_or_name: str) -> None:
        """Delete a data set, and its images that no other one holds. Its videos stay.

        Raises:
            DatasetNotFound: there is no such data set.
            InUse: an unfinished job or a collection names it.
        """
        with self._files.lock("images"):
            with self._sessions.writing() as session:
                row = _row(session, id_or_name)
                _refuse_if_used(session, row)
                of_it = select(DatasetItemRow.image_sha256).where(DatasetItemRow.dataset_id == row.id)
                images = {sha256 for sha256 in session.scalars(of_it) if sha256 is not None}
                session.delete(row)
                session.flush()
                others = select(DatasetItemRow.image_sha256).distinct()
                images -= set(session.scalars(others)) if images else set()
            for sha256 in images:
                self._images.remove(sha256)

    def _image_sizes(self, sha256s: set[str]) -> dict[str, int]:
        """Bytes of each image. Raises: DatasetUnsuitable: one is not there."""
        missing = self._images.missing(sha256s)
        if missing is not None:
            raise DatasetUnsuitable(f"The image {missing} was not uploaded.")
        with disk_errors():
            return {sha256: self._images.path(sha256).stat().st_size for sha256 in sha256s}

    def _insert(self, session: Session, row: DatasetRow, items: Sequence[DatasetItemRow], once: Once | None) -> Dataset:
        if not items:
            raise DatasetUnsuitable("A data set needs at least one item.")
        row.id = f"ds_{uuid.uuid4().hex}"
        row.created_s = self._clock()
        session.add(row)
        try:
            session.flush()
        except IntegrityError as error:
            raise NameTaken(f"There is already a data set {row.name!r}; choose another name.", name=row.name) from error
        for item in items:
            item.dataset_id = row.id
        session.add_all(items)
        remember(session, once, made=row.id, now_s=row.created_s)
        session.flush()
        return _record(session, row)


def _row(session: Session, id_or_name: str) -> DatasetRow:
    statement = select(DatasetRow).where(or_(DatasetRow.id == id_or_name, DatasetRow.name == id_or_name))
    row = session.scalars(statement.order_by(DatasetRow.id != id_or_name)).first()
    if row is None:
        raise DatasetNotFound(f"There is no data set {id_or_name!r}.")
    return row


def _record(session: Session, row: DatasetRow) -> Dataset:
    count = select(func.count()).where(DatasetItemRow.dataset_id == row.id)
    return record_of(Dataset, row, num_items=session.scalar(count))


def _filenames(session: Session, video_ids: set[str]) -> dict[str, str]:
    """File name by id, of those videos that exist."""
    found: dict[str, str] = {}
    ordered = sorted(video_ids)
    for first in range(0, len(ordered), 500):  # databases bound the number of parameters
        statement = select(VideoRow.id, VideoRow.filename).where(VideoRow.id.in_(ordered[first : first + 500]))
        found.update((video_id, filename) for video_id, filename in session.execute(statement))
    return found


def _refuse_if_used(session: Session, row: DatasetRow) -> None:
    job_id = unfinished_job_with(session, DATASETS, row.id, row.name)
    if job_id is not None:
        raise InUse(f"The job {job_id} uses this data set; cancel it or wait for its end.")
    collection = session.scalar(select(CollectionRow.name).where(CollectionRow.dataset_id == row.id).limit(1))
    if collection is not None:
        raise InUse(f"The collection {collection!r} was made from this data set; delete the collection first.")
