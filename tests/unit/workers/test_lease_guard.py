"""The guard strikes when the lease ends, whatever the thread that watches the process waits for."""

import threading
import time

from workers.lease_guard import LeaseGuard

FAR_S = 3600.0


def test_it_strikes_once_when_the_lease_ends_while_its_owner_waits() -> None:
    struck = threading.Event()
    strikes: list[float] = []
    until_s = time.monotonic() + 0.05

    def strike() -> None:
        strikes.append(time.monotonic())
        struck.set()

    with LeaseGuard(lambda: until_s, strike) as guard:
        assert struck.wait(30)
    assert guard.struck
    assert len(strikes) == 1
    assert strikes[0] >= until_s


def test_a_lease_that_is_renewed_goes_on() -> None:
    """The first end is over before it is looked at again: by then a later one holds."""
    ends = iter([time.monotonic() + 0.05])
    asked = threading.Event()

    def until_s() -> float:
        for first in ends:
            return first
        asked.set()
        return time.monotonic() + FAR_S

    with LeaseGuard(until_s, lambda: None) as guard:
        assert asked.wait(30)
    assert not guard.struck


def test_nothing_happens_to_an_attempt_that_ended_in_time() -> None:
    with LeaseGuard(lambda: time.monotonic() + FAR_S, lambda: None) as guard:
        pass
    assert not guard.struck
