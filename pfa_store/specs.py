"""What a job is asked to do: the request bodies of `POST /jobs/*`, which are also what the database keeps.

A body names a preset and may override single values: `{"preset": "small", "config": {"learn": {"steps": 200}}}`.
`resolve` gives the complete configuration; an unknown key anywhere is refused.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from pfa_core.config import action, pose, pretrain, ranking, steady, tables, untrained
from pfa_core.config.action import ActionConfig
from pfa_core.config.flow import PackConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.config.ranking import RankingConfig
from pfa_core.config.steady import SteadyConfig
from pfa_core.config.tables import TablesConfig
from pfa_core.config.untrained import UntrainedConfig
from pfa_core.config.video_answers import VideoActionConfig, VideoPoseConfig
from pfa_core.errors import ConfigInvalid

C = TypeVar("C")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$", description="Letters, digits, '.', '_', '-'")]
ModelRef = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}(@[A-Za-z0-9][A-Za-z0-9._-]{0,79})?$",
        description="`name` (its newest version), `name@version` or `name@alias`",
    ),
]


def _not_random(name: str) -> str:
    if name == "random":
        raise ValueError("`random` is what `init` calls no model at all; choose another name")
    return name


NewModelName = Annotated[Name, AfterValidator(_not_random)]
Preset = Literal["small", "paper"]
Objective = Literal["motion", "ranking", "steady", "random"]
JobKind = Literal["flow", "pretrain", "finetune", "evaluate", "index", "tables", "predict"]
Queue = Literal["flow", "train"]
QUEUES: tuple[Queue, ...] = get_args(Queue)

QUEUE_OF: dict[JobKind, Queue] = {
    "flow": "flow",
    "index": "flow",
    "pretrain": "train",
    "finetune": "train",
    "evaluate": "train",
    "tables": "train",
    "predict": "flow",  # as `index`, whose work is of the same kind: decode, and look; not to wait behind trainings
}


class Spec(BaseModel):
    """What every job has in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = Field(default=None, description="Id or name of a data set")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Decides every random choice of the job")
    config: dict[str, Any] = Field(default_factory=dict, description="Overrides single values of the preset")
    priority: int = Field(default=0, ge=-10, le=10, description="Of the queued jobs the highest is done first")


class VideosSpec(Spec):
    """A job over videos: a data set, or single videos by id."""

    videos: list[str] = Field(default_factory=list, description="Ids of uploaded videos")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.dataset and self.videos:
            raise ValueError("name a dataset or videos, not both")
        return self


class FlowSpec(VideosSpec):
    """Compute flow and make packs; later jobs with the same working size and flow reuse them."""

    preset: Preset = "small"

    def resolve(self) -> PackConfig:
        return resolve(_PACK_PRESETS[self.preset].pack, self.config)


class PretrainSpec(VideosSpec):
    """Learn pose features from the motion in unlabelled videos, or by an objective that it is compared with."""

    name: NewModelName = Field(default="pretrained", description="Name of the model; each job adds a version")
    objective: Objective = Field(
        default="motion",
        description="`motion`: the paper's own; `ranking`: tracked patches (Wang and Gupta 2015); `steady`: temporal"
        " coherence (Jayaraman and Grauman 2016); `random`: no training and no videos, the weights that all start from",
    )
    preset: Preset = "small"

    def resolve(self) -> PretrainConfig | RankingConfig | SteadyConfig | UntrainedConfig:
        match self.objective:
            case "motion":
                return resolve(_PACK_PRESETS[self.preset], self.config)
            case "ranking":
                return resolve(_RANKING_PRESETS[self.preset], self.config)
            case "steady":
                return resolve(_STEADY_PRESETS[self.preset], self.config)
            case "random":
                return resolve(_UNTRAINED_PRESETS[self.preset], self.config)


class FinetuneSpec(Spec):
    """Train a pose or an action model on labels, from a pretrained model or from random weights."""

    task: Literal["pose", "action"]
    init: ModelRef = Field(default="random", description="`random`, or the model whose Appearance ConvNet is the start")
    name: NewModelName = Field(description="Name of the model; each job adds a version")
    preset: Preset = "small"

    def resolve(self) -> PoseConfig | ActionConfig:
        if self.task == "pose":
            return resolve(_POSE_PRESETS[self.preset], self.config)
        return resolve(_ACTION_PRESETS[self.preset], self.config)


