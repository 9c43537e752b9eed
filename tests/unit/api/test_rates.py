"""A bucket of tokens, from its definition: `burst` at once, then one every 60 / per_minute seconds."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from api.buckets import SharedBuckets
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


def test_two_processes_share_what_a_key_may(tmp_path: Path) -> None:
    now_s = 50.0
    with closing(SharedBuckets(tmp_path / "rates")) as one, closing(SharedBuckets(tmp_path / "rates")) as other:
        first, second = (Rates(per_minute=60, burst=4, buckets=each, clock=lambda: now_s) for each in (one, other))
        assert [rates.take("a").wait_s for rates in (first, second, first, second)] == [0, 0, 0, 0]
        assert first.take("a").wait_s == second.take("a").wait_s == 1
        assert first.take(None).wait_s == 0
        now_s += 2
        assert [rates.take("a").wait_s for rates in (second, first, second)] == [0, 0, 1]


def test_real_processes_count_every_call_once(tmp_path: Path) -> None:
    """Four processes take at once from a bucket of 100 that hardly fills: they get 100 between them."""
    program = (
        "import sys; from pathlib import Path; from api.buckets import SharedBuckets; from api.rates import Rates\n"
        "buckets = SharedBuckets(Path(sys.argv[1]))\n"
        "rates = Rates(per_minute=1, burst=100, buckets=buckets, clock=lambda: 50.0)\n"
        "print(sum(not rates.take('a').wait_s for _ in range(60)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "rates")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    assert sum(int(process.communicate(timeout=120)[0]) for process in started) == 100


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_few_keys_are_counted_in_a_file_as_in_memory(calls: list[int]) -> None:
    with TemporaryDirectory() as folder, closing(SharedBuckets(Path(folder) / "rates")) as buckets:
        shared = Rates(per_minute=60, burst=2, buckets=buckets, clock=lambda: 50.0)
        own = Rates(per_minute=60, burst=2, clock=lambda: 50.0)
        assert [shared.take(str(key)) for key in calls] == [own.take(str(key)) for key in calls]
