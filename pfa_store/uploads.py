"""Resumable uploads: a video that arrives in pieces, whatever happens to connections and processes meanwhile."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import delete, select, update

from pfa_core.errors import InputError
from pfa_store.database import Sessions
from pfa_store.disk import disk_errors
from pfa_store.errors import UploadGone, UploadLocked, UploadNotFound
from pfa_store.files import Files
from pfa_store.idempotency import Once, remember
from pfa_store.paging import Page, newest_first
from pfa_store.quota import Quota
from pfa_store.records import record_of
from pfa_store.settings import Settings
from pfa_store.upload_part import Part, durable_bytes, linked, locked_part
from pfa_store.upload_schema import UploadRow
from pfa_store.videos import Videos, plain_name

UploadStatus = Literal["receiving", "finished", "refused", "expired"]
REMEMBER_S = 7 * 24 * 3600.0
"""What became of an upload can be asked for so long after its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload at the moment it was read."""

    id: str
    status: UploadStatus
    filename: str
    tus_metadata: str
    num_bytes: int
    keep_bytes: int | None
    expires_s: float
    video_id: str | None
    error_code: str | None
    error_message: str | None
    created_s: float
    key_id: str | None


class Uploads:
    def __init__(
        self,
        sessions: Sessions,
        files: Files,
        settings: Settings,
        clock: Callable[[], float],
        *,
        videos: Videos,
        quota: Quota,
    ) -> None:
        self._sessions = sessions
        self._files = files
        self._expires_after_s = settings.upload_expires_s
        self._clock = clock
        self._videos = videos
        self._quota = quota

    def create(
        self,
        num_bytes: int,
        *,
        filename: str,
        tus_metadata: str = "",
        key_id: str | None = None,
        once: Once | None = None,
    ) -> Upload:
        """Make room for a file of `num_bytes`.

        Raises:
            DiskFull: the disk has no room for all of it.
            QuotaExceeded: the key may not keep so much.
        """
        self._files.ensure_space(num_bytes)
        now = self._clock()
        row = UploadRow(
            id=f"up_{uuid.uuid4().hex}",
            status="receiving",
            filename=plain_name(filename),
            tus_metadata=tus_metadata,
            num_bytes=num_bytes,
            expires_s=now + self._expires_after_s,
            created_s=now,
            key_id=key_id,
        )
        with self._files.lock("uploads"), self._sessions.writing() as session:
            self._quota.need(session, key_id, num_bytes)
            session.add(row)
            remember(session, once, made=row.id, now_s=now)
            session.flush()
            with disk_errors():
                self._files.upload(row.id).touch(exist_ok=False)
            return record_of(Upload, row)

    def get(self, upload_id: str) -> Upload:
        """Raises: UploadNotFound."""
        with self._sessions.reading() as session:
            row = session.get(UploadRow, upload_id)
            if row is None:
                raise UploadNotFound(f"There is no upload {upload_id!r}.")
            return record_of(Upload, row)

    def list(self, *, limit: int = 50, cursor: str | None = None) -> Page[Upload]:
        """Uploads, newest first. Raises: ConfigInvalid: the cursor or the limit cannot be used."""
        with self._sessions.reading() as session:
            return newest_first(
                session,
                select(UploadRow),
                time=UploadRow.created_s,
                key=UploadRow.id,
                record=lambda row: record_of(Upload, row),
                limit=limit,
                cursor=cursor,
            )

    def offset(self, upload: Upload) -> int:
        """How many bytes of it are here for good: the next piece starts there."""
        if upload.status == "finished":
            return upload.num_bytes
        if upload.status != "receiving":
            return 0
        try:
            here = durable_bytes(self._path(upload))
        except UploadNotFound:
            now = self.get(upload.id)
            if now.status == "receiving":
                raise
            return self.offset(now)  # it has just ended
        return here if upload.keep_bytes is None else min(here, upload.keep_bytes)

    def alive(self, upload_id: str) -> Upload:
        """An upload to which something may still be added, or that is finished.

        Raises:
            UploadNotFound: there is no such upload.
            UploadGone: it expired, or what came cannot be used.
        """
        upload = self.get(upload_id)
        late = upload.status == "receiving" and upload.expires_s <= self._clock()
        if upload.status == "expired" or late:
            raise UploadGone(f"The upload {upload_id} has expired; begin a new one with POST /uploads.")
        if upload.status == "refused":
            raise UploadGone(
                f"What was uploaded cannot be used ({upload.error_code}): {upload.error_message}",
                error={"code": upload.error_code, "message": upload.error_message},
            )
        return upload

    @contextlib.contextmanager
    def writing(self, upload_id: str) -> Iterator[tuple[Upload, Part]]:
        """Be the only one who adds to an upload; its time to expire starts anew at the beginning and at the end.

        Raises:
            UploadNotFound, UploadGone, UploadLocked.
        """
        upload = self.alive(upload_id)
        with locked_part(self._path(upload), self._files) as part:
            upload = self.alive(upload_id)  # what happened until the lock was ours
            if upload.keep_bytes is not None:
                part.cut(min(part.offset, upload.keep_bytes))
            yield self._renewed(upload, keep_bytes=None), part
            self._renewed(upload)

    def distrust(self, upload_id: str, beyond: int | None) -> None:
        """What is written beyond this offset does not count until it is verified; None: all of it counts."""
        self._change(upload_id, keep_bytes=beyond)

    def finish(self, upload: Upload) -> Upload:
        """Make a video of an upload that is here in full. Its caller holds it by `writing`.

        Raises:
            InputError: it cannot be used; the upload is over and its file gone.
            DiskFull, StoreUnavailable: not now; the upload stays as it is, and this may be called again.
        """
        path = self._path(upload)
        try:
            with linked(path, self._files) as incoming:
                video, _ = self._videos.keep(incoming, filename=upload.filename, key_id=upload.key_id)
        except InputError as error:
            self._end(upload, "refused", error_code=error.code, error_message=str(error))
            raise
        return self._end(upload, "finished", video_id=video.id)

    def delete(self, upload_id: str) -> None:
        """Forget an upload and what came of it; a video that it became stays.

        Raises:
            UploadNotFound: there is no such upload.
            UploadLocked: somebody adds to it.
        """
        upload = self.get(upload_id)
        with self._alone(upload_id):
            with self._sessions.writing() as session:
                session.execute(delete(UploadRow).where(UploadRow.id == upload_id))
            self._files.remove(self._path(upload))

    def sweep(self, now_s: float) -> int:
        """Free the disk of uploads that expired, and forget those that ended long ago; returns how many expired."""
        late = select(UploadRow.id).where(UploadRow.status == "receiving", UploadRow.expires_s <= now_s).limit(1000)
        old = delete(UploadRow).where(UploadRow.status != "receiving", UploadRow.expires_s <= now_s)
        with self._sessions.writing() as session:
            session.execute(old)
            found = session.scalars(late).all()
        return sum(self._expire(upload_id, now_s) for upload_id in found)

    def _expire(self, upload_id: str, now_s: float) -> bool:
        """Unless somebody is adding to it."""
        with contextlib.suppress(UploadLocked, UploadNotFound), self._alone(upload_id):
            upload = self.get(upload_id)
            if upload.status == "receiving" and upload.expires_s <= now_s:
                self._end(upload, "expired")
                return True
        return False

    @contextlib.contextmanager
    def _alone(self, upload_id: str) -> Iterator[None]:
        """Hold an upload's file, if it still has one. Raises: UploadLocked: somebody else does."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(UploadNotFound):
                stack.enter_context(locked_part(self._files.upload(upload_id), self._files))
            yield

    def _change(self, upload_id: str, **values: object) -> Upload:
        statement = update(UploadRow).where(UploadRow.id == upload_id).values(**values).returning(UploadRow)
        with self._sessions.writing() as session:
            row = session.scalars(statement).one_or_none()
            if row is None:
                raise UploadNotFound(f"There is no upload {upload_id!r} any more.")
            return record_of(Upload, row)

    def _renewed(self, upload: Upload, **values: object) -> Upload:
        """Let an upload that is still being received expire later."""
        statement = update(UploadRow).where(UploadRow.id == upload.id, UploadRow.status == "receiving")
        values["expires_s"] = self._clock() + self._expires_after_s
        with self._sessions.writing() as session:
            row = session.scalars(statement.values(**values).returning(UploadRow)).one_or_none()
            return upload if row is None else record_of(Upload, row)

    def _end(self, upload: Upload, status: UploadStatus, **values: object) -> Upload:
        ended = self._change(upload.id, status=status, expires_s=self._clock() + REMEMBER_S, **values)
        self._files.remove(self._path(upload))
        return ended

    def _path(self, upload: Upload) -> Path:
        return self._files.upload(upload.id)
