"""How fast a phase goes, and so how long it will take."""

from collections.abc import Callable

KNOWN_AFTER_S = 2.0
"""A shorter look at a phase says nothing yet."""
MAX_MARKS = 256


class Pace:
    """The pace of the newer half of a phase so far.

    What began fast, with work that an earlier attempt had done, or slowly, with a compilation, is thus forgotten in
    time, and one slow step, a validation, changes little.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._marks: list[tuple[float, int]] = []
        """When, and the steps done then; the first is that of the beginning."""
        self._base = 0
        """The mark from which the pace is measured."""

    def note(self, step: int) -> None:
        """So many steps are done now."""
        now_s = self._clock()
        self._marks.append((now_s, step))
        middle_s = (self._marks[0][0] + now_s) / 2
        while self._marks[self._base + 1 :] and self._marks[self._base + 1][0] <= middle_s:
            self._base += 1
        if len(self._marks) > MAX_MARKS:
            base = self._marks[self._base]
            self._marks = [mark for n, mark in enumerate(self._marks) if n % 2 == 0 or mark in (base, self._marks[-1])]
            self._base = self._marks.index(base)

    def time_left_s(self, total: int) -> float | None:
        """Until `total` steps are done; None while that cannot be told."""
        (from_s, first), (now_s, step) = self._marks[self._base], self._marks[-1]
        if 0 < total <= step:
            return 0.0
        if total <= 0 or step <= first or now_s - self._marks[0][0] < KNOWN_AFTER_S:
            return None
        return (total - step) * (now_s - from_s) / (step - first)
