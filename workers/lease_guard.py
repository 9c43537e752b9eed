"""Ends the process of an attempt when its lease runs out, though its supervisor waits for a database that is gone."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class LeaseGuard:
    """Watches beside the supervisor, in a thread: inside the `with`, the process must not outlive the lease.

    Another host may take the job from then on, and this one may be cut off from all that would tell it so.
    """

    def __init__(self, until_s: Callable[[], float], strike: Callable[[], None]) -> None:
        """
        Args:
            until_s: when the lease that was renewed last runs out, in `time.monotonic()`.
            strike: ends the process; called once at most, in another thread.
        """
        self._until_s, self._strike = until_s, strike
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lease guard", daemon=True)
        self.struck = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(max(0.0, self._until_s() - time.monotonic())):
            if time.monotonic() >= self._until_s():
                self.struck = True
                self._strike()
                return
