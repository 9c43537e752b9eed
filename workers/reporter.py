"""From a recipe's steps to the job's progress: at most about one write a second, with an estimate of the time left."""

import logging
from collections.abc import Callable
from typing import Protocol

from pfa_core.progress import Progress
from pfa_store.errors import StoreUnavailable

INTERVAL_S = 1.0

logger = logging.getLogger(__name__)


class Write(Protocol):
    """Where the progress goes."""

    def __call__(self, progress: Progress, *, eta_s: float | None) -> None: ...


class Reporter:
    """Called for every step of a recipe; writes the first and the last of a phase, and one a second between.

    Figures of steps that are not written are kept for the next one, so a rare validation is never lost.
    """

    def __init__(self, write: Write, clock: Callable[[], float]) -> None:
        self._write = write
        self._clock = clock
        self._first: Progress | None = None
        self._first_s = 0.0
        self._written_s = 0.0
        self._written_step = -1
        self._figures: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        begins = self._first is None or progress.phase != self._first.phase
        if begins:
            self._first, self._first_s, self._figures = progress, now, {}
        self._figures.update(progress.metrics)
        if not begins and not self._is_due(progress, now):
            return
        self._written_s, self._written_step = now, progress.step
        whole = Progress(phase=progress.phase, step=progress.step, total=progress.total, metrics=dict(self._figures))
        try:
            self._write(whole, eta_s=self._eta_s(progress, now))
        except StoreUnavailable as error:
            logger.warning("progress was not recorded: %s", error)  # the next one will be

    def _is_due(self, progress: Progress, now_s: float) -> bool:
        """Whether there is more to tell than that time has passed, and it is time to tell it."""
        news = progress.step != self._written_step or bool(progress.metrics)
        return news and (now_s - self._written_s >= INTERVAL_S or progress.step == progress.total)

    def _eta_s(self, progress: Progress, now_s: float) -> float | None:
        """Time left in this phase, from its own pace."""
        assert self._first is not None
        done = progress.step - self._first.step
        if done <= 0 or progress.total <= 0:
            return None
        return max(0, progress.total - progress.step) * (now_s - self._first_s) / done
