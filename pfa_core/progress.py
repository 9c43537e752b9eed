"""What a long computation says while it runs, and how its caller listens."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step of a long computation.

    A recipe is a generator of these that returns its result. Closing the generator stops the recipe; a training
    recipe writes a checkpoint before it goes.
    """

    phase: str
    """What is being done: `decode`, `flow`, `train`, `validate`, `features`, ..."""
    step: int
    """Steps done in this phase."""
    total: int
    """Steps in this phase, 0 when unknown."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Latest figures, such as `loss` and `accuracy`."""


def run_to_end(steps: Generator[Progress, None, R], report: Callable[[Progress], None]) -> R:
    """Exhaust a recipe, reporting each step, and return its result."""
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value
        report(progress)
