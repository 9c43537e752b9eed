"""The log of a job: what its processes write, in a file of bounded size and the one before it.

The processes hold the file open and append to it, so at its limit it is copied aside and emptied; what is written in
between, a line perhaps, is lost.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pfa_store.disk import disk_errors
from pfa_store.files import CHUNK_BYTES, Files

MAX_TAIL_LINES = 10_000


class JobLog:
    """The log of one job."""

    def __init__(self, files: Files, job_id: str) -> None:
        self.path = files.job_log(job_id)
        """What is written to, by appending."""
        self.before = self.path.with_name("log.1.txt")
        """What was written before that."""

    def rotate(self, *, max_bytes: int) -> bool:
        """Move the log aside if it has outgrown `max_bytes`. Only one process of a job may call this.

        Raises:
            DiskFull, StoreUnavailable: it cannot be moved.
        """
        with disk_errors():
            if not self.path.is_file() or self.path.stat().st_size <= max_bytes:
                return False
            part = self.before.with_suffix(".tmp")
            with self.path.open("rb") as full, part.open("wb") as copy:
                if (size := full.seek(0, os.SEEK_END)) > 2 * max_bytes:  # it grew faster than we looked
                    full.seek(size - 2 * max_bytes)
                    full.readline()  # the rest of a line
                else:
                    full.seek(0)
                shutil.copyfileobj(full, copy, CHUNK_BYTES)
            part.replace(self.before)
            os.truncate(self.path, 0)
        return True

    def chunks(self) -> Iterator[bytes]:
        """All that is kept, the oldest first.

        Raises:
            StoreUnavailable: it does not read.
        """
        for path in (self.before, self.path):
            with disk_errors():
                if path.is_file():
                    with path.open("rb") as file:
                        yield from iter(lambda file=file: file.read(CHUNK_BYTES), b"")  # type: ignore[misc]  # the default binds

    def tail(self, num_lines: int) -> bytes:
        """The last `num_lines` lines; an unfinished last one counts.

        Raises:
            StoreUnavailable: it does not read.
        """
        found: list[bytes] = []
        for path in (self.path, self.before):
            with disk_errors():
                found = _last_lines(path, num_lines - len(found)) + found
            if len(found) >= num_lines:
                break
        return b"".join(found)


def _last_lines(path: Path, num_lines: int) -> list[bytes]:
    """The last lines of a file, each with its end, read from the back."""
    if num_lines <= 0 or not path.is_file():
        return []
    with path.open("rb") as file:
        start = file.seek(0, os.SEEK_END)
        tail = b""
        while start > 0 and tail.count(b"\n", 0, -1) < num_lines:
            size = min(1 << 16, start)
            start -= size
            file.seek(start)
            tail = file.read(size) + tail
    return tail.splitlines(keepends=True)[-num_lines:]
