"""Everything that is to be cleared away, one bounded piece after the other."""

import logging
from collections.abc import Callable, Iterator

from pfa_store.audit import AuditLog
from pfa_store.database import Sessions
from pfa_store.errors import DiskFull, StoreUnavailable
from pfa_store.files import Files
from pfa_store.garbage.ended_jobs import EndedJobs
from pfa_store.garbage.old_packs import OldPacks
from pfa_store.garbage.orphans import Orphans
from pfa_store.garbage.piece import Piece, Sweep
from pfa_store.garbage.retention import Retention
from pfa_store.garbage.stored_jobs import StoredJobs
from pfa_store.garbage.temporary import Temporary
from pfa_store.object_shelf import ObjectShelf
from pfa_store.objects import Objects
from pfa_store.packs import Packs
from pfa_store.settings import Settings

logger = logging.getLogger(__name__)


class Sweeper:
    """Removes what its time is over for. Safe beside running jobs, beside another sweep, and to be killed anywhere."""

    def __init__(
        self,
        sessions: Sessions,
        files: Files,
        packs: Packs,
        settings: Settings,
        clock: Callable[[], float],
        *,
        objects: Objects | None = None,
    ) -> None:
        """`objects`: where hosts share no folder."""
        self._files = files
        self._clock = clock
        self.retention = Retention.of(settings)
        jobs = EndedJobs(sessions, files, self.retention)
        self._stages: tuple[Sweep, ...] = (
            jobs.events,
            jobs.folders,
            OldPacks(packs, files, self.retention).sweep,
            Orphans(sessions, files, self.retention).sweep,
            self._audit,
            Temporary(files, self.retention).sweep,
        )
        if objects is not None and isinstance(files.shelf, ObjectShelf):
            stored = StoredJobs(sessions, files, objects, files.shelf, self.retention)
            self._stages += (stored.mirrors, stored.files)

    def sweep(self, *, dry_run: bool = False) -> Iterator[Piece | None]:
        """Remove what is due, or only say what would go; None: a piece of work that removed nothing.

        What cannot be removed ends the sweep of its kind only; the log says so, and the next sweep tries again.
        """
        now_s = self._clock()
        for stage in self._stages:
            try:
                yield from stage(now_s, dry_run)
            except (StoreUnavailable, DiskFull) as error:
                logger.warning("not everything that is due was removed: %s", error)

    def _audit(self, now_s: float, dry_run: bool) -> Iterator[Piece | None]:
        if self.retention.audit_s is not None:
            num_bytes = AuditLog(self._files).forget(now_s - self.retention.audit_s, dry_run=dry_run)
            if num_bytes:
                yield Piece(kind="audit", name="audit", why="its oldest lines", num_bytes=num_bytes)
