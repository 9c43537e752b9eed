"""A sweep as a chore: one process of the installation at a time, in turns of bounded length, and counted."""

import os
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pfa_store.chores import Chores
from pfa_store.errors import InUse
from pfa_store.garbage.piece import Piece
from pfa_store.garbage.sweeper import Sweeper

CHORE = "gc"


class GarbageCollection:
    """One sweep, from taking the chore to giving it up. A holder that dies is followed by another minutes later."""

    def __init__(self, chores: Chores, sweeper: Sweeper, *, every_s: float, clock: Callable[[], float]) -> None:
        self._chores = chores
        self._every_s = every_s
        self._clock = clock
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._sweeper = sweeper
        self._pieces: Iterator[Piece | None] | None = None
        self._counts: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def begin(self, *, due: bool = True) -> bool:
        """Take the chore; False: another process does it, or (`due`) it is not yet time."""
        if not self._chores.begin(CHORE, self._holder, due=due):
            return False
        self._counts.clear()
        self._bytes.clear()
        self._pieces = self._sweeper.sweep()
        return True

    @property
    def under_way(self) -> bool:
        return self._pieces is not None

    def turn(self, *, goes_on: Callable[[], bool]) -> Iterator[Piece]:
        """What is removed, for as long as `goes_on` says so; afterwards `under_way` tells whether there is more."""
        if self._pieces is None:
            return
        if not self._chores.renew(CHORE, self._holder):  # it was silent for long, and another one has taken over
            self._pieces = None
            return
        for piece in self._pieces:
            if piece is not None:
                self._counts[piece.kind] += 1
                self._bytes[piece.kind] += piece.num_bytes
                yield piece
            if not goes_on():
                return
        self._pieces = None
        self._chores.end(CHORE, self._holder, next_s=self._clock() + self._every_s, tally=self._tally())

    def all(self) -> Iterator[Piece]:
        """Remove everything that is due, now.

        Raises:
            InUse: another process is at it.
        """
        if not self.begin(due=False):
            raise InUse(
                f"Another process clears away just now ({self._chores.holder(CHORE)}); try again in some minutes."
            )
        while self.under_way:
            pieces = 0

            def enough() -> bool:
                nonlocal pieces
                pieces += 1
                return pieces < 1000  # then the chore is renewed

            yield from self.turn(goes_on=enough)

    def _tally(self) -> dict[str, Any]:
        before = self._chores.tally(CHORE)
        counts = Counter(before.get("pieces", {})) + self._counts
        sizes = Counter(before.get("bytes", {})) + self._bytes
        last = {"ended_s": self._clock(), "pieces": dict(self._counts), "bytes": dict(self._bytes)}
        return {"sweeps": before.get("sweeps", 0) + 1, "pieces": dict(counts), "bytes": dict(sizes), "last": last}
