"""The items of a job as a supply of tasks that several workers draw from, each on whatever machine."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace

from pfa_core.errors import VideoUnreadable
from pfa_core.packs import forget_parts
from pfa_core.progress import Progress
from pfa_store.errors import LostLease
from pfa_store.item_record import Item, Tally
from pfa_store.items import CRASHES
from pfa_store.store import Store
from workers.pack_task import PackTask, Refused

LOOK_S = 1.0
"""How often the database is asked how far the others are, and whether an item has become free."""
CRASHED = f"Its flow could not be computed: the process died {CRASHES} times."


class ItemTasks:
    """One worker's view, a `Supply`. An item that was lost to another worker is left to it: the pack is the same."""

    def __init__(
        self, store: Store, job_id: str, videos: Mapping[str, PackTask], *, worker: str, waits: bool = True
    ) -> None:
        """
        Args:
            store: where the items are.
            job_id: whose items.
            videos: by video id, what is to be done for the whole of it.
            worker: under which name items are claimed.
            waits: whether to stay until the others are through, as the job's own runner does.
        """
        self._items = store.items
        self._heartbeat_s = store.settings.heartbeat_s
        self._job_id = job_id
        self._videos = videos
        self._worker = worker
        self._waits = waits
        self._held: dict[str, Item] = {}
        self._beaten_s = time.monotonic()
        self._empty_until_s = 0.0
        self._look()

    def take(self) -> PackTask | None:
        if time.monotonic() < self._empty_until_s:
            return None
        item = self._items.claim(self._job_id, self._worker)
        if item is None:
            self._empty_until_s = time.monotonic() + LOOK_S
            return None
        task = replace(
            self._videos[item.video_id],
            pairs=item.pairs,
            part=item.part,
            first_frame=item.first_frame,
            num_frames=item.num_frames,
        )
        self._held[task.key] = item
        return task

    def done(self, task: PackTask) -> None:
        try:
            self._items.finish(self._held.pop(task.key))
        except LostLease:
            if task.name in self._items.refused(self._job_id):  # for another part of it, while we were at this one
                forget_parts(task.folder)
        self._empty_until_s = 0.0  # a pack may have become ready to be put together
        self._look()

    def refuse(self, task: PackTask, why: Refused) -> None:
        with contextlib.suppress(LostLease):
            self._items.refuse(self._held.pop(task.key), why.code, why.message)
        self._look()

    def crashed(self, task: PackTask) -> None:
        with contextlib.suppress(LostLease):
            self._items.crashed(self._held.pop(task.key), VideoUnreadable.code, CRASHED)
        self._look()

    def postpone(self, task: PackTask) -> None:
        with contextlib.suppress(LostLease):
            self._items.postpone(self._held.pop(task.key))

    def release(self, task: PackTask) -> None:
        with contextlib.suppress(LostLease):
            self._items.release(self._held.pop(task.key))

    def awaited(self) -> bool:
        if time.monotonic() - self._looked_s >= LOOK_S:  # what is over stays over, so an old answer only delays
            self._look()
        return self._waits and self._tally.waiting + self._tally.running > 0

    def progress(self, steps: Mapping[str, int]) -> Progress:
        """Renews the leases of what is in hand, too."""
        now_s = time.monotonic()
        if now_s - self._beaten_s >= self._heartbeat_s:
            self._beaten_s = now_s
            for key, item in self._held.items():
                with contextlib.suppress(LostLease):
                    self._items.renew(item, step=steps[key])
        if now_s - self._looked_s >= LOOK_S:
            self._look()
        return Progress(phase="flow", step=self._tally.pairs_done + sum(steps.values()), total=self._tally.pairs)

    def _look(self) -> None:
        self._looked_s = time.monotonic()
        self._tally: Tally = self._items.tally(self._job_id, without=self._worker)
