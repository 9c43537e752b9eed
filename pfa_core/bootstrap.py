"""Percentile bootstrap intervals of rates, over groups. Source: Efron and Tibshirani 1993, chapters 13 and 8.

What is resampled is the group, not the person or the clip: people of one image and clips of one person are alike, so
that a model is right or wrong about them together. Resampling them one by one would take each for a new fact and give
intervals that are too narrow (a test shows by how much). A group that is drawn twice counts twice with all its members.

Axes: N people or clips, G groups, R resamples, P rates.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.bool_] | NDArray[np.int64]

NUM_RESAMPLES = 1000
LEVEL = 0.95


class Resamples:
    """The same R draws of groups with replacement, for every rate that is asked about."""

    def __init__(self, groups: Sequence[Hashable], *, seed: int, num_resamples: int = NUM_RESAMPLES) -> None:
        """Draw them.

        Args:
            groups: (N,) which group each person or clip belongs to; groups are numbered as they first appear.
            seed: of the draws; the same seed and groups give the same intervals.
        """
        numbers: dict[Hashable, int] = {}
        self._group_of = np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)
        self.num_groups = len(numbers)
        self.num_resamples = num_resamples
        rng = np.random.default_rng(seed)
        shape = (num_resamples, self.num_groups)
        drawn = rng.integers(self.num_groups, size=shape) if self.num_groups else np.zeros(shape, dtype=np.int64)
        drawn += self.num_groups * np.arange(num_resamples)[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(shape)
        self._times = times.astype(np.float32)  # (R, G); float32 counts exactly up to 2^24 hits

    def sums(self, values: Counts) -> Floats:
        """(N, P) counts -> (R, P) their sums over each resample."""
        by_group = np.zeros((self.num_groups, values.shape[1]), dtype=np.float32)
        np.add.at(by_group, self._group_of, values)
        return (self._times @ by_group).astype(np.float64)

    def rates(self, hits: Counts, counted: Counts) -> Floats:
        """(N, P) hits and (N, P) what counts -> (R, P) the rates of each resample, nan where nothing counts in it."""
        wins, tries = self.sums(hits), self.sums(counted)
        return np.where(tries > 0, wins / np.maximum(tries, 1), np.nan)

    def interval(self, rates: Floats, *, level: float = LEVEL) -> Floats:
        """(R, P) rates of each resample -> (P, 2) where the middle `level` of them lies.

        nan where there is no rate, and where there are fewer than two groups: one group says nothing of the next.
        Resamples without a rate are left aside. With few groups (below about 20) intervals are too narrow, and where
        every try is a hit, or none is, the interval has no width: no resample can show what was never drawn.
        """
        found = np.full((rates.shape[1], 2), np.nan)
        known = ~np.isnan(rates).all(axis=0)
        if self.num_groups >= 2 and known.any():
            ends = [(1 - level) / 2, (1 + level) / 2]
            chosen = rates[:, known]
            quantile: Any = np.nanquantile if np.isnan(chosen).any() else np.quantile
            found[known] = quantile(chosen, ends, axis=0).T
        return found


def mean_of_known(rates: Floats) -> Floats:
    """(R, P) rates -> (R,) the mean of those that are not nan; nan where all are."""
    known = ~np.isnan(rates)
    total = np.where(known, rates, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
