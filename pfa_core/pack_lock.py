"""One builder at a time for a pack, or several that make parts of it: a lock file beside it, gone when nobody builds.

The kernel drops the lock with the process that holds it, however that ends, so nothing has to be cleared away.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from pathlib import Path

LOCK_POLL_S = 0.1
"""How often the one who waits for another builder looks again."""


class PackLock:
    """The right to make, replace or remove the pack at `folder`. Close it to give the right up.

    Shared, it is the right to have the pack stay as it is, or stay away, while one makes a part of it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder.parent / f".{folder.name}.lock"
        self._handle: int | None = None

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock without waiting; whether it is ours. The folder around it is made.

        `shared`: beside others that share it; else nobody may have it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # the folder was removed as empty just now
            return False
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            held = self._is_at_its_place(handle)
        except BlockingIOError:
            held = False
        if not held:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def wait(self) -> Generator[None, None, None]:
        """Take the lock as soon as it is free; yields until then, so that waiting can be told and stopped."""
        while not self.take():
            yield
            time.sleep(LOCK_POLL_S)  # a lock that is waited for in the kernel could not be given up

    def close(self) -> None:
        """Let the next one have it. The file goes first: who waits on it sees that it is no longer the one.

        It stays while others share the lock.
        """
        if self._handle is not None:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _is_at_its_place(self, handle: int) -> bool:
        """Whether the file that we locked is the one that others will find."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(handle), self._path.stat())
        return False
