"""Where the tokens of keys are counted: in one process, or in a file that several API processes map into memory."""

import fcntl
import hashlib
import mmap
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

SLOTS = 4096
PROBES = 16
"""Places that are tried for a key; among that many keys the one that called longest ago gives way, and starts full."""
_SLOT = struct.Struct("=16sdd")
_NOBODY = bytes(16)

Change = Callable[[float, float], tuple[float, float]]
"""From the tokens of a key and the time that they were counted to those now; both are -1 for a key that is new."""


class Buckets(Protocol):
    """Tokens by key."""

    def change(self, key_id: str | None, change: Change) -> None:
        """Replace the tokens of a key in one step, which no other call gets between."""

    def close(self) -> None:
        """Give up what is held open."""


class OwnBuckets:
    """In this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[str | None, tuple[float, float]] = {}

    def change(self, key_id: str | None, change: Change) -> None:
        with self._lock:
            self._buckets[key_id] = change(*self._buckets.get(key_id, (-1.0, -1.0)))

    def close(self) -> None:
        """Nothing is."""


class SharedBuckets:
    """In a file, whose lock goes with the process that holds it. Times must be of a clock that all processes share."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = path.open("a+b")
        with self._lock, _Locked(self._file.fileno()):
            if path.stat().st_size < SLOTS * _SLOT.size:
                self._file.truncate(SLOTS * _SLOT.size)
        self._map = mmap.mmap(self._file.fileno(), SLOTS * _SLOT.size)

    def change(self, key_id: str | None, change: Change) -> None:
        key = hashlib.sha256(repr(key_id).encode()).digest()[:16]
        with self._lock, _Locked(self._file.fileno()):
            offset, tokens, at_s = self._find(key)
            _SLOT.pack_into(self._map, offset, key, *change(tokens, at_s))

    def close(self) -> None:
        self._map.close()
        self._file.close()

    def _find(self, key: bytes) -> tuple[int, float, float]:
        """Where a key's tokens are, or go."""
        first = int.from_bytes(key[:4], "little")
        oldest_s, oldest = float("inf"), 0
        for probe in range(PROBES):
            offset = (first + probe) % SLOTS * _SLOT.size
            found, tokens, at_s = _SLOT.unpack_from(self._map, offset)
            if found == key:
                return offset, tokens, at_s
            if found == _NOBODY:
                return offset, -1.0, -1.0
            if at_s < oldest_s:
                oldest_s, oldest = at_s, offset
        return oldest, -1.0, -1.0


class _Locked:
    """Holds a lock between processes: on the way of every request, and faster than a generator."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_error: object) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
