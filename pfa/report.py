"""The demo's report: a page to look at, and the same figures as JSON to compute with.

`write_report` makes `index.html` (one file, pictures embedded, nothing loaded from elsewhere), `report.json` and the
pictures under `images/`. `read_report` gives back what was written. Parts that a run did not have are left out.
"""

import base64
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import TypeAdapter

Setting = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG and what it shows."""

    caption: str
    png: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long one stage took."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """What pretraining reached on videos that it did not see."""

    model: str
    """Reference, `name@version`."""
    num_videos: int
    steps: int
    accuracy: float
    """Share of (frame pair, motion) triplets told apart rightly, 0..1."""
    chance: float
    """What always answering "no" would reach."""
    auc: float | None = None
    loss: float | None = None
    curves: Picture | None = None

    def __post_init__(self) -> None:
        for name in ("auc", "loss"):
            object.__setattr__(self, name, _finite(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of a comparison: a network finetuned from one initialisation."""

    init: str
    """`motion`, `random`, ..."""
    model: str
    values: tuple[float | None, ...]
    """One per column, 0..1; a value that is not finite becomes None."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(_finite(value) for value in self.values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Networks that differ only in where their weights began, scored on the same held-out items."""

    task: str
    """`Pose` or `Action`."""
    columns: tuple[str, ...]
    """Measures, such as `PDJ@0.2` or `PCP`; higher is better; the first is the headline."""
    rows: tuple[Result, ...]
    num_items: int
    items: str
    """What was counted: `images of 2 people not seen in training`."""
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.values) != len(self.columns):
                raise ValueError(f"{self.task}: {row.init} has {len(row.values)} values for {self.columns}")

    def best(self, column: int) -> float | None:
        """The highest value of a column, None where there is no value or all are equal."""
        values = [row.values[column] for row in self.rows if row.values[column] is not None]
        known = [value for value in values if value is not None]
        return max(known) if len(set(known)) > 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the action model said about one clip."""

    clip: str
    true_label: str
    top: tuple[tuple[str, float], ...]
    """Labels with probabilities, the likeliest first."""

    @property
    def right(self) -> bool:
        return bool(self.top) and self.top[0][0] == self.true_label


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A video that was not used, and why."""

    video: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCommand:
    """Something to try now."""

    says: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """Everything that one run of the demo has to tell."""

    title: str
    summary: str
    seed: int
    settings: Mapping[str, Setting]
    machine: Mapping[str, Setting]
    timings: tuple[Timing, ...]
    pretraining: Pretraining | None = None
    filters: Picture | None = None
    comparisons: tuple[Comparison, ...] = ()
    heatmaps: tuple[Picture, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    pairs: tuple[Picture, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    next_commands: tuple[NextCommand, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(timing.seconds for timing in self.timings)


def write_report(folder: Path, report: DemoReport) -> Path:
    """Write the report into `folder` (made if missing); returns `index.html`."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for picture in _pictures(report):
        (folder / _file_of(picture)).write_bytes(picture.png)
    text = json.dumps(_plain(report), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    page = _environment().get_template("report.html").render(report=report, headlines=_headlines(report))
    index = folder / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def read_report(folder: Path) -> DemoReport:
    """The report that `write_report` wrote into `folder`."""

    def restore(value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, dict) and set(value) == {"caption", "file"}:
            return {"caption": value["caption"], "png": (folder / value["file"]).read_bytes()}
        if isinstance(value, dict):
            return {key: restore(inner) for key, inner in value.items()}
        return [restore(inner) for inner in value] if isinstance(value, list) else value

    plain = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return TypeAdapter(DemoReport).validate_python(restore(plain))


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _pictures(value: object) -> Iterator[Picture]:
    """All pictures inside a report."""
    if isinstance(value, Picture):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from _pictures(getattr(value, field.name))
    elif isinstance(value, tuple):
        for inner in value:
            yield from _pictures(inner)


def _file_of(picture: Picture) -> str:
    return f"images/{hashlib.sha256(picture.png).hexdigest()[:16]}.png"


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """JSON of a report; a picture becomes its caption and its file."""
    if isinstance(value, Picture):
        return {"caption": value.caption, "file": _file_of(value)}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True)
class _Headline:
    """A large figure on top of the page, with a bar from 0 to 1 and a mark to compare it with."""

    name: str
    value: float
    mark: float | None
    says: str


def _headlines(report: DemoReport) -> list[_Headline]:
    found = []
    if report.pretraining is not None:
        told = report.pretraining
        says = f"chance is {_percent(told.chance)}"
        found.append(_Headline("Does this motion join these two frames?", told.accuracy, told.chance, says))
    for comparison in report.comparisons:
        values = {row.init: row.values[0] for row in comparison.rows}
        motion, random = values.get("motion"), values.get("random")
        if motion is not None:
            says = "" if random is None else f"from random weights {_percent(random)}"
            name = f"{comparison.task}, {comparison.columns[0]}, motion-initialised"
            found.append(_Headline(name, motion, random, says))
    return found


def _percent(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{seconds:.1f} s" if seconds < 60 else f"{whole // 60} min {whole % 60:02d} s"


def _data_uri(picture: Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.png).decode("ascii")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"percent": _percent, "duration": _duration, "data_uri": _data_uri}
    return environment
