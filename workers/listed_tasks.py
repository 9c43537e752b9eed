"""Videos that are all known and nobody else works at: what needs packs without a job."""

import collections
from collections.abc import Generator, Iterable, Mapping, Sequence

from pfa_core.errors import VideoUnreadable
from pfa_core.packs import forget_parts
from pfa_core.progress import Progress
from pfa_store.items import CRASHES
from workers.item_tasks import CRASHED
from workers.pack_task import PackTask, Refused
from workers.packing import pack_from


def pack_all(tasks: Sequence[PackTask], *, processes: int) -> Generator[Progress, None, dict[str, Refused]]:
    """Make the pack of every task; packs that are there are kept. Yields pairs of frames done (phase `flow`).

    Returns:
        By task name, the videos that cannot have a pack.

    Raises:
        As `packing.pack_from`.
    """
    listed = ListedTasks(tasks)
    yield from pack_from(listed, processes=min(processes, len(tasks)))
    return listed.refused


class ListedTasks:
    """A `Supply` of whole videos, the longest first. Crashes are counted here."""

    def __init__(self, tasks: Iterable[PackTask]) -> None:
        longest_first = sorted(tasks, key=lambda task: task.pairs, reverse=True)
        self.refused: dict[str, Refused] = {}
        self._waiting = collections.deque(longest_first)
        self._total = sum(task.pairs for task in longest_first)
        self._done = 0
        self._crashes: collections.Counter[str] = collections.Counter()

    def take(self) -> PackTask | None:
        return self._waiting.popleft() if self._waiting else None

    def done(self, task: PackTask) -> None:
        self._done += task.pairs

    def refuse(self, task: PackTask, why: Refused) -> None:
        self.refused[task.name] = why
        self._done += task.pairs
        forget_parts(task.folder)

    def crashed(self, task: PackTask) -> None:
        self._crashes[task.name] += 1
        if self._crashes[task.name] < CRASHES:
            self._waiting.appendleft(task)
        else:
            self.refuse(task, Refused(VideoUnreadable.code, CRASHED))

    def postpone(self, task: PackTask) -> None:
        self._waiting.append(task)

    def release(self, task: PackTask) -> None:
        self._waiting.appendleft(task)

    def awaited(self) -> bool:
        return False

    def progress(self, steps: Mapping[str, int]) -> Progress:
        """A video that is over counts in full, whatever became of it."""
        return Progress(phase="flow", step=self._done + sum(steps.values()), total=self._total)
