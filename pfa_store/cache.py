"""Which published things lie on this host, how large they are and who uses them: what may go when room is needed.

A small SQLite database in the data folder, so that all processes of a host agree. If it is lost, nothing is lost but
that what lies here by then is never removed. A process that uses things holds a lock on a file of its own; when it
dies, in whatever way, its holds end.
"""

import contextlib
import fcntl
import math
import os
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pfa_store.disk import disk_errors
from pfa_store.errors import DiskFull, StoreUnavailable

_BUSY_S = 60.0
_TABLES = (
    "CREATE TABLE IF NOT EXISTS things (path TEXT PRIMARY KEY, num_bytes INTEGER NOT NULL, used_s REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS holds (holder TEXT, path TEXT, until_s REAL NOT NULL, PRIMARY KEY (holder, path))",
)


class Cache:
    """The index of one data folder. May be sent to another process, which then holds for itself."""

    def __init__(self, root: Path, *, max_bytes: int) -> None:
        self._root = root
        self._folder = root / "cache"
        self._max_bytes = max_bytes
        self._holder: tuple[int, str, int] | None = None
        """This process, its name among holders, and its open lock file."""

    def __getstate__(self) -> dict[str, Any]:
        """Holds are of one process."""
        return {**self.__dict__, "_holder": None}

    def create(self) -> None:
        """Make the folders and the index. Raises: DiskFull, StoreUnavailable."""
        with disk_errors():
            (self._folder / "holders").mkdir(parents=True, exist_ok=True)
        with self._alone() as index:
            for statement in _TABLES:
                index.execute(statement)

    def hold(self, path: str, *, until_s: float = math.inf) -> bool:
        """Keep a thing that is here, until then; False: it is not here. What the index does not know stays anyway."""
        with self._alone() as index:
            if not (self._root / path).exists():
                return False
            if index.execute("UPDATE things SET used_s = ? WHERE path = ?", (time.time(), path)).rowcount:
                self._hold(index, path, until_s)
            return True

    def reserve(self, path: str, num_bytes: int, *, until_s: float = math.inf) -> None:
        """Make room for a thing that is about to come, and hold it.

        Raises:
            DiskFull: what is in use leaves no room for it.
        """
        with self._alone() as index, self._room(index, num_bytes) as left:
            if left < 0:
                raise DiskFull(
                    f"What is needed here ({num_bytes >> 20} MiB) does not fit beside what is in use into the"
                    f" {self._max_bytes >> 20} MiB of PFA_CACHE_BYTES. Raise it, or wait for the end of other jobs.",
                    needed_bytes=num_bytes,
                )
            self._enter(index, path, num_bytes)
            self._hold(index, path, until_s)

    def note(self, path: str, num_bytes: int) -> None:
        """A thing that lies here is published: from now on it may go when room is needed, even at once."""
        with self._alone() as index:
            self._enter(index, path, num_bytes)
            with self._room(index, 0):
                pass

    def release(self, path: str) -> None:
        """This process does not use it any more."""
        with self._alone() as index:
            index.execute("DELETE FROM holds WHERE holder = ? AND path = ?", (self._me(), path))

    def forget(self, path: str) -> None:
        """It is not here any more, nor is what lay below it."""
        with self._alone() as index:
            for table in ("things", "holds"):
                index.execute(f"DELETE FROM {table} WHERE path = ? OR path GLOB ?", (path, f"{path}/*"))  # noqa: S608  # two literals

    def close(self) -> None:
        """This process uses nothing any more."""
        if self._holder is not None and self._holder[0] == os.getpid():
            os.close(self._holder[2])
            self._holder = None

    def num_bytes(self) -> int:
        """Of all things that are here and may go."""
        with self._alone() as index:
            return _total(index)

    @contextlib.contextmanager
    def _room(self, index: sqlite3.Connection, num_bytes: int) -> Iterator[int]:
        """Move things away, the least recently used first, until so much more fits; gives what is then left."""
        over = _total(index) + num_bytes - self._max_bytes
        victims: list[str] = []
        if over > 0:
            in_use = self._in_use(index)
            for path, size in index.execute("SELECT path, num_bytes FROM things ORDER BY used_s").fetchall():
                if over <= 0:
                    break
                if path not in in_use:
                    victims.append(path)
                    over -= size
        with self._buried(victims):
            index.executemany("DELETE FROM things WHERE path = ?", [(path,) for path in victims])
            yield -over

    @contextlib.contextmanager
    def _buried(self, victims: Sequence[str]) -> Iterator[None]:
        """Rename them away, in no time; empty their grave at the end. What was made of a thing goes with it."""
        if not victims:
            yield
            return
        with disk_errors():
            grave = Path(tempfile.mkdtemp(dir=self._root / "tmp"))
            for number, name in enumerate(victims):
                path = self._root / name
                for found in [path, *path.parent.glob(f".{path.name}.*")]:
                    if not found.name.endswith(".lock"):
                        with contextlib.suppress(FileNotFoundError):
                            found.rename(grave / f"{number}{found.name}")
        try:
            yield
        finally:
            shutil.rmtree(grave, ignore_errors=True)

    def _in_use(self, index: sqlite3.Connection) -> set[str]:
        """Of processes that live; the holds of the others are forgotten."""
        now_s = time.time()
        index.execute("DELETE FROM holds WHERE until_s < ?", (now_s,))
        for (holder,) in index.execute("SELECT DISTINCT holder FROM holds").fetchall():
            if holder != self._me() and not self._lives(holder):
                index.execute("DELETE FROM holds WHERE holder = ?", (holder,))
                (self._folder / "holders" / holder).unlink(missing_ok=True)
        return {path for (path,) in index.execute("SELECT path FROM holds")}

    def _lives(self, holder: str) -> bool:
        try:
            with (self._folder / "holders" / holder).open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    def _hold(self, index: sqlite3.Connection, path: str, until_s: float) -> None:
        index.execute("INSERT OR REPLACE INTO holds VALUES (?, ?, ?)", (self._me(), path, until_s))

    def _enter(self, index: sqlite3.Connection, path: str, num_bytes: int) -> None:
        index.execute("INSERT OR REPLACE INTO things VALUES (?, ?, ?)", (path, num_bytes, time.time()))

    def _me(self) -> str:
        """The name under which this process holds things; its lock file is made when it first does."""
        if self._holder is None or self._holder[0] != os.getpid():
            name = uuid.uuid4().hex
            with disk_errors():
                handle = os.open(self._folder / "holders" / name, os.O_CREAT | os.O_RDWR, 0o644)
                fcntl.flock(handle, fcntl.LOCK_EX)
            self._holder = os.getpid(), name, handle
        return self._holder[1]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        """A transaction; meanwhile no other process of this host looks or removes."""
        try:
            with contextlib.closing(
                sqlite3.connect(self._folder / "index.sqlite3", timeout=_BUSY_S, isolation_level=None)
            ) as index:
                index.execute("BEGIN IMMEDIATE")
                try:
                    yield index
                except BaseException:
                    index.execute("ROLLBACK")
                    raise
                index.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The index of the cache cannot be used just now: {error}") from error


def _total(index: sqlite3.Connection) -> int:
    return index.execute("SELECT COALESCE(SUM(num_bytes), 0) FROM things").fetchone()[0]
