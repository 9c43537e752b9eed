"""Whether a process was asked to end."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class StopFlag:
    """Whether this process was asked to end."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self, _signal: int, _frame: FrameType | None) -> None:
        """A signal handler."""
        self.is_set = True


@contextlib.contextmanager
def told_to_stop() -> Iterator[StopFlag]:
    """While a job runs, SIGTERM means: let it write its checkpoint and hand it back."""
    flag = StopFlag()
    before = signal.signal(signal.SIGTERM, flag.set)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGTERM, before)
