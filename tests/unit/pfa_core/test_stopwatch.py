import itertools

import pytest

from pfa_core.stopwatch import Stopwatch, Times


def test_laps_and_totals_by_hand() -> None:
    readings_s = [0.0, 0.1, 0.1, 0.4, 5.0, 5.0, 6.0, 6.6, 9.0, 9.5, 9.5, 10.0]  # waits .1, 0, .5; steps .3, .6, .5
    clock = iter(readings_s)
    watch = Stopwatch(lambda: next(clock))
    laps = []
    for turn in itertools.count(1):
        with watch.waiting():
            pass
        with watch.stepping():
            pass
        if turn >= 2:
            laps.append(watch.take_lap())
        if turn == 3:
            break
    assert laps == [
        pytest.approx({"stall": 0.1 / 1.0, "step_ms": 450.0}),
        pytest.approx({"stall": 0.5 / 1.0, "step_ms": 500.0}),
    ]
    assert watch.total.figures() == pytest.approx({"stall": 0.6 / 2.0, "step_ms": 1400 / 3})


def test_nothing_measured_is_no_stall() -> None:
    assert Times().figures() == {"stall": 0.0, "step_ms": 0.0}
