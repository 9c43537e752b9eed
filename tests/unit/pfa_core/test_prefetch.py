import threading
from functools import partial
from pathlib import Path

import pytest
import torch

from pfa_core.errors import PackDamaged
from pfa_core.prefetch import Prefetch, plan, prefetched
from pfa_core.progress import run_to_end
from tests.unit.pfa_core import toy_run
from tests.waiting import wait_for


def test_batches_come_in_order_though_they_are_finished_in_another() -> None:
    """Each batch waits until the next one is done, so several are in the making at once."""
    done = [threading.Event() for _ in range(9)]

    def batch_of(step: int) -> int:
        if step % 3 < 2:
            assert done[step + 1].wait(60)
        done[step].set()
        return step

    assert list(prefetched(batch_of, range(9), Prefetch(threads=3, batches_ahead=3))) == list(range(9))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("first", "stop"), [(0, 10), (4, 10), (9, 10), (10, 10), (12, 10)])
def test_every_step_once(threads: int, first: int, stop: int) -> None:
    batches = prefetched(lambda step: step * step, range(first, stop), Prefetch(threads=threads, batches_ahead=4))
    assert list(batches) == [step * step for step in range(first, stop)]


def has(begun: list[int], count: int) -> bool:
    return len(begun) == count


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (1, 3), (2, 2), (2, 5)])
def test_so_many_ahead_and_no_more(threads: int, ahead: int) -> None:
    begun: list[int] = []

    def batch_of(step: int) -> int:
        begun.append(step)
        return step

    batches = prefetched(batch_of, range(100), Prefetch(threads=threads, batches_ahead=ahead))
    assert begun == []
    for step in range(10):
        assert next(batches) == step
        wait_for(partial(has, begun, step + 1 + ahead), what="the batches ahead")
    batches.close()
    assert sorted(begun) == list(range(10 + ahead))


def test_an_error_comes_as_it_is_in_the_turn_of_its_step() -> None:
    error = PackDamaged("The pack is damaged.", folder="f")

    def batch_of(step: int) -> int:
        if step == 3:
            raise error
        return step

    batches = prefetched(batch_of, range(10), Prefetch(threads=2, batches_ahead=4))
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(PackDamaged) as caught:
        next(batches)
    assert caught.value is error
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def test_closing_waits_for_what_is_in_the_making_and_begins_no_more() -> None:
    begun, ended = [], []
    hold = threading.Event()

    def batch_of(step: int) -> int:
        begun.append(step)
        if step > 0:
            assert hold.wait(60)
        ended.append(step)
        return step

    batches = prefetched(batch_of, range(100), Prefetch(threads=2, batches_ahead=8))
    next(batches)
    wait_for(lambda: len(begun) == 3, what="two batches in the making")
    closer = threading.Thread(target=batches.close)
    closer.start()
    hold.set()
    closer.join(60)
    assert sorted(begun) == sorted(ended)
    assert len(begun) <= 5  # each thread may have taken one more before it was told
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def test_one_that_was_never_asked_starts_nothing() -> None:
    begun: list[int] = []
    prefetched(begun.append, range(3), Prefetch()).close()
    assert begun == []


@pytest.mark.parametrize("recipe", ["plain", "patient"])
def test_a_run_that_was_closed_and_resumed_is_the_same_however_its_batches_are_made(
    recipe: str, tmp_path: Path
) -> None:
    how = Prefetch(threads=3, batches_ahead=5)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums are added in one order
    expected, found = toy_run.new_model(), toy_run.new_model()
    run_to_end(toy_run.run(expected, tmp_path / "one", recipe), lambda _: None)
    first = toy_run.run(toy_run.new_model(), tmp_path / "ahead", recipe, prefetch=how)
    for _ in range(7):
        next(first)
    first.close()
    run_to_end(toy_run.run(found, tmp_path / "ahead", recipe, prefetch=how), lambda _: None)
    torch.set_num_threads(threads)
    assert toy_run.equal(expected.state_dict(), found.state_dict())


def test_a_core_is_left_to_the_step() -> None:
    assert plan(in_memory=True, cores=64) == Prefetch(threads=1, batches_ahead=1)
    assert [plan(in_memory=False, cores=cores).threads for cores in (1, 2, 4, 64)] == [1, 1, 3, 8]
    assert plan(in_memory=False, cores=4).batches_ahead == 4
    assert plan(in_memory=False, cores=16, processes=4).threads == 3
