"""Which validation of a run was the best, and whether waiting for a better one is still worth while."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pfa_core.history import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The validation figure by which a recipe tells good weights from better ones."""

    figure: str
    larger_is_better: bool

    def better(self, figure: float, than: float) -> bool:
        """Whether `figure` is truly better; what is not a number never is, and anything is better than that."""
        if math.isnan(figure) or math.isnan(than):
            return not math.isnan(figure)
        return figure > than if self.larger_is_better else figure < than


class Best:
    """The best validation so far."""

    def __init__(self, goal: Goal | None, *, patience: int | None) -> None:
        self._goal, self._patience = goal, patience
        self.step: int | None = None
        """After how many steps it was; None before the first validation that could be judged."""
        self.figures: Row = {}
        """All the figures of that validation."""
        self._since = 0
        """Validations since then."""

    def judge(self, step: int, figures: Mapping[str, float]) -> bool:
        """Whether this validation is the best so far; one without the goal's figure is not counted."""
        if self._goal is None or self._goal.figure not in figures:
            return False
        figure, before = figures[self._goal.figure], self.figures.get(self._goal.figure, math.nan)
        if not self._goal.better(figure, before):
            self._since += 1
            return False
        self.step, self.figures, self._since = step, dict(figures), 0
        return True

    @property
    def given_up(self) -> bool:
        """Whether `patience` validations have passed without improvement."""
        return self._patience is not None and self._since >= self._patience

    def state(self) -> dict[str, Any]:
        """Plain values from which `restore` goes on."""
        return {"step": self.step, "figures": self.figures, "since": self._since}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.step, self.figures, self._since = state["step"], dict(state["figures"]), state["since"]
