"""What the database said about keys and models, for as long as it has not changed: most requests ask it nothing."""

import time
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from starlette.concurrency import run_in_threadpool

from pfa_store.changes import Changes

V = TypeVar("V")

MAX_ANSWERS = 10_000
LOOK_EVERY_S = 0.002
"""Questions of one moment share a look at the database: it costs the event loop its turn at the interpreter."""


class Recall:
    """Answers by what was asked. All methods run in one event loop."""

    def __init__(self, changes: Changes, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._changes = changes
        self._clock = clock
        self._stamp: Hashable = None
        self._answers: dict[Hashable, object] = {}
        self._look_s = 0.0

    async def of(self, asked: Hashable, ask: Callable[[], V]) -> V:
        """The answer to a question; `ask` runs in a thread where it is not known. None and errors are not kept.

        Raises: what `ask` raises.
        """
        stamp = self._stamp
        if self._clock() >= self._look_s:
            stamp = self._changes.stamp()
            self._look_s = self._clock() + LOOK_EVERY_S
        if stamp != self._stamp or len(self._answers) >= MAX_ANSWERS:
            self._stamp = stamp
            self._answers.clear()
        if asked in self._answers:
            return cast(V, self._answers[asked])
        answer = await run_in_threadpool(ask)
        if answer is not None and stamp == self._stamp:  # what has changed since has another stamp
            self._answers[asked] = answer
        return answer
