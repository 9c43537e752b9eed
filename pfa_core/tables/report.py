"""The tables of a comparison in Markdown, beside the paper's, with what they do and do not show."""

from collections.abc import Iterator, Mapping, Sequence

from pfa_core.config.net import LearnConfig
from pfa_core.config.tables import RANDOM
from pfa_core.pose_scores import PAPER_FRACTIONS
from pfa_core.tables import paper
from pfa_core.tables.bench import Bench
from pfa_core.tables.findings import findings, row_name
from pfa_core.tables.markdown import NONE, difference, mean, table
from pfa_core.tables.markdown import paper as printed
from pfa_core.tables.paper import ACTION, NAMES, PDJ, STATIC
from pfa_core.tables.summary import Row, Summary

ARMS = {"upper_arm": "upper arms", "lower_arm": "lower arms"}
JOINTS = ("elbow", "wrist")


def report(bench: Bench, summary: Summary, *, pictures: Sequence[str]) -> str:
    """The whole page. `pictures`: names of the files beside it."""
    sections = [
        *_head(bench, summary),
        *findings(summary),
        *_pose_tables(bench, summary),
        *_action_table(bench, summary),
        *_static_table(bench, summary),
        *_few_labels(bench, summary),
        *_notes(bench, summary),
        *_pictures(pictures),
    ]
    return "\n".join(sections)


def _head(bench: Bench, summary: Summary) -> Iterator[str]:
    config, data = bench.config, bench.data
    yield "# Does pretraining help on this data?\n"
    yield (
        "The analogues of the paper's tables 1 to 4. Every initialisation was finetuned with the same steps, labels and"
        f" seeds. {summary.num_done} of {summary.num_cells} runs are done."
        + ("" if summary.num_done == summary.num_cells else " **The rest is missing: the tables will change.**")
        + "\n"
    )
    rows = [
        *(_size(summary, "pose", people.name, config.pose.learn) for people in data.pose),
        *(_size(summary, "action", clips.name, config.action.learn) for clips in data.action),
        *(_size(summary, "static", images.name, config.static.learn) for images in data.static),
    ]
    yield table(["data", "trained on", "tested on", "steps x batch"], rows)
    yield (
        f"Videos to pretrain on: {len(data.videos)}; {data.kept_out} left out because an action set is tested on them,"
        f" {data.unusable} because they cannot be used.\n"
    )
    yield (
        "Means over seeds in percent, &plusmn; half of the 95 % interval (Student's t). Differences are to `random`,"
        " seed by seed, in percentage points, with their interval; **bold** where it leaves 0 out.\n"
    )


def _size(summary: Summary, task: str, data: str, learn: LearnConfig) -> list[str]:
    sizes = summary.sizes.get((task, data, 1.0))
    numbers = [NONE, NONE] if sizes is None else [str(number) for number in sizes]
    return [f"{data} ({task})", *numbers, f"{learn.steps:,} x {learn.batch_size}"]


def _pose_tables(bench: Bench, summary: Summary) -> Iterator[str]:
    for people in bench.data.pose:
        rows = summary.find("pose", people.name, "pck@0.1 mean")
        if not rows:
            continue
        figures = summary.figures("pose", people.name)
        columns = [(f"pcp {part}", name) for part, name in ARMS.items() if f"pcp {part}" in figures]
        columns.append(("pcp mean", "all limbs"))
        yield f"## Table 1: strict PCP, {people.name}\n"
        yield _measured(summary, "pose", people.name, [column for column in columns if column[0] in figures])
        yield "The paper's, on FLIC:\n"
        printed_rows = [[NAMES[name], *map(printed, rates)] for name, rates in paper.PCP.items()]
        yield table(["initialisation", *ARMS.values()], printed_rows)
        yield f"## Table 2: PDJ, {people.name}\n"
        for joint in (*JOINTS, "mean"):
            fractions = [fraction for fraction in PAPER_FRACTIONS if f"pdj@{fraction:g} {joint}" in figures]
            if fractions:
                yield f"{'All joints' if joint == 'mean' else joint.capitalize() + 's'}, by fraction of the torso:\n"
                named = [(f"pdj@{fraction:g} {joint}", f"{fraction:g}") for fraction in fractions]
                yield _measured(summary, "pose", people.name, named)
        yield "The paper's, on FLIC:\n"
        header = [f"{joint} {fraction:g}" for joint in JOINTS for fraction in PAPER_FRACTIONS]
        both = [[NAMES[name], *(printed(rate) for joint in rates for rate in joint)] for name, rates in PDJ.items()]
        yield table(["initialisation", *header], both)


def _measured(summary: Summary, task: str, data: str, columns: Sequence[tuple[str, str]]) -> str:
    """A row an initialisation: each figure and its difference. `columns`: figure, heading."""
    by_figure = {figure: {(row.initialisation, row.layers): row for row in summary.find(task, data, figure)}
                 for figure, _ in columns}  # fmt: skip
    keys = dict.fromkeys(key for rows in by_figure.values() for key in rows)
    lines = []
    for key in keys:
        found = [by_figure[figure].get(key) for figure, _ in columns]
        first = next(row for row in found if row is not None)
        cells = [part for row in found for part in _two_cells(row)]
        lines.append([row_name(first), f"{first.over_seeds.num}", *cells])
    header = [part for _, heading in columns for part in (heading, "to random")]
    return table(["initialisation", "seeds", *header], lines)


def _two_cells(row: Row | None) -> tuple[str, str]:
    if row is None:
        return NONE, NONE
    return mean(row.over_seeds), "" if row.initialisation == RANDOM else difference(row.difference)


