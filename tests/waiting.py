"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], *, timeout_s: float = 60.0, what: str = "the condition") -> T:
    """Poll until `condition` gives something true, and return that.

    Raises:
        AssertionError: it did not within `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    pause_s = 0.01
    while time.monotonic() < deadline_s:
        found = condition()
        if found:
            return found
        time.sleep(pause_s)
        pause_s = min(0.25, pause_s * 1.5)
    raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}")
