"""The evaluation section of a model card: what was found of a model after its folder was sealed, as Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pfa_core.model_card import cell

PAPER_COLUMNS = ("0.1", "0.2", "0.3", "0.4")
"""Fractions of the torso diameter in the paper's table 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """One evaluation of the model."""

    job: str
    on: str
    """The day, ISO 8601."""
    result: Mapping[str, Any]
    """The result document of the job: `metrics`, and since when there is one `dataset` and `split`."""


def evaluation_section(evaluations: Sequence[Evaluated]) -> str:
    """The section, newest evaluation first; empty where there is none. Scores are in %, with 95 % intervals."""
    if not evaluations:
        return ""
    parts = [
        "## Evaluation",
        "Found by evaluation jobs of this service after the model was sealed; not covered by its checksums. Scores are"
        " in %, with 95 % bootstrap intervals in parentheses.",
    ]
    for one in evaluations:
        metrics = one.result["metrics"]
        parts.append(f"### {_on_what(one.result)}, {one.on}")
        parts += _pose(metrics) if metrics["task"] == "pose" else _action(metrics)
        parts.append(_small_print(one.job, metrics))
    return "\n" + "\n\n".join(parts) + "\n"


def _on_what(result: Mapping[str, Any]) -> str:
    dataset = result.get("dataset")
    return "A data set" if dataset is None else f"{cell(dataset['name'])}, split {result['split']}"


def _pose(metrics: Mapping[str, Any]) -> Iterator[str]:
    pairs = metrics.get("pdj_pairs", {}).get("0.1", {})
    pdj, pdj_pairs = _looked_up(metrics, "pdj"), _looked_up(metrics, "pdj_pairs")
    paired = {f"{side}_{kind}" for kind in pairs for side in ("left", "right")}
    rows = [(kind, [pdj_pairs(column, kind) for column in PAPER_COLUMNS]) for kind in pairs]
    singles = [name for name in (*metrics["joints"], "mean") if name not in paired]
    rows += [(name, [pdj(column, name) for column in PAPER_COLUMNS]) for name in singles]
    yield _table(["PDJ", *(f"at {column}" for column in PAPER_COLUMNS)], rows)
    intervals = metrics.get("intervals", {}).get("pcp", {})
    yield _table(
        ["strict PCP", ""], [(part, [_score(rate, intervals.get(part))]) for part, rate in metrics["pcp"].items()]
    )


def _looked_up(metrics: Mapping[str, Any], metric: str) -> Callable[[str, str], str]:
    """(threshold, part) -> the score with its interval."""

    def at(column: str, part: str) -> str:
        interval = metrics.get("intervals", {}).get(metric, {}).get(column, {}).get(part)
        return _score(metrics[metric][column][part], interval)

    return at


def _action(metrics: Mapping[str, Any]) -> Iterator[str]:
    intervals = metrics.get("intervals", {})
    rows = [("top-1 accuracy", [_score(metrics["accuracy"], intervals.get("accuracy"))])]
    if top := metrics.get("top_k"):
        rows.append((f"top-{top['k']} accuracy", [_score(top["accuracy"], intervals.get("top_k"))]))
    rows.append(("mean of classes", [_score(metrics["mean_class_accuracy"], intervals.get("mean_class_accuracy"))]))
    for name in ("appearance", "motion"):
        if stream := metrics.get("streams", {}).get(name):
            alone = f"top-1 accuracy, {name} alone ({stream['num_clips']} clips)"
            rows.append((alone, [_score(stream["accuracy"], stream["interval"])]))
    yield _table(["", ""], rows)
    by_class = intervals.get("per_class", {})
    yield _table(
        ["class", "clips", "accuracy"],
        [
            (row["label"], [str(row["num_clips"]), _score(row["accuracy"], by_class.get(row["label"]))])
            for row in metrics["per_class"]
        ],
    )


def _small_print(job: str, metrics: Mapping[str, Any]) -> str:
    counted = f"{metrics['num_people']} people" if metrics["task"] == "pose" else f"{metrics['num_clips']} clips"
    said = [f"{counted}; job `{job}`"]
    if bootstrap := metrics.get("bootstrap"):
        said.append(f"{bootstrap['num_resamples']} resamples of {bootstrap['num_groups']} groups")
    if without := metrics.get("no_torso", {}).get("num_people"):
        said.append(f"{without} people without a labelled torso do not count for PDJ")
    return "; ".join(said) + "."


def _score(rate: float | None, interval: Sequence[float] | None) -> str:
    if rate is None:
        return "-"
    ends = "" if interval is None else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"
    return f"{100 * rate:.1f}{ends}"


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    lines = [f"| {' | '.join([cell(name), *cells])} |" for name, cells in rows]
    return "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *lines])
