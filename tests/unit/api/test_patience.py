"""Work stops when its client leaves, and rows that wait leave the queue with it."""

import asyncio
from threading import Event

import pytest
import torch
from fastapi import Request
from starlette.requests import ClientDisconnect
from torch import Tensor

from api.inference.batcher import Batched, Batcher
from api.patience import unless_gone

LONG_S = 30


def request_of(left: asyncio.Event) -> Request:
    """A request whose body was read and whose client leaves when the event is set."""

    async def receive() -> dict[str, object]:
        await left.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def test_the_result_of_work_that_ends_first() -> None:
    async def run() -> int:
        async def work() -> int:
            await asyncio.sleep(0)
            return 7

        return await unless_gone(request_of(asyncio.Event()), work())

    assert asyncio.run(run()) == 7


def test_an_error_of_the_work_is_the_caller_s() -> None:
    async def run() -> None:
        async def work() -> None:
            raise ValueError("wrong")

        await unless_gone(request_of(asyncio.Event()), work())

    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(run())


def test_rows_of_a_client_who_left_are_not_computed() -> None:
    gate, entered = Event(), Event()
    sizes: list[int] = []

    def forward(rows: Tensor) -> Tensor:
        entered.set()
        assert gate.wait(LONG_S)
        sizes.append(len(rows))
        return rows

    async def run(batcher: Batcher) -> None:
        busy = batcher.submit(forward, torch.zeros(1, 1))
        await asyncio.to_thread(entered.wait, LONG_S)
        left = asyncio.Event()

        async def work() -> Batched:
            future = batcher.submit(forward, torch.zeros(5, 1))
            left.set()
            return await asyncio.wrap_future(future)

        with pytest.raises(ClientDisconnect):
            await unless_gone(request_of(left), work())
        assert batcher.waiting == 0
        gate.set()
        await asyncio.wrap_future(busy)

    batcher = Batcher(max_batch=8, max_queue=8)
    try:
        asyncio.run(run(batcher))
    finally:
        gate.set()
        batcher.close()
    assert sizes == [1]
