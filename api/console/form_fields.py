"""The fields of forms: what each is called and means, and what there is to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from api.console.visitor import Form
from pfa_store.store import Store

MOST_VIDEOS = 100
"""Single videos to choose from, the newest; more are chosen as a data set."""
Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a form."""

    name: str
    """As in the body of the API; `config.x` is the key x of `config`."""
    label: str
    help: str
    options: Options | None = None
    """Value and words of a choice; None: something is typed."""
    default: str = ""
    number: Literal["integer", "any"] | None = None
    required: bool = True
    many: tuple[str, ...] | None = None
    """Any number of the options may be chosen; these are at first. None: one value."""

    def values(self, form: Form) -> tuple[str, ...]:
        """What the form that was sent, or the query, says; else what the field begins with."""
        if self.many is None:
            return (form.one(self.name) if self.name in form.fields else self.default,)
        return tuple(form.all(self.name)) if self.name in form.fields or "csrf" in form.fields else self.many


def priority_field() -> Field:
    return Field(
        name="priority", label="Priority", number="integer", default="0",
        help="-10 to 10; of the jobs that wait the highest is done first.",
    )  # fmt: skip


def seed_field() -> Field:
    return Field(
        name="seed", label="Seed", number="integer", default="0", help="Decides every random choice of the job."
    )


def preset_field() -> Field:
    return Field(
        name="preset", label="Preset", options=(("small", "small"), ("paper", "paper")), default="small",
        help="small learns on a desktop computer; paper is the schedule of the paper and wants a GPU. Their values are"
        " listed below.",
    )  # fmt: skip


def config_field(label: str, example: str) -> Field:
    return Field(
        name="config", label=label, required=False, help=f"JSON; its values win over all others, such as {example}."
        " Empty: none.",
    )  # fmt: skip


def name_field(default: str) -> Field:
    return Field(name="name", label="Name of the model", default=default, help="Each job adds a version to the name.")


def dataset_field(
    store: Store, kind: str | None, help: str, *, label: str = "Data set", none: str | None = None
) -> Field:
    """One data set; `none`: the words of choosing none, where that is possible."""
    nothing = () if none is None else (("", none),)
    return Field(
        name="dataset", label=label, options=(*nothing, *_datasets(store, kind)), help=help, required=none is None
    )


def datasets_field(store: Store, name: str, label: str, *, kind: str, joints: bool | None, help: str) -> Field:
    """Any number of data sets of a kind; `joints`: with (True) or without (False) joints."""
    return Field(name=name, label=label, options=_datasets(store, kind, joints), help=help, required=False, many=())


def _datasets(store: Store, kind: str | None, joints: bool | None = None) -> Options:
    found = [each for each in store.datasets.list(limit=1000).items if kind in (None, each.kind)]
    kept = [each for each in found if joints in (None, bool(each.joint_names))]
    return tuple((each.name, f"{each.name} ({each.num_items} {each.kind})") for each in kept)


def videos_field(store: Store) -> Field:
    """Single videos."""
    found = store.videos.list(limit=MOST_VIDEOS).items
    return Field(
        name="videos", label="Or single videos", options=tuple((video.id, video.filename) for video in found),
        help="The newest; choose either a data set or these.", required=False, many=(),
    )  # fmt: skip


def model_field(
    store: Store, kinds: Sequence[str], *, name: str, label: str, help: str, first: Options = (), last: Options = ()
) -> Field:
    """A model: its newest version, or any one. `first` and `last`: choices that are no models."""
    options = []
    for newest in store.models.list():
        if newest.kind in kinds:
            options.append((newest.name, f"{newest.name} (newest, {newest.kind})"))
            options += [(each.ref, each.ref) for each in store.models.versions(newest.name)]
    return Field(
        name=name, label=label, help=help, options=(*first, *options, *last), required=not any(not v for v, _ in first)
    )