def _action_table(bench: Bench, summary: Summary) -> Iterator[str]:
    shown = [clips for clips in bench.data.action if summary.find("action", clips.name, "accuracy")]
    if not shown:
        return
    yield "## Table 3: action recognition\n"
    for clips in shown:
        yield (
            f"{clips.name}, {len(clips.labels)} classes; always naming the most frequent one of the test clips gives"
            f" {100 * clips.guess:.1f}:\n"
        )
        yield _measured(summary, "action", clips.name, _accuracies(summary, "action", clips.name))
    yield "The paper's:\n"
    rows = [[f"{NAMES[name]}", layers, *map(printed, rates)] for (name, layers), rates in ACTION.items()]
    yield table(["initialisation", "layers", "UCF101", "HMDB51"], rows)


def _accuracies(summary: Summary, task: str, data: str) -> list[tuple[str, str]]:
    figures = summary.figures(task, data)
    named = (
        ("accuracy", "accuracy"), ("mean_class_accuracy", "mean over classes"), ("motion_accuracy", "motion alone"),
    )  # fmt: skip
    return [column for column in named if column[0] in figures]


def _static_table(bench: Bench, summary: Summary) -> Iterator[str]:
    shown = [images for images in bench.data.static if summary.find("static", images.name, "accuracy")]
    if not shown:
        return
    yield f"## Table 4: still images, {bench.config.static_images} of them to train on\n"
    for images in shown:
        source = bench.data.stills_of.get(images.name)
        made = "" if source is None else f", frames of the clips of {source}"
        yield f"{images.name}{made}, {len(images.labels)} classes; the most frequent one: {100 * images.guess:.1f}:\n"
        yield _measured(summary, "static", images.name, _accuracies(summary, "static", images.name))
    yield "The paper's, on PASCAL VOC 2010:\n"
    yield table(["initialisation", "accuracy"], [[NAMES[name], printed(rate)] for name, rate in STATIC.items()])


FEW: Mapping[str, tuple[str, ...]] = {
    "pose": ("pcp upper_arm", "pcp lower_arm", "pdj@0.2 mean"), "action": ("accuracy",),
}  # fmt: skip
"""The figures that are told for fewer labels."""


def _few_labels(bench: Bench, summary: Summary) -> Iterator[str]:
    fractions = sorted(set(bench.config.fractions))
    if len(fractions) < 2:
        return
    yield "## Fewer labels\n"
    yield (
        "The same steps on a share of the training labels: the same ones for every initialisation, drawn anew by each"
        " seed, of each class alike.\n"
    )
    sets = [("pose", people.name) for people in bench.data.pose]
    sets += [("action", clips.name) for clips in bench.data.action]
    for task, data in sets:
        for figure in FEW[task]:
            if figure in summary.figures(task, data):
                yield f"{data}, {figure.removeprefix('pcp ').replace('_', ' ')}:\n"
                yield _by_fraction(summary, task, data, figure, fractions)


def _by_fraction(summary: Summary, task: str, data: str, figure: str, fractions: Sequence[float]) -> str:
    found = {
        fraction: {
            row.initialisation: row
            for row in summary.find(task, data, figure, fraction=fraction)
            if row.layers == "full"
        }
        for fraction in fractions
    }
    names = dict.fromkeys(name for fraction in reversed(fractions) for name in found[fraction])
    lines = [[name, *(part for fraction in fractions for part in _two_cells(found[fraction].get(name)))]
             for name in names]  # fmt: skip
    header = [part for fraction in fractions for part in (f"{100 * fraction:g} %", "to random")]
    return table(["initialisation", *header], lines)


def _notes(bench: Bench, summary: Summary) -> Iterator[str]:
    config = bench.config
    yield "## How to read this\n"
    yield (
        "- The intervals tell how far the mean over seeds (random weights of the new layers, order of the batches,"
        " choice of fewer labels) may be from that of many seeds, on these test items. They do not tell how other test"
        " items would fare."
    )
    if config.pretraining_seeds == 1:
        yield (
            "- Each initialisation is one pretrained model: its seeds differ in the finetuning alone."
            " `pretraining_seeds` trains more."
        )
    chosen = any(part.learn.returns_best for part in (config.pose, config.action, config.static))
    weights = "weights that did best on the validation items" if chosen else "last weights"
    yield f"- Every figure is of the {weights}: nothing was chosen by test items."
    if any(row.initialisation == "action" for row in summary.rows):
        yield (
            "- `action` was trained on the labels of the action sets' training clips, so it has no rows on those sets:"
            " it would have seen each label twice."
        )
    for row in _diverged(summary):
        yield f"- `{row_name(row)}` diverged on {row.data} ({row.task}) with seeds {', '.join(map(str, row.diverged))}."
    yield "\n| initialisation | where from |\n|---|---|"
    for name in config.initialisations:
        yield f"| `{name}` | {_origin(bench, name)} |"
    yield ""


def _diverged(summary: Summary) -> list[Row]:
    by_kind = {(row.task, row.data, row.initialisation, row.layers, row.fraction): row for row in summary.rows}
    return [row for row in by_kind.values() if row.diverged]


def _origin(bench: Bench, name: str) -> str:
    starts, seed = bench.starts, bench.config.first_seed
    if name == RANDOM:
        return "random weights of every seed"
    if not starts.ready(name, seed):
        return "not trained yet"
    manifest = starts.manifest(name, seed)
    assert manifest is not None
    steps = manifest.config.settings.get("learn", {}).get("steps")
    learned = f"{len(manifest.lineage.items_sha256)} files" + ("" if steps is None else f", {steps:,} steps")
    made = "a model that was given" if name in bench.given else "trained here"
    return f"{made}: {learned}, weights {starts.sha256(name, seed)}"


def _pictures(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield "## Pictures\n"
    for name in names:
        yield f"![{name.removesuffix('.png').replace('-', ' ')}]({name})\n"
