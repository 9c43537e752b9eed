"""Many requests, one forward pass: a bounded queue and the thread that empties it.

A batch is whatever waits when the network becomes free, up to `max_batch` rows: no request waits for company. Rows of
different networks or sizes are never mixed; a request that is cancelled leaves the queue at once.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

import torch
from torch import Tensor

from api.errors import QueueFull

logger = logging.getLogger(__name__)

Raw = Tensor | tuple[Tensor, ...]
"""What a network says: a tensor, or several, with a row for each row that it was given."""
Forward = Callable[[Tensor], Raw]


@dataclass(frozen=True, slots=True)
class Batched:
    """The answer to one submission."""

    raw: Raw
    """What the network says about the submitted rows, and no others."""
    queue_s: float
    forward_s: float
    batch_rows: int
    """Rows of the forward pass that answered it, its neighbours' included."""


@dataclass(slots=True, eq=False)
class _Item:
    forward: Forward
    rows: Tensor
    since_s: float
    future: "Future[Batched]" = field(default_factory=Future)

    def joins(self, other: "_Item") -> bool:
        return self.forward == other.forward and self.rows.shape[1:] == other.rows.shape[1:]


class Batcher:
    """A bounded queue of rows and its own thread, in which every forward pass of the process runs."""

    def __init__(
        self,
        *,
        max_batch: int,
        max_queue: int,
        on_start: Callable[[], None] = lambda: None,
        on_batch: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        """Start the thread.

        Args:
            max_batch: most rows of one forward pass; a single larger submission runs alone.
            max_queue: submissions are refused while this many rows wait.
            on_start: called once in the thread, before anything else (thread counts).
            on_batch: called with the rows of each forward pass (metrics).
        """
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._on_start = on_start
        self._on_batch = on_batch
        self._items: deque[_Item] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that wait for a forward pass."""
        with self._changed:
            return sum(len(item.rows) for item in self._items)

    def submit(self, forward: Forward, rows: Tensor) -> "Future[Batched]":
        """Queue rows for a network. Cancelling the future takes them out again.

        Args:
            rows: (N, ...) N >= 1.

        Raises:
            QueueFull: max_queue rows wait already, or the batcher is closed.
        """
        item = _Item(forward, rows, time.monotonic())
        with self._changed:
            if self._closed or sum(len(waiting.rows) for waiting in self._items) >= self._max_queue:
                raise queue_full()
            self._items.append(item)
            self._changed.notify()
        item.future.add_done_callback(lambda future: self._forget(item) if future.cancelled() else None)
        return item.future

    def close(self) -> None:
        """Refuse what waits, finish the pass that runs, end the thread."""
        with self._changed:
            self._closed = True
            left, self._items = list(self._items), deque()
            self._changed.notify_all()
        for item in left:
            if item.future.set_running_or_notify_cancel():
                item.future.set_exception(queue_full())
        self._thread.join()

    def _forget(self, item: _Item) -> None:
        with self._changed:
            if item in self._items:
                self._items.remove(item)

    def _work(self) -> None:
        self._on_start()
        while (batch := self._next()) is not None:
            if batch:
                self._answer(batch)

    def _next(self) -> list[_Item] | None:
        """The oldest item and those behind it that fit into its batch; None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._items)
            if self._closed:
                return None
            oldest = self._items[0]
            batch, num_rows = [oldest], len(oldest.rows)
            for item in list(self._items)[1:]:
                if item.joins(oldest) and num_rows + len(item.rows) <= self._max_batch:
                    batch.append(item)
                    num_rows += len(item.rows)
            for item in batch:
                self._items.remove(item)
        return [item for item in batch if item.future.set_running_or_notify_cancel()]

    def _answer(self, batch: list[_Item]) -> None:
        started_s = time.monotonic()
        rows = batch[0].rows if len(batch) == 1 else torch.cat([item.rows for item in batch])
        try:
            with torch.inference_mode():
                raw = batch[0].forward(rows)
        except Exception as error:  # this thread outlives any network: the requests get the error, the next batch runs
            logger.exception("a forward pass failed")
            for item in batch:
                item.future.set_exception(error)
            return
        forward_s = time.monotonic() - started_s
        self._on_batch(len(rows))
        first = 0
        for item in batch:
            part = _rows_of(raw, first, first + len(item.rows))
            item.future.set_result(Batched(part, started_s - item.since_s, forward_s, len(rows)))
            first += len(item.rows)


def _rows_of(raw: Raw, first: int, last: int) -> Raw:
    if isinstance(raw, tuple):
        return tuple(part[first:last] for part in raw)
    return raw[first:last]


def queue_full() -> QueueFull:
    """The error of a service that has enough to do."""
    return QueueFull("Too many predictions wait already. Try again in a moment.", retry_after_s=1)
