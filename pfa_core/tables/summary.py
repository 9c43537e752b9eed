"""The figures of a comparison over seeds: what tables, charts and other programs are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from pfa_core.config.tables import RANDOM
from pfa_core.pose_scores import CURVE
from pfa_core.tables.bench import Bench
from pfa_core.tables.cell import Cell
from pfa_core.tables.student import Estimate, estimate, paired

Verdict = Literal["better", "worse", "no difference shown", "not known"]
VERDICTS: Mapping[int | None, Verdict] = {1: "better", -1: "worse", 0: "no difference shown", None: "not known"}
"""By `Estimate.sign` of the difference."""


MAIN_FIGURES: Mapping[str, tuple[str, ...]] = {
    "pose": ("pcp upper_arm", "pcp lower_arm", "pdj@0.2 elbow", "pdj@0.2 wrist"),
    "action": ("accuracy",),
    "static": ("accuracy",),
}
"""By task, the figures that something is claimed about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of one way to train, over its seeds."""

    task: str
    data: str
    initialisation: str
    layers: str
    fraction: float
    figure: str
    """See `measure`."""
    values: Mapping[int, float]
    """Seed -> rate in [0, 1]."""
    over_seeds: Estimate
    difference: Estimate | None
    """To `random` trained in full on the same labels, run by run; None for `random` itself, or where it is missing."""
    diverged: tuple[int, ...]
    """Seeds whose training diverged: they have no figures."""

    @property
    def verdict(self) -> Verdict:
        """What the difference's interval says."""
        return VERDICTS[None if self.difference is None else self.difference.sign]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain = asdict(self)
        plain["values"] = {str(seed): value for seed, value in self.values.items()}
        return plain | {"diverged": list(self.diverged), "verdict": self.verdict}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """PDJ against the fraction of the torso diameter, over seeds."""

    data: str
    initialisation: str
    part: str
    mean: list[float | None]
    """At the thresholds of `pose_scores.CURVE`."""
    low: list[float | None]
    high: list[float | None]
    """95 % intervals; None of a single run."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All that a comparison has found so far."""

    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    num_done: int
    num_cells: int
    sizes: Mapping[tuple[str, str, float], tuple[int, int]]
    """(task, data, fraction) -> training and test items."""

    def find(self, task: str, data: str, figure: str, *, fraction: float = 1.0) -> list[Row]:
        """The rows of one figure, in the order of the plan."""
        key = (task, data, figure, fraction)
        return [row for row in self.rows if (row.task, row.data, row.figure, row.fraction) == key]

    def figures(self, task: str, data: str) -> list[str]:
        """The figures that there are."""
        return list(dict.fromkeys(row.figure for row in self.rows if (row.task, row.data) == (task, data)))


_Kind = tuple[str, str, str, str, float]
"""Task, data, initialisation, layers, fraction."""


def summarise(bench: Bench) -> Summary:
    """Read the cells that are done."""
    measured = [cell for cell in bench.cells if cell.task in ("pose", "action", "static")]
    runs: dict[_Kind, dict[int, dict[str, Any]]] = {}
    for cell in _in_rows(measured, bench):
        record = bench.read(cell)
        if record is not None:
            kind = (cell.task, cell.data, cell.initialisation, cell.layers, cell.fraction)
            runs.setdefault(kind, {})[cell.seed] = record
    return Summary(
        rows=tuple(row for kind in runs for row in _rows(kind, runs)),
        curves=tuple(curve for kind, found in runs.items() for curve in _curves(kind, found)),
        num_done=sum(bench.done(cell) for cell in bench.cells),
        num_cells=len(bench.cells),
        sizes={
            (kind[0], kind[1], kind[4]): (record["num_train"], record["num_test"])
            for kind, found in runs.items()
            for record in found.values()
            if record["figures"]
        },
    )


def _in_rows(cells: Sequence[Cell], bench: Bench) -> list[Cell]:
    """In the order of the tables: data, then fraction, then initialisation."""
    order = {name: place for place, name in enumerate(bench.config.initialisations)}
    return sorted(
        cells,
        key=lambda cell: (cell.task, cell.data, -cell.fraction, order[cell.initialisation], cell.layers, cell.seed),
    )


def _rows(kind: _Kind, runs: Mapping[_Kind, Mapping[int, Mapping[str, Any]]]) -> list[Row]:
    task, data, initialisation, layers, fraction = kind
    found = runs[kind]
    base = runs.get((task, data, RANDOM, "two_stream" if layers == "two_stream" else "full", fraction), {})
    names = list(dict.fromkeys(name for record in found.values() for name in record["figures"]))
    diverged = tuple(seed for seed, record in found.items() if not record["figures"])
    rows = []
    for name in names:
        values, theirs = _values(found, name), _values(base, name)
        rows.append(
            Row(
                task=task, data=data, initialisation=initialisation, layers=layers, fraction=fraction, figure=name,
                values=values, over_seeds=estimate(list(values.values())),
                difference=None if initialisation == RANDOM else paired(values, theirs), diverged=diverged,
            )
        )  # fmt: skip
    return rows


def _values(found: Mapping[int, Mapping[str, Any]], figure: str) -> dict[int, float]:
    return {seed: record["figures"][figure] for seed, record in found.items() if figure in record["figures"]}


def _curves(kind: _Kind, found: Mapping[int, Mapping[str, Any]]) -> list[Curve]:
    task, data, initialisation, _, fraction = kind
    if task != "pose" or fraction != 1:
        return []
    parts = dict.fromkeys(part for record in found.values() for part in record.get("curves", {}))
    curves = []
    for part in parts:
        at = [
            [record["curves"][part][place] for record in found.values() if part in record.get("curves", {})]
            for place in range(len(CURVE))
        ]
        over = [
            estimate(known) if (known := [value for value in values if value is not None]) else None for values in at
        ]
        curves.append(
            Curve(
                data=data, initialisation=initialisation, part=part,
                mean=[None if one is None else one.mean for one in over],
                low=[None if one is None else one.low for one in over],
                high=[None if one is None else one.high for one in over],
            )
        )  # fmt: skip
    return curves


def percent(rates: Sequence[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(N,) in percent, nan for None."""
    return np.array([np.nan if rate is None else 100 * rate for rate in rates])
