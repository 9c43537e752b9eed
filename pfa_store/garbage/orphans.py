"""Files that no row names: what a crash left between a file and its row, on the way in or on the way out.

Each is asked for in the database under the same lock, or in the same kind of transaction, that its makers hold, and it
must be old; so what is on its way into the database is never taken.
"""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from pfa_store.database import Sessions
from pfa_store.files import Files
from pfa_store.garbage.piece import Piece, changed_s, entries, size_on_disk
from pfa_store.garbage.retention import Retention
from pfa_store.job_states import DONE
from pfa_store.schema import CollectionRow, DatasetItemRow, JobRow, ModelRow, VideoRow
from pfa_store.upload_schema import UploadRow

Sha256 = InstrumentedAttribute[str] | InstrumentedAttribute[str | None]


class Orphans:
    def __init__(self, sessions: Sessions, files: Files, retention: Retention) -> None:
        self._sessions = sessions
        self._files = files
        self._kept_s = retention.orphans_s

    def sweep(self, now_s: float, dry_run: bool) -> Iterator[Piece | None]:
        """Remove what no row names of videos, images, thumbnails, uploads, models and collections."""
        root = self._files.root
        yield from self._shards("videos", VideoRow.sha256, now_s, dry_run, lock="videos")
        yield from self._shards("images", DatasetItemRow.image_sha256, now_s, dry_run, lock="images")
        yield from self._shards("thumbnails", VideoRow.sha256, now_s, dry_run, lock="videos")
        for path in entries(root / "uploads"):
            yield self._look(path, self._upload(path), now_s, dry_run, lock="uploads")
        if not self._files.shelf.shared:
            return  # the cache's own limit clears away models and galleries of an object store
        for path in (path for name in entries(root / "models") for path in entries(name)):
            yield self._model(path, now_s, dry_run)
        for path in (path for name in entries(root / "collections") for path in entries(name)):
            yield self._collection(path, now_s, dry_run)

    def _shards(self, kind: str, column: Sha256, now_s: float, dry_run: bool, *, lock: str) -> Iterator[Piece | None]:
        """Files that are named by their sha256, in folders that are named by its first digits."""
        for folder in entries(self._files.root / kind):
            with self._sessions.reading() as session:  # "g" comes after every hexadecimal digit
                some = select(column).where(column >= folder.name, column < folder.name + "g").distinct()
                named = set(session.scalars(some))
            for path in entries(folder):
                sha256 = path.name.partition(".")[0]
                if len(sha256) == 64 and sha256 not in named:
                    yield self._look(path, column == sha256, now_s, dry_run, lock=lock)
            yield None

    def _look(self, path: Path, named: ColumnElement[bool], now_s: float, dry_run: bool, *, lock: str) -> Piece | None:
        """Remove a file that is old and that no row names."""
        if self._young(path, now_s) or self._has(named):
            return None
        piece = self._piece(path)
        if not dry_run:
            with self._files.lock(lock):  # its makers hold it from the file to the row
                if self._young(path, now_s) or self._has(named):
                    return None
                self._files.remove(path)
        return piece

    def _upload(self, path: Path) -> ColumnElement[bool]:
        return (UploadRow.id == path.name) & (UploadRow.status == "receiving")

    def _model(self, path: Path, now_s: float, dry_run: bool) -> Piece | None:
        """A folder of a version that was not published in the end; left empty, it keeps the number of a deleted one."""
        inside = entries(path)
        is_version = path.name.isdecimal() and len(path.name) < 10
        named = ModelRow.folder == self._files.relative(path)
        if not is_version or not inside or self._young(path, now_s) or self._has(named):
            return None
        piece = self._piece(path)
        if not dry_run:
            with self._sessions.writing() as session:  # publication moves a folder here in a transaction like this
                if session.scalar(select(ModelRow.id).where(named)) is not None or self._young(path, now_s):
                    return None
                graves = [self._files.bury(one) for one in inside]
            for grave in graves:
                self._files.empty(grave)
        return piece

    def _collection(self, path: Path, now_s: float, dry_run: bool) -> Piece | None:
        """A gallery is in a folder that is named like the first job that filled it."""
        named = (CollectionRow.name == path.parent.name) & (CollectionRow.folder == self._files.relative(path))
        unfinished = (JobRow.id == path.name) & JobRow.status.not_in(DONE)
        if self._young(path, now_s) or self._has(named) or self._has(unfinished):
            return None
        piece = self._piece(path)
        if not dry_run:
            with self._sessions.writing() as session:
                job = session.execute(
                    select(JobRow.status).where(JobRow.id == path.name).with_for_update()
                ).scalar_one_or_none()  # it cannot be tried again until the folder is gone
                if (job is not None and job not in DONE) or session.scalar(select(CollectionRow.name).where(named)):
                    return None
                grave = self._files.bury(path)
            self._files.empty(grave)
        return piece

    def _young(self, path: Path, now_s: float) -> bool:
        return now_s - changed_s(path) <= self._kept_s

    def _has(self, condition: ColumnElement[bool]) -> bool:
        with self._sessions.reading() as session:
            return session.scalar(select(1).where(condition).limit(1)) is not None

    def _piece(self, path: Path) -> Piece:
        name, num_bytes = self._files.relative(path), size_on_disk(path)
        return Piece(kind="orphans", name=name, why="no row of the database names it", num_bytes=num_bytes)
