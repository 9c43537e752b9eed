"""Means over seeds with Student's t intervals, and differences of runs that share a seed.

Source: Student, "The Probable Error of a Mean", Biometrika 1908; the distribution by its finite series, Abramowitz and
Stegun 26.7.3 and 26.7.4.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.95
EQUAL = 1e-9
"""Rates that vary by less are equal, but for rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over seeds."""

    num: int
    mean: float
    sd: float | None
    """Standard deviation of one run, by n - 1; None of a single run."""
    low: float | None
    """The interval's ends; None of a single run."""
    high: float | None

    @property
    def sign(self) -> int | None:
        """1 or -1 where the whole interval lies above or below 0, else 0.

        None where nothing can be said: a single run, or runs that are all equal, which rates of few test items are by
        chance.
        """
        if self.sd is None or self.low is None or self.high is None or self.sd < EQUAL:
            return None
        return (self.low > 0) - (self.high < 0)


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of one or more runs, with its 95 % interval: mean +- t(n - 1) sd / sqrt(n)."""
    num, mean = len(values), math.fsum(values) / len(values)
    if num == 1:
        return Estimate(num=1, mean=mean, sd=None, low=None, high=None)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (num - 1))
    half = quantile((1 + LEVEL) / 2, num - 1) * sd / math.sqrt(num)
    return Estimate(num=num, mean=mean, sd=sd, low=mean - half, high=mean + half)


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate | None:
    """Ours minus theirs, of the seeds that both have; None where there is none."""
    shared = sorted(ours.keys() & theirs.keys())
    return estimate([ours[seed] - theirs[seed] for seed in shared]) if shared else None


def quantile(probability: float, freedom: int) -> float:
    """Where Student's distribution with `freedom` >= 1 degrees of freedom reaches a probability in (0.5, 1)."""
    assert freedom >= 1
    assert 0.5 < probability < 1
    low, high = 0.0, 1.0
    while cumulative(high, freedom) < probability:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if cumulative(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def cumulative(t: float, freedom: int) -> float:
    """The probability of at most t >= 0."""
    theta = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(theta), math.cos(theta)
    term = total = 1.0 if freedom % 2 == 0 else cosine
    for k in range(2 if freedom % 2 == 0 else 3, freedom, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    if freedom % 2 == 0:
        return 0.5 + sine * total / 2
    return 0.5 + (theta + (sine * total if freedom > 1 else 0.0)) / math.pi
