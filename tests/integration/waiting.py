"""Waiting for something to become true, with a deadline: tests never sleep for a guessed time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, *, timeout_s: float = 60) -> T:
    """The first answer of `look` that counts as true.

    Raises:
        AssertionError: there was none within `timeout_s`.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)
