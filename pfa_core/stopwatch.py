"""How long a run waits for its batches, and how long its steps take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Times:
    """Sums over some steps; whatever else a run does, such as validating, is in neither."""

    steps: int = 0
    wait_s: float = 0.0
    """In which the next batch was not there yet."""
    step_s: float = 0.0

    def figures(self) -> dict[str, float]:
        """`stall`, the share of the time that was spent waiting, in [0, 1]; `step_ms`, a step's time without it."""
        whole_s = self.wait_s + self.step_s
        stall = self.wait_s / whole_s if whole_s > 0 else 0.0
        return {"stall": stall, "step_ms": 1e3 * self.step_s / max(1, self.steps)}


@dataclass(slots=True)
class Stopwatch:
    """Measures a loop that waits for a batch, takes a step, and so on."""

    clock: Callable[[], float]
    """Seconds from any beginning."""
    total: Times = field(default_factory=Times)
    """Since the beginning of this process's part of the run."""
    _lap: Times = field(default_factory=Times)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around the wait for a batch."""
        began_s = self.clock()
        yield
        passed_s = self.clock() - began_s
        self.total.wait_s += passed_s
        self._lap.wait_s += passed_s

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Around a step."""
        began_s = self.clock()
        yield
        passed_s = self.clock() - began_s
        for times in (self.total, self._lap):
            times.step_s += passed_s
            times.steps += 1

    def take_lap(self) -> dict[str, float]:
        """The figures since the last call."""
        lap, self._lap = self._lap, Times()
        return lap.figures()
