"""A bucket of tokens, from its definition: `burst` at once, then one every 60 / per_minute seconds."""

from hypothesis import given
from hypothesis import strategies as st

from api.rates import Rates
from tests.integration.store.clock import Clock


def test_no_limit_counts_nothing() -> None:
    rates = Rates(per_minute=0, burst=1)
    assert [rates.take("a").wait_s for _ in range(1000)] == [0] * 1000
    assert rates.take("a").headers == {}


def test_a_burst_then_one_at_a_time() -> None:
    clock = Clock()
    rates = Rates(per_minute=30, burst=3, clock=clock)
    assert [rates.take("a").wait_s for _ in range(5)] == [0, 0, 0, 2, 2]
    assert rates.take("b").wait_s == 0, "keys do not take each other's"
    assert rates.take(None).wait_s == 0
    clock.pass_s(1.5)
    assert rates.take("a").wait_s == 1
    clock.pass_s(0.5)
    assert [rates.take("a").wait_s for _ in range(2)] == [0, 2]
    clock.pass_s(3600)
    assert [rates.take("a").wait_s for _ in range(4)] == [0, 0, 0, 2]


def test_headers_tell_what_is_left() -> None:
    clock = Clock()
    rates = Rates(per_minute=30, burst=3, clock=clock)
    assert rates.take("a").headers == {"RateLimit-Policy": '"key";q=3;w=6', "RateLimit": '"key";r=2;t=2'}
    assert rates.take("a").headers["RateLimit"] == '"key";r=1;t=4'


@given(
    per_minute=st.integers(1, 600),
    burst=st.integers(1, 20),
    pauses_s=st.lists(st.floats(0, 30), min_size=1, max_size=60),
)
def test_never_more_than_the_bucket_and_what_ran_in(per_minute: int, burst: int, pauses_s: list[float]) -> None:
    clock = Clock(0.0)
    rates = Rates(per_minute=per_minute, burst=burst, clock=clock)
    taken = 0
    for pause_s in pauses_s:
        clock.pass_s(pause_s)
        wait_s = rates.take("a").wait_s
        taken += wait_s == 0
        if wait_s:
            before = clock.now_s
            clock.pass_s(wait_s)
            assert rates.take("a").wait_s == 0, "who waits as told is served"
            taken += 1
            assert clock.now_s == before + wait_s
    assert taken <= burst + clock.now_s * per_minute / 60 + 1e-6
