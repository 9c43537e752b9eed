"""Every value that a form's presets, or its defaults, stand for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from api.console.job_forms import FormKind
from pfa_core.config.video_answers import VideoActionConfig, VideoPoseConfig
from pfa_store.specs import FinetuneSpec, FlowSpec, PretrainSpec, TablesSpec


@dataclass(frozen=True, slots=True)
class Values:
    """A table: of each value its name, such as `learn.steps`, and what it is."""

    heading: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def values_of(kind: FormKind, task: str) -> list[Values]:
    """The tables of a form."""
    match kind:
        case "pretrain":
            return [_presets("Values of the presets (objective: motion)", PretrainSpec())]
        case "finetune":
            return [
                _presets(f"Values of the presets ({each})", FinetuneSpec(task=each, name="any"))
                for each in ("pose", "action")
            ]
        case "flow":
            return [_presets("Values of the presets", FlowSpec())]
        case "tables":
            return [_presets("Values of the presets", TablesSpec())]
        case "predict":
            plain = _flat(asdict(VideoPoseConfig() if task == "pose" else VideoActionConfig()))
            return [Values("All settings, and what they are where nothing is said", ("setting",), [*plain.items()])]
    return []


def _presets(heading: str, spec: PretrainSpec | FinetuneSpec | FlowSpec | TablesSpec) -> Values:
    small, paper = (
        _flat(asdict(spec.model_copy(update={"preset": preset}).resolve())) for preset in ("small", "paper")
    )
    return Values(heading, ("small", "paper"), [(name, small[name], paper.get(name, "")) for name in small])


def _flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = str(value)
    return found
