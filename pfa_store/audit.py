"""Who did what: a line of JSON for every call that changes something, and for every one that was refused its key.

Lines are only ever appended, each in one write; several processes may share the file. A full file is set aside under a
number, the oldest is dropped.
"""

import json
import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pfa_store.disk import disk_errors
from pfa_store.errors import DiskFull, StoreUnavailable
from pfa_store.files import Files

MAX_BYTES = 16 * 2**20
KEPT = 10
"""Full files that are kept beside the one that is written."""

IN_FLIGHT_S = 60.0
"""Whoever opened a file before it was set aside has written his line to it after this."""

_AT = re.compile(rb'\{"at": "([0-9T:.+-]+)"')

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
            self._shift()

    def _shift(self) -> None:
        """Give each file the next number, the one that is written to the first; the last goes."""
        for number in range(self._kept, 1, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self.path.replace(self._numbered(1))

    def forget(self, before_s: float, *, dry_run: bool = False) -> int:
        """Drop lines that were written before a time (seconds since 1970); returns how many bytes they have.

        The file that is written to is set aside first, where it begins with such a line. One that somebody has just
        written to waits for the next call: a line on its way into it would be lost.

        Raises:
            DiskFull, StoreUnavailable: the new file cannot be written; the old one is still there.
        """
        before = datetime.fromtimestamp(before_s, UTC).isoformat(timespec="milliseconds")
        if not self.path.parent.is_dir():
            return 0
        with disk_errors(), self._files.lock("audit/rotation"):
            if not dry_run and _num_old(self.path, before):
                self._shift()
            aside = [self._numbered(number) for number in range(1, self._kept + 1)]
            return sum(self._shorten(path, before, dry_run) for path in ([self.path, *aside] if dry_run else aside))

    def _shorten(self, path: Path, before: str, dry_run: bool) -> int:
        """Rewrite a file without its old lines, which are its first ones."""
        num_old = _num_old(path, before)
        if dry_run or not num_old or time.time() - path.stat().st_mtime < IN_FLIGHT_S:
            return num_old if dry_run else 0
        rest = path.read_bytes()[num_old:]
        if rest:
            self._files.write_atomic(path, rest, mode=0o600)
        else:
            self._files.remove(path)
        return num_old

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"audit.{number}.jsonl")


def _num_old(path: Path, before: str) -> int:
    """Bytes of the lines at the beginning of a file that are older than an ISO time; 0 where there is no file."""
    end = num_old = 0
    if path.is_file():
        with path.open("rb") as lines:
            for line in lines:
                end += len(line)
                written = _AT.match(line)  # none: a crash has torn it
                if written is not None:
                    if written[1].decode() >= before:
                        break
                    num_old = end
    return num_old
