"""Who did what: a line of JSON for every call that changes something, and for every one that was refused its key.

Lines are only ever appended, each in one write; several processes may share the file. A full file is set aside under a
number, the oldest is dropped.
"""

import json
import logging
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pfa_store.errors import DiskFull, StoreUnavailable
from pfa_store.files import Files, disk_errors

MAX_BYTES = 16 * 2**20
KEPT = 10
"""Full files that are kept beside the one that is written."""

logger = logging.getLogger(__name__)


class AuditLog:
    def __init__(self, files: Files, *, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        self._files = files
        self._max_bytes = max_bytes
        self._kept = kept
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        return self._files.root / "audit" / "audit.jsonl"

    def write(self, entry: Mapping[str, object], *, at_s: float) -> None:
        """Append a line. A disk that does not take it stops no call: the service's own log says so."""
        at = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, **entry}).encode() + b"\n"
        try:
            with self._lock, disk_errors():
                if self._append(line) >= self._max_bytes:
                    self._set_aside()
        except (DiskFull, StoreUnavailable) as error:
            logger.error("an audit line was not written: %s", error)

    def _append(self, line: bytes) -> int:
        """The file's size afterwards."""
        self.path.parent.mkdir(exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _set_aside(self) -> None:
        with self._files.lock_here("audit/rotation"):
            if self.path.stat().st_size < self._max_bytes:
                return  # another process was faster
            for number in range(self._kept, 1, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
            self.path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"audit.{number}.jsonl")
