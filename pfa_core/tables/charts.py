"""Pictures of a comparison: PDJ curves, figures with few labels, and all initialisations side by side."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pfa_core.config.tables import RANDOM
from pfa_core.figures import png_of
from pfa_core.pose_scores import CURVE, PAPER_FRACTIONS
from pfa_core.tables.summary import MAIN_FIGURES, Row, Summary, percent

_COLOURS: Mapping[str, str] = {
    RANDOM: "#666666", "motion": "#d62728", "ranking": "#1f77b4", "steady": "#2ca02c", "action": "#9467bd",
    "imagenet": "#ff7f0e",
}  # fmt: skip
_OTHERS = ("#8c564b", "#e377c2", "#17becf", "#bcbd22")
_TITLES = {
    "pcp upper_arm": "upper arms, strict PCP", "pcp lower_arm": "lower arms, strict PCP",
    "pdj@0.2 elbow": "elbows, PDJ at 0.2", "pdj@0.2 wrist": "wrists, PDJ at 0.2", "pdj@0.2 mean": "joints, PDJ at 0.2",
    "accuracy": "accuracy",
}  # fmt: skip
_FEW = {"pose": ("pcp upper_arm", "pcp lower_arm", "pdj@0.2 mean"), "action": ("accuracy",)}


def charts(summary: Summary) -> dict[str, bytes]:
    """File name -> PNG, of what there is."""
    found: dict[str, bytes] = {}
    if summary.curves:
        found["pdj.png"] = pdj_chart(summary)
    bars = list(_panels(summary, MAIN_FIGURES))
    if bars:
        found["initialisations.png"] = bar_chart(bars)
    few = [panel for panel in _few(summary) if len({row.fraction for row in panel[1]}) > 1]
    if few:
        found["few-labels.png"] = few_labels_chart(few)
    return found


Panel = tuple[str, list[Row]]
"""Title and rows of one set of axes."""


def _sets(summary: Summary) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row.task, row.data) for row in summary.rows))


def _panels(summary: Summary, wanted: Mapping[str, Sequence[str]]) -> Iterator[Panel]:
    for task, data in _sets(summary):
        for figure in wanted.get(task, ()):
            rows = summary.find(task, data, figure)
            if rows:
                still = ", still images" if task == "static" else ""
                yield f"{data}{still}\n{_TITLES[figure]}", rows


def _few(summary: Summary) -> Iterator[Panel]:
    for task, data in _sets(summary):
        for figure in _FEW.get(task, ()):
            rows = [row for row in summary.rows if (row.task, row.data, row.figure) == (task, data, figure)]
            if rows:
                yield f"{data}\n{_TITLES[figure]}", [row for row in rows if row.layers == "full"]


def pdj_chart(summary: Summary) -> bytes:
    """A panel a part: a line an initialisation, with the 95 % interval of the mean over seeds shaded."""
    panels = list(dict.fromkeys((curve.data, curve.part) for curve in summary.curves))
    figure, places = _figure(len(panels))
    for axes, (data, part) in zip(places, panels, strict=False):
        curves = [curve for curve in summary.curves if (curve.data, curve.part) == (data, part)]
        for curve in curves:
            colour = _colour(curve.initialisation)
            low, high = percent(curve.low), percent(curve.high)
            axes.fill_between(CURVE, np.clip(low, 0, 100), np.clip(high, 0, 100), color=colour, alpha=0.15, linewidth=0)
            axes.plot(CURVE, percent(curve.mean), color=colour, linewidth=1.5, label=curve.initialisation)
        for fraction in PAPER_FRACTIONS:
            axes.axvline(fraction, color="0.8", linewidth=0.8, linestyle="--", zorder=0)
        axes.set_title(f"{data}\n{'mean of all joints' if part == 'mean' else part + 's'}", fontsize=10)
        axes.set_xlim(0, CURVE[-1])
        axes.set_ylim(0, None)
        axes.set_xlabel("fraction of the torso diameter", fontsize=9)
        axes.set_ylabel("PDJ, %", fontsize=9)
    return _finished(figure, places, "bands: 95 % intervals over seeds")


def bar_chart(panels: Sequence[Panel]) -> bytes:
    """Means over seeds with their 95 % intervals; a dot a seed. Hatched: not the whole of one network."""
    figure, places = _figure(len(panels))
    for axes, (title, rows) in zip(places, panels, strict=False):
        for place, row in enumerate(rows):
            colour = _colour(row.initialisation)
            hatch = None if row.layers == "full" else "///"
            height = 100 * row.over_seeds.mean
            axes.bar(place, height, color=colour, alpha=0.55, hatch=hatch, edgecolor="white", yerr=_whiskers([row]),
                     capsize=3, error_kw={"linewidth": 1.2})  # fmt: skip
            dots = [100 * value for value in row.values.values()]
            axes.plot([place] * len(dots), dots, "o", color="black", markersize=2.5, alpha=0.6)
        names = [
            row.initialisation + ("" if row.layers == "full" else f"\n{row.layers.replace('_', ' ')}") for row in rows
        ]
        axes.set_xticks(range(len(rows)), names, rotation=45, ha="right", fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("%", fontsize=9)
    return _finished(figure, places, "bars: means over seeds, 95 % intervals; dots: seeds", legend=False)


def few_labels_chart(panels: Sequence[Panel]) -> bytes:
    """Figures against the share of the labels, with 95 % intervals over seeds."""
    figure, places = _figure(len(panels))
    for axes, (title, rows) in zip(places, panels, strict=False):
        names = list(dict.fromkeys(row.initialisation for row in rows))
        for number, name in enumerate(names):
            mine = sorted((row for row in rows if row.initialisation == name), key=lambda row: row.fraction)
            shift = 1 + 0.02 * (number - (len(names) - 1) / 2)  # so that whiskers do not hide each other
            axes.errorbar(
                [100 * row.fraction * shift for row in mine], [100 * row.over_seeds.mean for row in mine],
                yerr=_whiskers(mine), color=_colour(name), label=name, marker="o", markersize=4,
                linewidth=1.5, capsize=3,
            )  # fmt: skip
        fractions = sorted({100 * row.fraction for row in rows})
        axes.set_xscale("log")
        axes.set_xticks(fractions, [f"{fraction:g} %" for fraction in fractions])
        axes.set_xticks([], minor=True)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("share of the labels", fontsize=9)
        axes.set_ylabel("%", fontsize=9)
    return _finished(figure, places, "whiskers: 95 % intervals over seeds")


def _whiskers(rows: Sequence[Row]) -> NDArray[np.float64]:
    """(2, N) below and above each mean, as far as a rate can go."""
    means = np.array([row.over_seeds.mean for row in rows])
    lows = np.array([row.over_seeds.mean if row.over_seeds.low is None else row.over_seeds.low for row in rows])
    highs = np.array([row.over_seeds.mean if row.over_seeds.high is None else row.over_seeds.high for row in rows])
    return 100 * np.stack([means - np.clip(lows, 0, 1), np.clip(highs, 0, 1) - means])


def _colour(initialisation: str) -> str:
    return _COLOURS.get(initialisation, _OTHERS[sum(initialisation.encode()) % len(_OTHERS)])


def _figure(num_panels: int) -> tuple[Figure, list[Axes]]:
    columns = min(num_panels, 4)
    rows = -(-num_panels // columns)
    figure = Figure(figsize=(3.2 * columns + 0.6, 3.1 * rows + 0.7), layout="constrained")
    places: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in places:
        axes.tick_params(labelsize=8)
        axes.grid(visible=True, axis="y", alpha=0.25)
        axes.set_axisbelow(True)
    for axes in places[num_panels:]:
        axes.set_axis_off()
    return figure, places


def _finished(figure: Figure, places: Sequence[Axes], caption: str, *, legend: bool = True) -> bytes:
    handles = {
        label: handle for axes in places for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if legend:
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, fontsize=9, frameon=False)
    figure.suptitle(caption, fontsize=9, color="0.35")
    return png_of(figure)
