"""The packs in the data folder: which there are, whether they are whole, and which nothing needs any more.

Jobs make and read them by themselves (`pfa_core.packs`); this is for looking and for clearing away.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pfa_core.errors import PackDamaged
from pfa_core.mapped_format import is_mapped, read_mapped
from pfa_core.pack_format import HEADER, PackHeader, read_pack
from pfa_core.pack_lock import PackLock
from pfa_store.database import Sessions
from pfa_store.disk import disk_errors
from pfa_store.errors import InUse
from pfa_store.files import Files
from pfa_store.job_states import DONE
from pfa_store.schema import DatasetItemRow, DatasetRow, JobRow, VideoRow

DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPack:
    """A pack, the mapped form of one, or what is left of a build that did not end."""

    folder: Path
    video_sha256: str
    key: str
    file: str | None
    """Name of its video; None: the video was deleted."""
    finished: bool
    mapped: bool
    """Whether it is a finished mapped form, which training makes again when it needs it."""
    num_frames: int | None
    """None: not a finished pack, or it does not say."""
    num_bytes: int
    """On disk."""
    built_s: float
    used_s: float
    """When a job last asked for it."""


class Packs:
    def __init__(self, sessions: Sessions, files: Files, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._files = files
        self._clock = clock

    def list(self) -> Generator[StoredPack, None, None]:
        """All packs, their mapped forms, and all unfinished ones, by video and key."""
        with self._sessions.reading() as session:
            named = session.execute(select(VideoRow.sha256, VideoRow.filename))
            names = {row.sha256: row.filename for row in named}
        with disk_errors():
            folders = sorted(path for path in (self._files.root / "packs").glob("*/*/*") if path.is_dir())
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                yield _stored(folder, names)

    def check(self, pack: StoredPack) -> None:
        """Read every byte and compare checksums. Raises: PackDamaged."""
        if pack.mapped:
            read_mapped(pack.folder)
        else:
            read_pack(pack.folder, verify=True)

    def holders(self) -> Mapping[str, str]:
        """By sha256 of a video, a job that is not over and uses the video; so it holds all packs of it."""
        with self._sessions.reading() as session:
            statement = select(JobRow.id, JobRow.spec).where(JobRow.status.not_in(DONE)).order_by(JobRow.created_s)
            held: dict[str, str] = {}
            for job_id, spec in session.execute(statement):
                for sha256 in _videos_of(session, spec):
                    held.setdefault(sha256, job_id)
            return held

    def remove(self, pack: StoredPack) -> None:
        """Delete a pack, or its mapped form, that no job holds.

        A job is in the database before it asks for a pack, and it asks under the pack's lock. Under the same lock we
        look whether there is such a job: one that comes later finds no pack, and builds it.

        Raises:
            InUse: an unfinished job uses its video, or it is being built.
        """
        target = self._files.pack(pack.video_sha256, pack.key)
        with contextlib.closing(PackLock(target)) as lock:
            with disk_errors():
                if not lock.take():
                    raise InUse(f"The pack {pack.key} is being built or checked just now.")
            job_id = self.holders().get(pack.video_sha256)
            if job_id is not None:
                raise InUse(f"The job {job_id} holds the pack {pack.key}; wait for its end or cancel it.")
            self._files.unpublish(pack.folder)
        with contextlib.suppress(OSError):  # the video has other packs
            target.parent.rmdir()

    def unneeded(self, *, unused_days: float | None = None) -> Generator[tuple[StoredPack, str], None, None]:
        """Packs that nothing references and no job holds, each with the reason.

        Those whose video is gone, mapped forms, unfinished ones that no job will finish, and with `unused_days` those
        that no job asked for in so many days.
        """
        held = self.holders()
        now_s = self._clock()
        for pack in self.list():
            if pack.video_sha256 in held:
                continue
            if pack.file is None:
                yield pack, "its video is gone"
            elif pack.mapped:
                yield pack, "no job maps it; the next one makes it again"
            elif not pack.finished:
                yield pack, "no job will finish it"
            elif unused_days is not None and now_s - pack.used_s > unused_days * DAY_S:
                yield pack, f"unused for {(now_s - pack.used_s) / DAY_S:.0f} days"


def _stored(folder: Path, names: Mapping[str, str]) -> StoredPack:
    """Raises: FileNotFoundError: it is gone."""
    finished = not folder.name.startswith(".")
    header: PackHeader | None = None
    with contextlib.suppress(PackDamaged):
        header = PackHeader.read(folder / HEADER)
    about = (folder / HEADER if header else folder).stat()
    return StoredPack(
        folder=folder,
        video_sha256=folder.parent.name,
        key=folder.name.lstrip(".").partition(".")[0],
        file=names.get(folder.parent.name),
        finished=finished,
        mapped=is_mapped(folder),
        num_frames=header.num_frames if header else None,
        num_bytes=sum(512 * path.stat().st_blocks for path in folder.rglob("*")),
        built_s=about.st_mtime,
        used_s=folder.stat().st_mtime,
    )


def _videos_of(session: Session, spec: Mapping[str, object]) -> set[str]:
    """sha256 of the videos that a job's spec names, singly or by a data set."""
    ids = spec.get("videos") or []
    assert isinstance(ids, list)
    found: set[str] = set()
    for first in range(0, len(ids), 500):  # databases bound the number of parameters
        found |= set(session.scalars(select(VideoRow.sha256).where(VideoRow.id.in_(ids[first : first + 500]))))
    name = spec.get("dataset")
    if name is not None:
        items = (
            select(VideoRow.sha256)
            .join(DatasetItemRow, DatasetItemRow.video_id == VideoRow.id)
            .join(DatasetRow, DatasetRow.id == DatasetItemRow.dataset_id)
            .where(or_(DatasetRow.id == name, DatasetRow.name == name))
        )
        found |= set(session.scalars(items))
    return found
