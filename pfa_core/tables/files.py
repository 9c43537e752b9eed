"""The files of a comparison: `tables.md` for people, `tables.json` and `tables.csv` for programs, and pictures."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pfa_core.config.tables import TablesConfig
from pfa_core.tables.bench import Bench
from pfa_core.tables.charts import charts
from pfa_core.tables.report import report
from pfa_core.tables.sources import TablesData
from pfa_core.tables.summary import Summary, summarise

MARKDOWN, JSON, CSV = "tables.md", "tables.json", "tables.csv"


def table_files(bench: Bench) -> dict[str, bytes]:
    """File name -> content, of all that is done so far. The same cells give the same `tables.json`, byte by byte."""
    summary = summarise(bench)
    drawn = {path.name: path.read_bytes() for path in sorted((bench.folder / "figures").glob("*.png"))}
    pictures = charts(summary) | {name: drawn[name] for name in _ours(bench) if name in drawn}
    return {
        MARKDOWN: report(bench, summary, pictures=list(pictures)).encode(),
        JSON: (json.dumps(_plain(bench, summary), indent=1, allow_nan=False) + "\n").encode(),
        CSV: _csv(summary).encode(),
        **pictures,
    }


def _ours(bench: Bench) -> list[str]:
    """The names of the pictures that the cells draw, by initialisation."""
    sets = [people.name for people in bench.data.pose]
    kinds = [*(f"poses-{name}" for name in sets), "filters", "pairs"]
    return [f"{kind}-{name}.png" for kind in kinds for name in bench.config.initialisations]


def _plain(bench: Bench, summary: Summary) -> dict[str, Any]:
    return {
        "format": 1,
        "num_cells": summary.num_cells,
        "num_done": summary.num_done,
        "config": asdict(bench.config),
        "data": _data(bench.data),
        "initialisations": _weights(bench, bench.config),
        "rows": [row.to_json() for row in summary.rows],
        "pdj_curves": [asdict(curve) for curve in summary.curves],
    }


def _data(data: TablesData) -> dict[str, Any]:
    sets: Mapping[str, Any] = {"pose": data.pose, "action": data.action, "static": data.static}
    return {
        "videos": len(data.videos),
        "kept_out": data.kept_out,
        "unusable": data.unusable,
        **{
            task: {
                one.name: {"identity": one.identity, "num_train": len(one.trained), "num_test": len(one.tested)}
                for one in found
            }
            for task, found in sets.items()
        },
    }


def _weights(bench: Bench, config: TablesConfig) -> dict[str, list[str | None]]:
    """Initialisation -> sha256 of the weights of each of its models; null where there is none (yet)."""
    seeds = range(config.first_seed, config.first_seed + config.pretraining_seeds)
    return {name: [bench.starts.sha256(name, seed) for seed in seeds] for name in config.initialisations}


def _csv(summary: Summary) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([
        "task", "data", "initialisation", "layers", "fraction", "figure", "seeds", "mean", "sd", "low", "high",
        "difference", "difference_low", "difference_high", "verdict", "values",
    ])  # fmt: skip
    for row in summary.rows:
        over, other = row.over_seeds, row.difference
        found = [over.mean, over.sd, over.low, over.high]
        found += [None, None, None] if other is None else [other.mean, other.low, other.high]
        writer.writerow([
            row.task, row.data, row.initialisation, row.layers, f"{row.fraction:g}", row.figure, over.num,
            *("" if value is None else f"{value:.6g}" for value in found), row.verdict,
            " ".join(f"{seed}:{value:.6g}" for seed, value in row.values.items()),
        ])  # fmt: skip
    return text.getvalue()
