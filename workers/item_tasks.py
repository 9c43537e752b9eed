"""The videos of a flow job as a supply of tasks that several workers draw from, each on whatever machine."""

import contextlib
import time
from collections.abc import Mapping

from pfa_core.errors import VideoUnreadable
from pfa_core.progress import Progress
from pfa_store.errors import LostLease
from pfa_store.items import Item, Tally
from pfa_store.store import Store
from workers.pack_tasks import CRASHED, PackTask, Refused

LOOK_S = 1.0
"""How often the database is asked how far the others are."""


class ItemTasks:
    """One worker's view. An item that was lost to another worker is left to it: the pack is the same."""

    def __init__(
        self, store: Store, job_id: str, tasks: Mapping[str, PackTask], *, worker: str, waits: bool = True
    ) -> None:
        """`waits`: whether to stay until the others are through, as the job's own runner does."""
        self._items = store.items
        self._heartbeat_s = store.settings.heartbeat_s
        self._job_id = job_id
        self._tasks = tasks
        self._worker = worker
        self._waits = waits
        self._held: dict[str, Item] = {}
        self._beaten_s = time.monotonic()
        self._looked_s = 0.0
        self._look()

    def take(self) -> PackTask | None:
        item = self._items.claim(self._job_id, self._worker)
        if item is None:
            return None
        self._held[item.video_id] = item
        return self._tasks[item.video_id]

    def done(self, task: PackTask) -> None:
        with contextlib.suppress(LostLease):
            self._items.finish(self._held.pop(task.name))
        self._look()

    def refuse(self, task: PackTask, why: Refused) -> None:
        with contextlib.suppress(LostLease):
            self._items.refuse(self._held.pop(task.name), why.code, why.message)
        self._look()

    def crashed(self, task: PackTask) -> None:
        with contextlib.suppress(LostLease):
            self._items.crashed(self._held.pop(task.name), VideoUnreadable.code, CRASHED)
        self._look()

    def release(self, task: PackTask) -> None:
        with contextlib.suppress(LostLease):
            self._items.release(self._held.pop(task.name))

    def awaited(self) -> bool:
        self._look()
        return self._waits and self._tally.waiting + self._tally.running > 0

    def progress(self, steps: Mapping[str, int]) -> Progress:
        """Renews the leases of what is in hand, too."""
        now_s = time.monotonic()
        if now_s - self._beaten_s >= self._heartbeat_s:
            self._beaten_s = now_s
            for name, item in self._held.items():
                with contextlib.suppress(LostLease):
                    self._items.renew(item, step=steps[name])
        if now_s - self._looked_s >= LOOK_S:
            self._look()
        return Progress(phase="flow", step=self._tally.pairs_done + sum(steps.values()), total=self._tally.pairs)

    def _look(self) -> None:
        self._looked_s = time.monotonic()
        self._tally: Tally = self._items.tally(self._job_id, without=self._worker)
