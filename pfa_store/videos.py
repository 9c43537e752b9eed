"""Uploaded videos: checked in a sandbox on the way in, kept once however often they are sent."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from pfa_core.errors import VideoTooLarge
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import VideoInfo, probe
from pfa_store.database import Sessions
from pfa_store.errors import InUse, VideoNotFound
from pfa_store.files import Files, Incoming, Source
from pfa_store.paging import Page, newest_first
from pfa_store.records import record_of
from pfa_store.references import unfinished_job_with
from pfa_store.schema import DatasetItemRow, DatasetRow, VideoRow
from pfa_store.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """An uploaded video; the same bytes are the same video. Sizes are those after rotation."""

    id: str
    sha256: str
    filename: str
    num_bytes: int
    container: str
    codec: str
    width_px: int
    height_px: int
    rotation_deg: int
    num_frames: int
    fps: float
    duration_s: float
    still: bool | None
    """Whether nothing moves in it; None: too long to tell from a first look."""
    created_s: float
    key_id: str | None


class Videos:
    def __init__(self, sessions: Sessions, files: Files, settings: Settings, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._files = files
        self._settings = settings
        self._clock = clock

    def add(self, source: Source, *, filename: str, key_id: str | None = None) -> tuple[Video, bool]:
        """Keep a video; the second value tells whether it is new. What is refused leaves nothing behind.

        Raises:
            VideoUnsupported, VideoUnreadable, VideoTooLarge, DecodeTimeout: it cannot be used.
            DiskFull: the reserve of free space would be used up.
        """
        with self._files.incoming(
            source, max_bytes=self._settings.max_video_bytes, too_large=VideoTooLarge
        ) as incoming:
            return self.keep(incoming, filename=filename, key_id=key_id)

    def keep(self, incoming: Incoming, *, filename: str, key_id: str | None = None) -> tuple[Video, bool]:
        """`add` for bytes that are in the data folder already; a new video's file is moved away."""
        known = self._by_sha256(incoming.sha256)
        if known is not None:
            return known, False
        info = probe(incoming.path, limits=self.limits)
        path = self._files.video(incoming.sha256, info.container)
        upload = self._files.shelf.upload(incoming.path, path)
        with self._files.lock("videos"):
            self._files.move(incoming.path, path)
            self._files.shelf.announce(upload)
            return self._insert(incoming, info, filename=filename, key_id=key_id)

    def get(self, video_id: str) -> Video:
        """Raises: VideoNotFound."""
        with self._sessions.reading() as session:
            row = session.get(VideoRow, video_id)
            if row is None:
                raise VideoNotFound(f"There is no video {video_id!r}.")
            return record_of(Video, row)

    def path(self, video: Video) -> Path:
        """Where its file lies, on this host from now on. Raises: StoreUnavailable, ObjectDamaged, DiskFull."""
        return self._files.shelf.here(self.place(video))

    def place(self, video: Video) -> Path:
        """Where its file lies once this host has it."""
        return self._files.video(video.sha256, video.container)

    def list(self, *, limit: int = 50, cursor: str | None = None) -> Page[Video]:
        """Videos, newest first.

        Raises:
            ConfigInvalid: the cursor or the limit cannot be used.
        """
        with self._sessions.reading() as session:
            return newest_first(
                session,
                select(VideoRow),
                time=VideoRow.created_s,
                key=VideoRow.id,
                record=lambda row: record_of(Video, row),
                limit=limit,
                cursor=cursor,
            )

    def delete(self, video_id: str) -> None:
        """Delete a video with its packs.

        Raises:
            VideoNotFound: there is no such video.
            InUse: a data set or an unfinished job names it.
        """
        video = self.get(video_id)
        named = (
            select(DatasetRow.name)
            .join(DatasetItemRow, DatasetItemRow.dataset_id == DatasetRow.id)
            .where(DatasetItemRow.video_id == video_id)
            .limit(1)
        )
        with self._files.lock("videos"):
            with self._sessions.writing() as session:
                dataset = session.scalar(named)
                if dataset is not None:
                    raise InUse(f"The data set {dataset!r} holds this video; delete the data set first.")
                job_id = unfinished_job_with(session, ["videos"], video_id)
                if job_id is not None:
                    raise InUse(f"The job {job_id} uses this video; cancel it or wait for its end.")
                session.delete(session.get_one(VideoRow, video_id))
            self._files.unpublish(self.place(video))
            self._files.remove(self._files.thumbnail(video.sha256))
            self._files.unpublish(self._files.packs_of(video.sha256))

    @property
    def limits(self) -> DecodeLimits:
        """The caps under which this installation decodes videos."""
        settings = self._settings
        return DecodeLimits(
            max_bytes=settings.max_video_bytes,
            max_pixels=settings.max_video_pixels,
            max_frames=settings.max_video_frames,
            max_duration_s=settings.max_video_s,
            timeout_s=settings.decode_timeout_s,
            memory_bytes=settings.decode_memory_bytes,
        )

    def _by_sha256(self, sha256: str) -> Video | None:
        with self._sessions.reading() as session:
            row = session.scalars(select(VideoRow).where(VideoRow.sha256 == sha256)).one_or_none()
            return None if row is None else record_of(Video, row)

    def _insert(self, incoming: Incoming, info: VideoInfo, *, filename: str, key_id: str | None) -> tuple[Video, bool]:
        row = VideoRow(
            id=f"vid_{incoming.sha256[:32]}",
            sha256=incoming.sha256,
            filename=plain_name(filename),
            num_bytes=incoming.num_bytes,
            container=info.container,
            codec=info.codec,
            width_px=info.width_px,
            height_px=info.height_px,
            rotation_deg=info.rotation_deg,
            num_frames=info.num_frames,
            fps=info.fps,
            duration_s=info.duration_s,
            still=info.still,
            created_s=self._clock(),
            key_id=key_id,
        )
        try:
            with self._sessions.writing() as session:
                session.add(row)
                session.flush()
                return record_of(Video, row), True
        except IntegrityError:  # the same bytes came in beside these
            known = self._by_sha256(incoming.sha256)
            if known is None:
                raise
            return known, False


def plain_name(filename: str) -> str:
    """The last part of a sent file name, printable and of bounded length: for people to read, never a path."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    printable = "".join(c for c in name if c.isprintable())
    return printable[-200:] or "unnamed"
