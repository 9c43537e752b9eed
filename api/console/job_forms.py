"""The forms that start jobs: their fields with what they mean, and the way from what was typed to a job's spec."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from api.admission import KINDS_FOR
from api.body import json_value, validated
from api.console.visitor import Form
from api.errors import RequestInvalid
from pfa_store.specs import SPEC_OF, FinetuneSpec, FlowSpec, JobKind, PretrainSpec, Spec
from pfa_store.store import Store

FormKind = Literal["pretrain", "finetune", "flow", "evaluate", "index"]
KINDS: dict[FormKind, str] = {
    "pretrain": "Learn pose features from the motion in unlabelled videos.",
    "finetune": "Train a pose or an action model on a few labels, best from a pretrained model.",
    "flow": "Measure the motion in videos ahead of time; later jobs reuse it.",
    "evaluate": "Score a pose or an action model on a data set.",
    "index": "Fill a collection with pose features, so that nearest poses can be found in it.",
}
"""In the order in which people need them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a form."""

    name: str
    label: str
    help: str
    options: tuple[tuple[str, str], ...] | None = None
    """Value and words of a choice; None: something is typed."""
    default: str = ""
    number: bool = False
    required: bool = True


def fields_of(kind: FormKind, store: Store) -> list[Field]:
    """The fields of a form, with what there is to choose from."""
    return [*_OWN[kind](store), *_common(kind)]


def _common(kind: FormKind) -> list[Field]:
    preset = Field(
        name="preset", label="Preset", options=(("small", "small"), ("paper", "paper")), default="small",
        help="small learns on a desktop computer; paper is the schedule of the paper and wants a GPU. Their values are"
        " listed below.",
    )  # fmt: skip
    rest = [
        Field(name="seed", label="Seed", number=True, default="0", help="Decides every random choice of the job."),
        Field(
            name="priority", label="Priority", number=True, default="0",
            help="-10 to 10; of the jobs that wait the highest is done first.",
        ),
    ]  # fmt: skip
    config = Field(
        name="config", label="Changes to the preset", required=False,
        help='JSON; single values win over the preset, such as {"learn": {"steps": 500}}. Empty: none.',
    )  # fmt: skip
    return [preset, *rest, config] if kind in ("pretrain", "finetune", "flow") else rest


def _pretrain(store: Store) -> list[Field]:
    return [
        _datasets(store, "videos", "Videos to learn from; they need no labels."),
        _name("pretrained"),
        Field(
            name="objective", label="Objective", default="motion",
            options=(
                ("motion", "motion: the paper's own"), ("ranking", "ranking: tracked patches"),
                ("steady", "steady: temporal coherence"),
            ),
            help="What it learns by. The others are there to compare with.",
        ),
    ]  # fmt: skip


def _finetune(store: Store) -> list[Field]:
    return [
        Field(
            name="task", label="Task", default="pose", options=(("pose", "pose: joints"), ("action", "action: labels")),
            help="Pose needs images with joints, action needs videos or images with labels.",
        ),
        _datasets(store, None, "What to learn from, with labels."),
        _models(
            store, KINDS_FOR["features"], name="init", label="Start from", more=(("random", "random weights"),),
            help="A pretrained model saves most of the labels. Its preset must be the same as this job's.",
        ),
        _name(""),
    ]  # fmt: skip


def _flow(store: Store) -> list[Field]:
    return [_datasets(store, "videos", "Videos whose motion is measured.")]


def _evaluate(store: Store) -> list[Field]:
    return [
        _models(store, ("pose", "action"), name="model", label="Model", help="The model to score."),
        _datasets(store, None, "What to score it on."),
        Field(
            name="split", label="Split", default="test", options=tuple((each, each) for each in ("test", "val", "all")),
            help="Which items count; a data set without splits counts as a whole.",
        ),
    ]  # fmt: skip


def _index(store: Store) -> list[Field]:
    return [
        Field(name="collection", label="Collection", help="Its name; it is made if there is none, else filled anew."),
        _models(store, KINDS_FOR["features"], name="model", label="Model", help="Whose features it holds."),
        _datasets(store, None, "The images or videos that can be found in it."),
        Field(
            name="every_frames", label="One frame in", number=True, default="5",
            help="Of videos: 1 takes all frames, 5 one in five.",
        ),
    ]  # fmt: skip


_OWN = {"pretrain": _pretrain, "finetune": _finetune, "flow": _flow, "evaluate": _evaluate, "index": _index}


def _name(default: str) -> Field:
    return Field(
        name="name", label="Name of the model", default=default, help="Each job adds a version to the name."
    )  # fmt: skip


def _datasets(store: Store, kind: str | None, help: str) -> Field:  # as the field is called
    found = [each for each in store.datasets.list(limit=1000).items if kind in (None, each.kind)]
    options = tuple((each.name, f"{each.name} ({each.num_items} {each.kind})") for each in found)
    return Field(name="dataset", label="Data set", options=options, help=help)


def _models(
    store: Store,
    kinds: Sequence[str],
    *,
    name: str,
    label: str,
    help: str,
    more: tuple[tuple[str, str], ...] = (),
) -> Field:
    options = []
    for newest in store.models.list():
        if newest.kind in kinds:
            options.append((newest.name, f"{newest.name} (newest, {newest.kind})"))
            options += [(each.ref, each.ref) for each in store.models.versions(newest.name)]
    return Field(name=name, label=label, help=help, options=(*options, *more))


def spec_of(kind: JobKind, form: Form) -> Spec:
    """What was typed, as the spec that the API would have read.

    Raises:
        RequestInvalid: a value cannot be used; the message names it.
    """
    sent: dict[str, Any] = {name: value for name, value in form.plain.items() if name != "csrf" and value.strip()}
    if "config" in sent:
        sent["config"] = json_value(sent["config"], where="config")
        if not isinstance(sent["config"], Mapping):
            raise RequestInvalid("config must be a JSON object.", field="config")
    return validated(sent, SPEC_OF[kind], where="form")


def preset_rows(kind: FormKind) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Of each task of a form, every value of its presets: `learn.steps`, small, paper.

    Returns:
        Heading, an id for it, and rows.
    """
    match kind:
        case "pretrain":
            return [_table("Values of the presets (objective: motion)", "motion", PretrainSpec())]
        case "finetune":
            return [
                _table(f"Values of the presets ({task})", task, FinetuneSpec(task=task, name="any"))
                for task in ("pose", "action")
            ]
        case "flow":
            return [_table("Values of the presets", "flow", FlowSpec())]
    return []


def _table(
    heading: str, key: str, spec: PretrainSpec | FinetuneSpec | FlowSpec
) -> tuple[str, str, list[tuple[str, str, str]]]:
    small, paper = (
        _flat(asdict(spec.model_copy(update={"preset": preset}).resolve())) for preset in ("small", "paper")
    )
    return heading, key, [(name, small[name], paper.get(name, "")) for name in small]


def _flat(plain: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = str(value)
    return found
