"""Writing to the data folder so that a crash leaves the old file or the new one."""

import contextlib
import copy
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self, runtime_checkable

from pfa_core.errors import PfaError
from pfa_store.database import locked
from pfa_store.disk import disk_errors, sync_folder
from pfa_store.errors import DiskFull
from pfa_store.layout import Layout
from pfa_store.shelf import SharedFolder, Shelf

CHUNK_BYTES = 1 << 20
HELD_BY = ".held"
"""A file in a temporary folder that is locked for as long as somebody needs the folder, be it for months."""


@runtime_checkable
class Readable(Protocol):
    """A binary file."""

    def read(self, size: int, /) -> bytes: ...


Source = Path | Readable | Iterable[bytes]
"""Where the bytes of an upload come from."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """Bytes that arrived in full and lie, synced, in a temporary file."""

    path: Path
    sha256: str
    num_bytes: int


class Files(Layout):
    """The data folder: its paths, and atomic writes to them."""

    def __init__(
        self,
        data_dir: Path,
        *,
        min_free_bytes: int = 0,
        shelf: Shelf | None = None,
        between_hosts: Callable[[str], AbstractContextManager[None]] | None = None,
    ) -> None:
        """`shelf`: where what is published is kept; None: here. `between_hosts`: locks of those who do not share it."""
        super().__init__(data_dir)
        self.shelf: Shelf = shelf or SharedFolder()
        self._between_hosts = between_hosts
        self._min_free_bytes = min_free_bytes

    def without_reserve(self) -> Self:
        """The same folder for what keeps nothing, and may use the last free bytes."""
        other = copy.copy(self)
        other._min_free_bytes = 0
        return other

    def create(self) -> None:
        """Make the folders.

        Raises:
            DiskFull, StoreUnavailable: they cannot be made.
        """
        with disk_errors():
            for name in ("tmp", "locks", "uploads", "videos", "images", "packs", "jobs", "models", "collections"):
                (self.root / name).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Exclude every other process that asks for the same name, on every host. Raises: StoreUnavailable."""
        with self.lock_here(name), self._between_hosts(name) if self._between_hosts else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def lock_here(self, name: str) -> Iterator[None]:
        """Exclude every other process that asks for the same name of this very folder."""
        with locked(self.root / f"{name}.lock"):
            yield

    def ensure_space(self, num_bytes: int) -> None:
        """Check that `num_bytes` more leave the reserve untouched.

        Raises:
            DiskFull: they do not.
        """
        with disk_errors():
            free = shutil.disk_usage(self.root).free
        if free - num_bytes < self._min_free_bytes:
            raise DiskFull(
                f"The disk of the data folder is short of space: {free >> 20} MiB are free and"
                f" {self._min_free_bytes >> 20} MiB are kept in reserve. Delete something, or ask the administrator.",
                free_bytes=free,
                needed_bytes=num_bytes,
            )

    @contextlib.contextmanager
    def incoming(self, source: Source, *, max_bytes: int, too_large: type[PfaError]) -> Iterator[Incoming]:
        """Receive an upload; its temporary file is removed at the end of the block unless it was moved away.

        Raises:
            too_large: more than `max_bytes` came; the rest is not read.
            DiskFull: the reserve of free space would be used up.
        """
        with disk_errors():
            handle, name = tempfile.mkstemp(dir=self.root / "tmp")
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                digest, num_bytes = hashlib.sha256(), 0
                for chunk in _chunks(source):
                    num_bytes += len(chunk)
                    if num_bytes > max_bytes:
                        raise too_large(f"The upload has more than {max_bytes} bytes, which is the limit.")
                    self.ensure_space(len(chunk))
                    digest.update(chunk)
                    with disk_errors():
                        file.write(chunk)
                with disk_errors():
                    _sync(file)
            yield Incoming(path, digest.hexdigest(), num_bytes)
        finally:
            path.unlink(missing_ok=True)

    def move(self, source: Path, target: Path) -> None:
        """Rename a synced file or folder to its final place, for good."""
        with disk_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            sync_folder(target.parent)

    def write_atomic(self, target: Path, content: bytes, *, mode: int = 0o644) -> None:
        """Write a small file: afterwards it holds the old content or the new one, whatever happens.

        Raises:
            DiskFull, StoreUnavailable: it could not be written; the old content is still there.
        """
        with disk_errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
        temporary = Path(name)
        try:
            with disk_errors(), os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
                _sync(file)
            self.move(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    def unpublish(self, path: Path) -> None:
        """Delete a published thing, or all below a folder, for all hosts. Others may still have it; no row names it."""
        self.remove(path)
        self.shelf.forget(path)

    def remove(self, path: Path) -> None:
        """Delete a file or a folder if it is there. A folder vanishes in one step, then is emptied."""
        if path.is_dir():
            self.empty(self.bury(path))
        else:
            with disk_errors():
                path.unlink(missing_ok=True)

    def bury(self, path: Path) -> Path | None:
        """Take a file or a folder from its place in one step; `empty` then deletes what this returns.

        None: it is not there. What nobody empties, because the process died, is cleared away as an old temporary file.
        """
        with disk_errors():
            grave = Path(tempfile.mkdtemp(prefix="grave-", dir=self.root / "tmp"))
            try:
                path.rename(grave / path.name)
            except FileNotFoundError:
                grave.rmdir()
                return None
            return grave

    def empty(self, grave: Path | None) -> None:
        """Delete what was buried."""
        if grave is not None:
            with disk_errors():
                shutil.rmtree(grave)


def _chunks(source: Source) -> Iterator[bytes]:
    if isinstance(source, Path):
        with disk_errors():
            file = source.open("rb")
        with file:
            yield from iter(lambda: file.read(CHUNK_BYTES), b"")
    elif isinstance(source, Readable):  # asked first: iterating over a file gives lines
        yield from iter(lambda: source.read(CHUNK_BYTES), b"")
    else:
        yield from source


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
