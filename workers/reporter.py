"""From a recipe's steps to the job's progress: at most about one write a second, with an estimate of the time left."""

import logging
from collections.abc import Callable
from typing import Protocol

from pfa_core.progress import Progress
from pfa_store.errors import StoreUnavailable
from workers.pace import Pace

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
        self._phase: str | None = None
        self._pace = Pace(clock)
        self._written_s = 0.0
        self._written_step = -1
        self._figures: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        begins = progress.phase != self._phase
        if begins:
            self._phase, self._pace, self._figures = progress.phase, Pace(self._clock), {}
        self._figures.update(progress.metrics)
        if not begins and not self._is_due(progress, now):
            return
        self._written_s, self._written_step = now, progress.step
        self._pace.note(progress.step)
        whole = Progress(phase=progress.phase, step=progress.step, total=progress.total, metrics=dict(self._figures))
        try:
            self._write(whole, eta_s=self._pace.time_left_s(progress.total))
        except StoreUnavailable as error:
            logger.warning("progress was not recorded: %s", error)  # the next one will be

    def _is_due(self, progress: Progress, now_s: float) -> bool:
        """Whether there is more to tell than that time has passed, and it is time to tell it."""
        news = progress.step != self._written_step or bool(progress.metrics)
        return news and (now_s - self._written_s >= INTERVAL_S or progress.step == progress.total)
