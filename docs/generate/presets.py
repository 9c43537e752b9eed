"""The reference of configurations: every value of every recipe, what it is in each preset, and its source."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_type_hints

from docs.generate.field_notes import field_notes
from docs.generate.markdown import code, table
from pfa_core.config import action, flow, pose, pretrain, ranking, steady, tables, untrained
from pfa_core.config.video_answers import VideoActionConfig, VideoPoseConfig

PRESETS: tuple[tuple[str, ModuleType], ...] = (
    ("Pretraining by motion", pretrain),
    ("Pretraining by ranking", ranking),
    ("Pretraining by steadiness", steady),
    ("No pretraining (objective `random`)", untrained),
    ("Finetuning for pose", pose),
    ("Finetuning for action", action),
    ("Tables", tables),
)
"""Recipes whose modules have the presets `small()` and `paper()`."""

_WHOLE = (("Poses of videos", VideoPoseConfig()), ("Actions of videos", VideoActionConfig()))
"""Configurations without presets."""

_HEAD = """# Values of the recipes

`config` of a job, or `--set` of a command, overrides single values of a preset: `{"learn": {"steps": 200}}`, or `--set
learn.steps=200`. An unknown key is refused. `small` is for two CPU cores and is the default; `paper` has the paper's
own numbers. This page is made from the dataclasses in `pfa_core/config`; what a field has no default for, only its
presets say. A flow job takes the values of `pack`.
"""

_SOURCE = re.compile(r"\s*Sources?: (.+?)\.?$")


def preset_page() -> str:
    """One section a recipe, one row a value."""
    parts = [_HEAD.rstrip()]
    for title, module in PRESETS:
        small, paper = module.small(), module.paper()
        parts += [f"## {title}", _about(module), _said("small", module.small), _said("paper", module.paper)]
        rows = [(*one, shown) for one, shown in zip(_rows(small), _values(paper), strict=True)]
        parts.append(table(("value", "type", "default", "what", "source", "`small`", "`paper`"), rows))
    parts += ["## Flow presets", "`fast` is in `small`, `paper` in `paper`."]
    parts.append(table(("value", "type", "what", "`fast`", "`paper`"), _flow_rows()))
    for title, config in _WHOLE:
        plain = [(name, kind, default, what) for name, kind, default, what, *_ in _rows(config)]
        parts += [f"## {title}", table(("value", "type", "default", "what"), plain)]
    return "\n\n".join(parts) + "\n"


def _about(module: ModuleType) -> str:
    return " ".join((module.__doc__ or "").partition("\n\n")[0].split())


def _said(name: str, preset: Any) -> str:  # noqa: ANN401  # a function of a recipe's own configuration
    return f"`{name}`: {' '.join((inspect.getdoc(preset) or '').split())}"


def _rows(config: Any, prefix: str = "") -> Iterator[tuple[str, str, str, str, str, str]]:  # noqa: ANN401  # any config
    """(value, type, default, what, source, value here) of each field, and of those of the configurations in it."""
    notes, kinds = field_notes(type(config)), get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _rows(value, f"{prefix}{field.name}.")
            continue
        note = notes.get(field.name, "")
        source = _SOURCE.search(note)
        yield (
            code(prefix + field.name), code(_type(kinds[field.name])), _default(field), _SOURCE.sub("", note),
            source.group(1) if source else "", _shown(value),
        )  # fmt: skip


def _values(config: Any) -> Iterator[str]:  # noqa: ANN401  # any configuration
    return (shown for *_, shown in _rows(config))


def _flow_rows() -> Iterator[tuple[str, str, str, str, str]]:
    for (name, kind, _, what, _, fast), paper in zip(_rows(flow.fast()), _values(flow.paper()), strict=True):
        yield name, kind, what, fast, paper


def _type(kind: Any) -> str:  # noqa: ANN401  # a type or an alias of types
    shown = kind.__name__ if isinstance(kind, type) and not getattr(kind, "__args__", ()) else str(kind)
    return re.sub(r"(typing|collections\.abc)\.", "", shown)


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default is not dataclasses.MISSING:
        return _shown(field.default)
    return _shown(field.default_factory()) if field.default_factory is not dataclasses.MISSING else ""


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = list(value)
    return f"`{value!r}`"
