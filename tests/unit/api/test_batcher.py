"""The batcher, with a real module and real threads."""

from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, wait
from threading import Event

import pytest
import torch
from torch import Tensor, nn

from api.errors import QueueFull
from api.inference.batcher import MAX_RETRY_S, Batched, Batcher

LONG_S = 30


class Doubler(nn.Module):
    """Doubles its rows and remembers how many it got; waits at a gate where there is one."""

    def __init__(self, gate: Event | None = None) -> None:
        super().__init__()
        self.gate = gate
        self.entered = Event()
        self.batches: list[int] = []

    def forward(self, rows: Tensor) -> Tensor:
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(LONG_S)
        self.batches.append(len(rows))
        return rows * 2


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    batcher = Batcher(max_batch=4, max_queue=6)
    yield batcher
    batcher.close()


def rows(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1)


def tensor_of(future: "Future[Batched]") -> Tensor:
    raw = future.result(LONG_S).raw
    assert isinstance(raw, Tensor)
    return raw


def held(batcher: Batcher) -> tuple[Doubler, Event, "Future[Batched]"]:
    """A network that is busy with a first row until the gate opens."""
    gate = Event()
    net = Doubler(gate)
    first = batcher.submit(net, rows(0))
    assert net.entered.wait(LONG_S)
    return net, gate, first


def test_each_submission_gets_its_own_rows(batcher: Batcher) -> None:
    net = Doubler()
    futures = [batcher.submit(net, rows(i, i + 0.5)) for i in range(3)]
    for i, future in enumerate(futures):
        assert torch.equal(tensor_of(future), rows(2 * i, 2 * i + 1))


def test_what_waits_runs_together_up_to_max_batch(batcher: Batcher) -> None:
    net, gate, first = held(batcher)
    futures = [batcher.submit(net, rows(i)) for i in range(6)]
    gate.set()
    wait([first, *futures], LONG_S)
    assert net.batches == [1, 4, 2]
    assert futures[0].result().batch_rows == 4


def test_networks_are_not_mixed_and_order_is_kept(batcher: Batcher) -> None:
    net, gate, first = held(batcher)
    other = Doubler()
    mixed = [batcher.submit(n, rows(i)) for i, n in enumerate([net, other, net, other])]
    gate.set()
    wait([first, *mixed], LONG_S)
    assert net.batches == [1, 2]
    assert other.batches == [2]
    assert [tensor_of(future).item() for future in mixed] == [0, 2, 4, 6]


def test_rows_of_another_shape_are_not_mixed(batcher: Batcher) -> None:
    net, gate, first = held(batcher)
    wide = batcher.submit(net, torch.ones(1, 3))
    narrow = batcher.submit(net, rows(1))
    gate.set()
    wait([first, wide, narrow], LONG_S)
    assert net.batches == [1, 1, 1]


def test_a_full_queue_refuses_and_says_when_to_come_back(batcher: Batcher) -> None:
    net, gate, first = held(batcher)
    futures = [batcher.submit(net, rows(i)) for i in range(6)]
    with pytest.raises(QueueFull) as refused:
        batcher.submit(net, rows(7))
    assert refused.value.facts["retry_after_s"] == 1  # nothing is measured yet
    gate.set()
    wait([first, *futures], LONG_S)
    assert tensor_of(batcher.submit(net, rows(8))).item() == 16


def test_a_large_submission_is_taken_and_runs_alone(batcher: Batcher) -> None:
    net = Doubler()
    assert len(tensor_of(batcher.submit(net, torch.ones(20, 1)))) == 20


def test_a_cancelled_request_leaves_the_queue(batcher: Batcher) -> None:
    net, gate, first = held(batcher)
    doomed = batcher.submit(net, rows(1))
    kept = batcher.submit(net, rows(2))
    assert batcher.waiting == 2
    assert doomed.cancel()
    assert batcher.waiting == 1
    gate.set()
    assert tensor_of(kept).item() == 4
    assert tensor_of(first).item() == 0
    assert net.batches == [1, 1]
    with pytest.raises(CancelledError):
        doomed.result(LONG_S)


def test_a_failing_network_fails_its_requests_only(batcher: Batcher, caplog: pytest.LogCaptureFixture) -> None:
    wrong = nn.Linear(3, 1)
    failed = batcher.submit(wrong, rows(1))
    with pytest.raises(RuntimeError):
        failed.result(LONG_S)
    assert "a forward pass failed" in caplog.text
    assert tensor_of(batcher.submit(Doubler(), rows(1))).item() == 2


def test_several_outputs_are_split_alike(batcher: Batcher) -> None:
    gate = Event()
    entered = Event()

    def both(values: Tensor) -> tuple[Tensor, Tensor]:
        entered.set()
        assert gate.wait(LONG_S)
        return values + 1, values - 1

    futures = [batcher.submit(both, rows(0))]
    assert entered.wait(LONG_S)
    futures += [batcher.submit(both, rows(i)) for i in (10, 20)]
    gate.set()
    more, less = futures[2].result(LONG_S).raw
    assert (more.item(), less.item()) == (21, 19)


def test_closing_refuses_what_waits() -> None:
    batcher = Batcher(max_batch=1, max_queue=4)
    net, gate, first = held(batcher)
    waiting = batcher.submit(net, rows(1))
    gate.set()
    batcher.close()
    assert tensor_of(first).item() == 0
    if waiting.exception(LONG_S) is not None:  # the pass may have begun before the close
        assert isinstance(waiting.exception(), QueueFull)
    with pytest.raises(QueueFull):
        batcher.submit(net, rows(2))


def test_no_gradient_is_kept(batcher: Batcher) -> None:
    assert not tensor_of(batcher.submit(nn.Linear(1, 1), rows(1))).requires_grad


def test_who_is_refused_is_told_how_long_what_waits_takes() -> None:
    batcher = Batcher(max_batch=1, max_queue=40)
    slow = Event()

    def half_a_second(values: Tensor) -> Tensor:
        slow.wait(0.5)  # never set: it is the network's time
        return values

    batcher.submit(half_a_second, rows(0)).result(LONG_S)
    net, gate, first = held(batcher)
    futures = [batcher.submit(net, rows(i)) for i in range(40)]
    assert 20 <= batcher.retry_after_s <= MAX_RETRY_S  # 40 rows at no more than 2 a second
    with pytest.raises(QueueFull) as refused:
        batcher.submit(net, rows(41))
    assert refused.value.facts["retry_after_s"] == batcher.retry_after_s
    gate.set()
    wait([first, *futures], LONG_S)
    batcher.close()


def test_the_queue_s_length_and_each_pass_are_told() -> None:
    lengths: list[int] = []
    passes: list[list[int]] = []
    batcher = Batcher(
        max_batch=4,
        max_queue=8,
        on_batch=lambda answers: passes.append([len(answer.raw) for answer in answers]),
        on_queue=lengths.append,
    )
    net, gate, first = held(batcher)
    futures = [batcher.submit(net, rows(i, i)) for i in range(2)]
    doomed = batcher.submit(net, rows(5))
    doomed.cancel()
    gate.set()
    wait([first, *futures], LONG_S)
    batcher.close()
    assert lengths == [1, 0, 2, 4, 5, 4, 0, 0]
    assert passes == [[1], [2, 2]]
