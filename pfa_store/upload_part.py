"""The file of an unfinished upload: one writer at a time, and only what is durable counts."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from pfa_store.disk import disk_errors
from pfa_store.errors import UploadLocked, UploadNotFound
from pfa_store.files import Files, Incoming


class Part:
    """An upload's file, open for writing at its end. Made by `locked_part`."""

    def __init__(self, file: FileIO, files: Files, *, offset: int) -> None:
        self._file = file
        self._files = files
        self.offset = offset
        """Bytes that are in it."""

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            DiskFull: the reserve of free space would be used up; what was written before stays.
        """
        self._files.ensure_space(len(data))
        rest = memoryview(data)
        with disk_errors():
            while rest:  # an unbuffered file may take less than all of it
                written = self._file.write(rest)
                rest = rest[written:]
                self.offset += written

    def sync(self) -> None:
        """Make what was written durable."""
        with disk_errors():
            os.fsync(self._file.fileno())

    def cut(self, offset: int) -> None:
        """Forget what lies beyond `offset`."""
        with disk_errors():
            self._file.truncate(offset)
            self._file.seek(offset)
            os.fsync(self._file.fileno())
        self.offset = offset


@contextlib.contextmanager
def locked_part(path: Path, files: Files) -> Iterator[Part]:
    """Open an upload's file for the one who writes to it; the lock goes with the process.

    Raises:
        UploadLocked: somebody else writes to it.
        UploadNotFound: it is gone: the upload has ended meanwhile.
    """
    with disk_errors(), _present():
        file = path.open("r+b", buffering=0)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UploadLocked(
                "Another request writes to this upload just now; ask for its offset (HEAD) and go on in a moment.",
                retry_after_s=1,
            ) from None
        with disk_errors():
            offset = file.seek(0, os.SEEK_END)
        yield Part(file, files, offset=offset)


def durable_bytes(path: Path) -> int:
    """How much of an upload is on the disk for good: synced before it is told, so that no crash makes it less.

    Raises:
        UploadNotFound: its file is gone: the upload has ended meanwhile.
    """
    with disk_errors(), _present(), path.open("rb") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


@contextlib.contextmanager
def linked(path: Path, files: Files) -> Iterator[Incoming]:
    """A finished file under a second, temporary name, which may be moved away: the first stays until it is removed.

    A crash at any moment leaves the upload as it was. Where the file system has no links the file is copied.
    """
    temporary = files.root / "tmp" / f"upload-{uuid.uuid4().hex}"
    with disk_errors():
        try:
            temporary.hardlink_to(path)
        except OSError:
            files.ensure_space(path.stat().st_size)
            shutil.copyfile(path, temporary)
    try:
        with disk_errors(), temporary.open("rb") as file:
            os.fsync(file.fileno())
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            num_bytes = os.fstat(file.fileno()).st_size
        yield Incoming(temporary, sha256, num_bytes)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _present() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UploadNotFound(
            "This upload has just ended or was deleted; GET /uploads tells what became of it."
        ) from None
