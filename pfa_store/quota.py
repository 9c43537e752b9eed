"""How many bytes each API key keeps here, and that it keeps no more than it may."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pfa_store.database import Sessions
from pfa_store.errors import QuotaExceeded
from pfa_store.schema import DatasetItemRow, DatasetRow, VideoRow
from pfa_store.upload_schema import UploadRow

LOOK_EVERY_BYTES = 2**20
"""A file that streams in is weighed against the quota each time that so much of it has come."""


class Quota:
    """The sum of a key's videos, of the images of its data sets, and of its unfinished uploads at their full size.

    What several keys sent belongs to the one that sent it first. Bytes on their way in by a form are counted in this
    process only; those of resumable uploads are in the database.
    """

    def __init__(self, sessions: Sessions, limit_bytes: int) -> None:
        self._sessions = sessions
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._arriving: Counter[str | None] = Counter()

    def used_bytes(self, key_id: str | None) -> int:
        """What a key keeps here; None: what came without a key."""
        with self._sessions.reading() as session:
            return _used_bytes(session, key_id)

    def need(self, session: Session, key_id: str | None, num_bytes: int) -> None:
        """Check, in a transaction, that a key may keep `num_bytes` more.

        Raises:
            QuotaExceeded: it may not.
        """
        if not self._limit_bytes:
            return
        used = _used_bytes(session, key_id) + self._arriving[key_id]
        if used + num_bytes > self._limit_bytes:
            raise QuotaExceeded(
                f"This key may keep {self._limit_bytes} bytes here and would keep {used + num_bytes}. Free some first:"
                " DELETE /videos/{id}, DELETE /datasets/{id} (its images), DELETE /uploads/{id} (one that is not"
                " finished); or let the operator raise PFA_QUOTA_BYTES.",
                quota_bytes=self._limit_bytes,
                used_bytes=used,
                needed_bytes=num_bytes,
            )

    @contextlib.contextmanager
    def arriving(self, key_id: str | None) -> Iterator["Allowance"]:
        """Count what streams in within the block; afterwards what was kept of it is in the database."""
        allowance = Allowance(self, key_id)
        try:
            yield allowance
        finally:
            allowance.give_back(allowance.taken_bytes)

    def _take(self, key_id: str | None, num_bytes: int) -> None:
        with self._lock:
            self._arriving[key_id] += num_bytes
            with self._sessions.reading() as session:
                self.need(session, key_id, 0)

    def _give_back(self, key_id: str | None, num_bytes: int) -> None:
        with self._lock:
            self._arriving[key_id] -= num_bytes

    @property
    def limited(self) -> bool:
        """Whether there is a quota at all."""
        return self._limit_bytes > 0


class Allowance:
    """What one request has brought so far."""

    def __init__(self, quota: Quota, key_id: str | None) -> None:
        self._quota = quota
        self._key_id = key_id
        self._pending_bytes = 0
        self.taken_bytes = 0

    def take(self, num_bytes: int) -> None:
        """Count bytes that came; weighs them once in a while.

        Raises:
            QuotaExceeded: the key would keep more than it may.
        """
        self._pending_bytes += num_bytes
        if self._pending_bytes >= LOOK_EVERY_BYTES:
            self.weigh()

    def weigh(self) -> None:
        """Weigh what came since the last time. Raises: QuotaExceeded."""
        if not self._quota.limited or not self._pending_bytes:
            return
        num_bytes, self._pending_bytes = self._pending_bytes, 0
        self.taken_bytes += num_bytes
        self._quota._take(self._key_id, num_bytes)  # the two are one

    def give_back(self, num_bytes: int) -> None:
        """Stop counting bytes that are not kept, such as an archive once it is unpacked."""
        num_bytes = min(num_bytes, self.taken_bytes)
        self.taken_bytes -= num_bytes
        self._quota._give_back(self._key_id, num_bytes)  # the two are one


def _used_bytes(session: Session, key_id: str | None) -> int:
    videos = select(func.sum(VideoRow.num_bytes)).where(VideoRow.key_id == key_id)
    uploads = select(func.sum(UploadRow.num_bytes)).where(UploadRow.key_id == key_id, UploadRow.status == "receiving")
    sizes = (
        select(func.max(DatasetItemRow.image_bytes).label("image_bytes"))
        .join(DatasetRow, DatasetItemRow.dataset_id == DatasetRow.id)
        .where(DatasetRow.key_id == key_id, DatasetItemRow.image_sha256.is_not(None))
        .group_by(DatasetItemRow.image_sha256)
        .subquery()
    )
    images = select(func.sum(sizes.c.image_bytes))
    return sum(int(session.scalar(statement) or 0) for statement in (videos, uploads, images))
