"""Pictures of scores: PDJ curves with the paper's columns, and the confusion matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pfa_core.figures import png_of
from pfa_core.pose_scores import CURVE, PAPER_FRACTIONS
from pfa_core.skeleton import JointSet

MAX_NUMBERED = 60
"""Most classes whose counts are written into the confusion matrix; with more, they would not be legible."""
_LEFT, _RIGHT, _BOTH = "#1f77b4", "#d62728", "#222222"


def pdj_png(parts: Mapping[str, Mapping[str, Sequence[float | None]]], joints: JointSet, *, title: str = "") -> bytes:
    """PDJ against the fraction of the torso diameter: a panel for each pair of joints and each joint without a twin.

    A panel has the rate of both sides with its 95 % interval shaded, either side by a thin line, and the values at the
    columns of the paper's table 2.

    Args:
        parts: joint or pair -> {value, low, high}, each at the thresholds of CURVE; None where there is no rate.
    """
    paired = {joints.names[i]: kind for kind, both in joints.pairs.items() for i in both}
    kinds = list(dict.fromkeys(paired.get(name, name) for name in joints.names))
    columns = min(len(kinds), min((4, 3), key=lambda width: -len(kinds) % width))  # with the fewest empty places
    rows = -(-len(kinds) // columns)
    figure = Figure(figsize=(3.1 * columns + 0.4, 2.7 * rows + 0.9), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, kind in zip(panels, kinds, strict=False):
        _panel(axes, kind, parts, pair=kind in joints.pairs)
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(kinds) - columns) : len(kinds)]:  # the lowest of each column
        axes.set_xlabel("fraction of the torso diameter", fontsize=9)
        axes.tick_params(labelbottom=True)
    figure.supylabel("PDJ: joints found, %", fontsize=10)
    figure.suptitle(title or "Percentage of detected joints", fontsize=11)
    handles = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return png_of(figure)


def confusion_png(counts: NDArray[np.int64], labels: Sequence[str]) -> bytes:
    """(C, C) confusion as a table: rows the true classes, columns the predicted ones, shaded by share of the row.

    With more than MAX_NUMBERED classes there are shades without numbers, and only as many names as can be read.
    """
    side = 14.0 if len(labels) > MAX_NUMBERED else max(4.0, 0.42 * len(labels) + 2.2)  # inches
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    every = -(-len(labels) // MAX_NUMBERED)
    places = range(0, len(labels), every)
    named = [_shortened(labels[place]) for place in places]
    axes.set_xticks(places, named, rotation=90, fontsize=9)
    axes.set_yticks(places, named, fontsize=9)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.colorbar(shown, ax=axes, shrink=0.8, label="share of the true class")
    for row, column in zip(*np.nonzero(counts), strict=True) if len(labels) <= MAX_NUMBERED else ():
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=9, color=colour)
    return png_of(figure)


def _panel(axes: Axes, kind: str, parts: Mapping[str, Any], *, pair: bool) -> None:
    axes.set_title(kind.replace("_", " ") + (", both sides" if pair else ""), fontsize=10)
    axes.set_xlim(0, CURVE[-1])
    axes.set_ylim(0, 100)
    axes.set_xticks([0, *PAPER_FRACTIONS, 0.5])
    axes.tick_params(labelsize=8)
    axes.grid(visible=True, axis="y", alpha=0.25)
    for fraction in PAPER_FRACTIONS:
        axes.axvline(fraction, color="0.75", linewidth=0.8, linestyle="--", zorder=0)
    if pair:
        for side, colour in (("left", _LEFT), ("right", _RIGHT)):
            axes.plot(CURVE, _percent(parts[f"{side}_{kind}"]["value"]), color=colour, linewidth=1, label=side)
    value = _percent(parts[kind]["value"])
    if np.isnan(value).all():
        axes.text(0.25, 50, "not labelled, or no torso", ha="center", va="center", fontsize=9, color="0.4")
        return
    low, high = _percent(parts[kind]["low"]), _percent(parts[kind]["high"])
    axes.fill_between(CURVE, low, high, color=_BOTH, alpha=0.15, linewidth=0, label="95 % interval")
    axes.plot(CURVE, value, color=_BOTH, linewidth=1.8, label="both sides, or the joint")
    for fraction in PAPER_FRACTIONS:
        rate = value[CURVE.index(fraction)]
        below = rate > 85
        axes.plot(fraction, rate, "o", color=_BOTH, markersize=3.5)
        axes.annotate(
            f"{rate:.0f}", (fraction, rate), xytext=(0, -6 if below else 6), textcoords="offset points", fontsize=8,
            ha="center", va="top" if below else "bottom",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip


def _percent(rates: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if rate is None else 100 * rate for rate in rates])


def _shortened(label: str) -> str:
    """A label that leaves room for the table; `$` is no mathematics here."""
    return (label if len(label) <= 28 else label[:27] + "~").replace("$", r"\$")
