"""How many rounds there were, what was done to the service in them, and how soon it was itself again."""

import collections
import statistics
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Filled by the rounds, told at the end."""

    seed: int
    rounds: int = 0
    jobs: int = 0
    faults: collections.Counter[str] = field(default_factory=collections.Counter)
    recoveries_s: dict[str, list[float]] = field(default_factory=dict)

    def recovered(self, fault: str, seconds: float) -> None:
        self.faults[fault] += 1
        self.recoveries_s.setdefault(fault, []).append(seconds)

    def lines(self) -> list[str]:
        """The report."""
        every = [seconds for each in self.recoveries_s.values() for seconds in each]
        if not every:
            return []
        head = (
            f"seed {self.seed}: {self.rounds} rounds, {self.jobs} jobs, {self.faults.total()} faults,"
            f" {len(every)} recoveries, median {statistics.median(every):.1f} s, longest {max(every):.1f} s"
        )
        return [
            head,
            *(
                f"  {fault}: {count}, median recovery {statistics.median(self.recoveries_s[fault]):.1f} s"
                for fault, count in sorted(self.faults.items())
            ),
        ]