class EvaluateSpec(Spec):
    """Score a pose or action model on the test items of a data set."""

    model: ModelRef
    split: Literal["test", "val", "train", "all"] = "test"


class IndexSpec(Spec):
    """Add the fc6 features of a data set's images or video frames to a collection."""

    collection: Name
    model: ModelRef
    every_frames: int = Field(default=5, ge=1, description="Videos: take one frame in so many")
    replace: bool = Field(default=False, description="What the collection held goes; it may get another model")


class TablesSpec(VideosSpec):
    """Compare initialisations under one budget: the paper's tables 1 to 4. The videos are those to pretrain on."""

    preset: Preset = "small"
    pose: list[Name] = Field(default_factory=list, description="Data sets of images with joints: tables 1 and 2")
    action: list[Name] = Field(default_factory=list, description="Data sets of labelled clips: table 3")
    static: list[Name] = Field(default_factory=list, description="Data sets of labelled images: table 4")
    frames_of: list[Name] = Field(
        default_factory=list, description="Those of `action` whose clips give still images for table 4"
    )
    init: dict[NewModelName, ModelRef] = Field(
        default_factory=dict, description="Initialisation -> pretrained model; the others are trained in the job"
    )

    @model_validator(mode="after")
    def _frames_of_known_clips(self) -> Self:
        if not set(self.frames_of) <= set(self.action):
            raise ValueError("`frames_of` names data sets of `action`")
        return self

    def resolve(self) -> TablesConfig:
        """The job's seed is the first of the comparison's."""
        base = _TABLES_PRESETS[self.preset]
        names = list(dict.fromkeys([*self.config.get("initialisations", base.initialisations), *self.init]))
        return resolve(base, {"first_seed": self.seed, **self.config, "initialisations": names})


class PredictSpec(VideosSpec):
    """Find the poses, or the actions, of videos with a model: frame by frame, or second by second."""

    task: Literal["pose", "action"]
    model: ModelRef

    def resolve(self) -> VideoPoseConfig | VideoActionConfig:
        return resolve(VideoPoseConfig() if self.task == "pose" else VideoActionConfig(), self.config)


SPEC_OF: dict[JobKind, type[Spec]] = {
    "flow": FlowSpec,
    "pretrain": PretrainSpec,
    "finetune": FinetuneSpec,
    "evaluate": EvaluateSpec,
    "index": IndexSpec,
    "tables": TablesSpec,
    "predict": PredictSpec,
}

_PACK_PRESETS = {"small": pretrain.small(), "paper": pretrain.paper()}
_RANKING_PRESETS = {"small": ranking.small(), "paper": ranking.paper()}
_STEADY_PRESETS = {"small": steady.small(), "paper": steady.paper()}
_UNTRAINED_PRESETS = {"small": untrained.small(), "paper": untrained.paper()}
_POSE_PRESETS = {"small": pose.small(), "paper": pose.paper()}
_TABLES_PRESETS = {"small": tables.small(), "paper": tables.paper()}
_ACTION_PRESETS = {"small": action.small(), "paper": action.paper()}


def resolve(preset: C, overrides: Mapping[str, Any]) -> C:
    """A preset with some values replaced.

    Raises:
        ConfigInvalid: an unknown key, a value of the wrong type, or one out of range; the message names each.
    """
    plain: dict[str, Any] = asdict(preset)  # type: ignore[call-overload]  # every preset is a dataclass
    merged = _merge(plain, overrides)
    try:
        return TypeAdapter(type(preset)).validate_python(merged)
    except ValidationError as error:
        faults = "; ".join(
            f"config.{'.'.join(str(part) for part in fault['loc'])}: {_advice(fault, plain)}"
            for fault in error.errors()[:10]
        )
        raise ConfigInvalid(f"The configuration cannot be used: {faults}.") from error


def _advice(fault: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    """What is wrong with one value; of a key that does not exist, which keys do."""
    if fault["type"] != "unexpected_keyword_argument":
        return str(fault["msg"])
    known: Any = plain
    for part in fault["loc"][:-1]:
        known = known[part]
    return f"there is no such key; there are {', '.join(known)}"


def _merge(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return merged
