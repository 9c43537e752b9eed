"""Notices that the progress of a job stands still."""

from collections.abc import Callable

from pfa_store.job_record import Job


class StallWatch:
    """Looks at one attempt of a job again and again, from its start on."""

    def __init__(self, stall_s: float, clock: Callable[[], float]) -> None:
        """`stall_s`: how long is too long; 0: nothing is."""
        self._stall_s = stall_s
        self._clock = clock
        self._seen: tuple[object, ...] = ()
        self._moved_s = clock()

    def stalled(self, job: Job) -> bool:
        """Whether it reported nothing new for too long. A phase whose total is not known cannot report."""
        now = (job.phase, job.step, job.total, job.metrics)
        if now != self._seen or job.total == 0:
            self._seen = now
            self.forgive()
        return self._stall_s > 0 and self._clock() - self._moved_s >= self._stall_s

    def forgive(self) -> None:
        """Count anew: for a while nothing could be seen."""
        self._moved_s = self._clock()
