"""Rates with their intervals and counts: one `Score` a figure, ready for tables, JSON and CSV.

Axes: N people or clips, P parts (joints, limbs or classes).
"""

import csv
import io
from collections.abc import Hashable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import numpy as np

from pfa_core.bootstrap import LEVEL, Counts, Floats, Resamples, mean_of_known

MEAN = "mean"
"""The part that stands for all parts that have a rate."""

Interval = tuple[float, float] | None
Table = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One figure of an evaluation."""

    metric: str
    """`pdj`, `pck`, `pcp_limbs`, `per_class`, ..."""
    part: str
    """What was scored: a joint, a limb, a class, or `mean`."""
    fraction: float | None
    """The threshold, where the metric has one."""
    value: float | None
    """In [0, 1]; None: there is nothing to score."""
    low: float | None
    high: float | None
    """95 % percentile bootstrap interval; None where there is none."""
    hits: int | None
    count: int | None
    """value = hits / count; None for a mean, which weighs every part equally."""

    @property
    def interval(self) -> Interval:
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What came of scoring."""

    metrics: dict[str, Any]
    """The table, ready for JSON."""
    scores: tuple[Score, ...]
    """Every figure, with its interval and counts."""
    details: dict[str, Any]
    """What is long, ready for JSON: curves, all the names."""


class Scores:
    """Scores of the same people or clips, whose intervals come from the same resamples."""

    def __init__(self, groups: Sequence[Hashable], *, seed: int) -> None:
        """`groups`: (N,) see `bootstrap.Resamples`."""
        self._resamples = Resamples(groups, seed=seed)
        self._seed = seed
        self._found: dict[tuple[str, float | None], list[Score]] = {}

    def add(
        self,
        metric: str,
        parts: Sequence[str],
        hits: Counts,
        counted: Counts,
        *,
        fraction: float | None = None,
        mean: bool = False,
    ) -> None:
        """Score the parts, (N, P) hits of (N, P) that count; with `mean`, also the mean of the parts' rates."""
        won, tried = hits.sum(axis=0), counted.sum(axis=0)
        values = np.where(tried > 0, won / np.maximum(tried, 1), np.nan)
        resampled = self._resamples.rates(hits, counted)
        ends = self._resamples.interval(resampled)
        rows = [
            _score(metric, part, fraction, values[p], ends=ends[p], hits=int(won[p]), count=int(tried[p]))
            for p, part in enumerate(parts)
        ]
        if mean:
            ends = self._resamples.interval(mean_of_known(resampled)[:, None])
            rows.append(_score(metric, MEAN, fraction, mean_of_known(values[None])[0], ends=ends[0]))
        self._found[metric, fraction] = rows

    def rows(self) -> tuple[Score, ...]:
        """All of them, in the order in which they were added."""
        return tuple(score for rows in self._found.values() for score in rows)

    def of(self, metric: str, fraction: float | None = None) -> list[Score]:
        """Those of one metric at one threshold."""
        return self._found[metric, fraction]

    def bootstrap(self) -> dict[str, Any]:
        """How the intervals were made, for JSON."""
        return {
            "level": LEVEL,
            "method": "percentile",
            "num_resamples": self._resamples.num_resamples,
            "num_groups": self._resamples.num_groups,
            "seed": self._seed,
        }


def table(scores: Sequence[Score]) -> Table:
    """{part: value}."""
    return {score.part: score.value for score in scores}


def interval_table(scores: Sequence[Score]) -> dict[str, list[float] | None]:
    """{part: [low, high]}, to four decimals: 1,000 resamples tell no more."""
    return {score.part: short(score.interval) for score in scores}


def short(interval: Interval) -> list[float] | None:
    """An interval for JSON, to four decimals."""
    return None if interval is None else [round(end, 4) for end in interval]


def scores_csv(scores: Sequence[Score]) -> str:
    """A row a score, under the names of its fields; what is None is empty (RFC 4180)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([field.name for field in fields(Score)])
    writer.writerows([_cell(value) for value in astuple(score)] for score in scores)
    return text.getvalue()


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _score(
    metric: str,
    part: str,
    fraction: float | None,
    value: float,
    *,
    ends: Floats,
    hits: int | None = None,
    count: int | None = None,
) -> Score:
    low, high = (None if np.isnan(end) else float(end) for end in ends)
    return Score(
        metric=metric,
        part=part,
        fraction=fraction,
        value=None if np.isnan(value) else float(value),
        low=low,
        high=high,
        hits=hits,
        count=count,
    )
