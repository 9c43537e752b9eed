"""Many requests, one forward pass: a bounded queue and the thread that empties it.

A batch is whatever waits when the network becomes free, up to `max_batch` rows: no request waits for company. Rows of
different networks or sizes are never mixed; a request that is cancelled leaves the queue at once.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

import torch
from torch import Tensor

from api.errors import QueueFull

logger = logging.getLogger(__name__)

LATEST = 0.2
"""What the latest forward pass weighs in the measured rate."""
MAX_RETRY_S = 60

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
        on_batch: Callable[[Sequence[Batched]], None] = lambda _answers: None,
        on_queue: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        """Start the thread.

        Args:
            max_batch: most rows of one forward pass; a single larger submission runs alone.
            max_queue: submissions are refused while this many rows wait.
            on_start: called once in the thread, before anything else (thread counts).
            on_batch: called with the answers of each forward pass, one a submission (metrics).
            on_queue: called with the rows that wait, whenever their number changes (metrics).
        """
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._on_start = on_start
        self._on_batch = on_batch
        self._on_queue = on_queue
        self._waiting = 0
        self._rows_per_s = 0.0
        self._items: deque[_Item] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name="batcher", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that wait for a forward pass."""
        with self._changed:
            return self._waiting

    @property
    def retry_after_s(self) -> int:
        """When there may be room again: as long as what waits takes at the measured rate, 1 to MAX_RETRY_S."""
        with self._changed:
            return self._retry_after_s()

    def submit(self, forward: Forward, rows: Tensor) -> "Future[Batched]":
        """Queue rows for a network. Cancelling the future takes them out again.

        Args:
            rows: (N, ...) N >= 1.

        Raises:
            QueueFull: max_queue rows wait already, or the batcher is closed.
        """
        item = _Item(forward, rows, time.monotonic())
        with self._changed:
            if self._closed or self._waiting >= self._max_queue:
                raise queue_full(self._retry_after_s())
            self._items.append(item)
            self._count(len(rows))
            self._changed.notify()
        item.future.add_done_callback(lambda future: self._forget(item) if future.cancelled() else None)
        return item.future

    def close(self) -> None:
        """Refuse what waits, finish the pass that runs, end the thread."""
        with self._changed:
            self._closed = True
            left, self._items = list(self._items), deque()
            self._count(-self._waiting)
            self._changed.notify_all()
        for item in left:
            if item.future.set_running_or_notify_cancel():
                item.future.set_exception(queue_full(1))
        self._thread.join()

    def _forget(self, item: _Item) -> None:
        with self._changed:
            if item in self._items:
                self._items.remove(item)
                self._count(-len(item.rows))

    def _count(self, more_rows: int) -> None:
        self._waiting += more_rows
        self._on_queue(self._waiting)

    def _retry_after_s(self) -> int:
        wait_s = self._waiting / self._rows_per_s if self._rows_per_s else 1.0
        return min(MAX_RETRY_S, max(1, math.ceil(wait_s)))

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
            self._count(-num_rows)
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
        rate = len(rows) / max(forward_s, 1e-6)
        self._rows_per_s = rate if not self._rows_per_s else (1 - LATEST) * self._rows_per_s + LATEST * rate
        answers, first = [], 0
        for item in batch:
            part = _rows_of(raw, first, first + len(item.rows))
            answers.append(Batched(part, started_s - item.since_s, forward_s, len(rows)))
            item.future.set_result(answers[-1])
            first += len(item.rows)
        self._on_batch(answers)


def _rows_of(raw: Raw, first: int, last: int) -> Raw:
    if isinstance(raw, tuple):
        return tuple(part[first:last] for part in raw)
    return raw[first:last]


def queue_full(retry_after_s: int) -> QueueFull:
    """The error of a service that has enough to do."""
    return QueueFull(f"Too many predictions wait already. Try again in {retry_after_s} s.", retry_after_s=retry_after_s)
