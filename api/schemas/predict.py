"""What predictions are asked for and answered with. Parameters arrive as text, in the query or in a form."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from api.schemas.problem import Problem
from pfa_core.config.video_answers import MAX_PEOPLE, Protocol
from pfa_store.specs import ModelRef


def _four_numbers(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


Box = Annotated[
    tuple[float, float, float, float],
    BeforeValidator(_four_numbers),
    Field(description="x,y,width,height of the person in px of the image"),
]


def _boxes(value: object) -> object:
    return tuple(filter(None, value.split(";"))) if isinstance(value, str) else value


Boxes = Annotated[
    tuple[Box, ...],
    BeforeValidator(_boxes),
    Field(max_length=MAX_PEOPLE, description=f"x,y,width,height in px; up to {MAX_PEOPLE} people with `;` between"),
]
PoseFormat = Literal["json", "png", "npz", "coco"]


class ModelParams(BaseModel):
    """What every prediction takes."""

    model_config = ConfigDict(extra="forbid")

    model: ModelRef | None = Field(
        None, description="`name`, `name@version` or `name@alias`; may be left out while there is only one choice"
    )


class FeatureParams(ModelParams):
    """What `/predict/features` takes."""

    box: Box | None = None


class PoseParams(ModelParams):
    """What `/predict/pose` takes."""

    box: Boxes = Field((), description="Person regions x,y,width,height in px of the image, with `;` between several")
    detect: Literal["hog"] | None = Field(
        None, description="Find the people: `hog`, OpenCV's detector of upright people. Not together with `box`"
    )
    heatmaps: bool = Field(False, description="Send the heatmaps too")
    format: PoseFormat | None = Field(None, description="Wins over the Accept header")

    @model_validator(mode="after")
    def _box_or_detect(self) -> Self:
        if self.box and self.detect is not None:
            raise ValueError("give box or detect, not both")
        return self


class ActionParams(ModelParams):
    """What `/predict/action` takes."""

    top: int | None = Field(None, ge=1, description="Only so many labels, the likeliest; all where it is left out")
    protocol: Protocol = Field(
        "crops250",
        description="`crops250`: the paper's test, 25 frames in 10 crops each; `fast`: at most 5 of those frames, in"
        " their centre and its mirror",
    )


class KeypointRead(BaseModel):
    """Where a joint is."""

    joint: str
    x_px: float
    y_px: float
    score: float = Field(description="Height of the heatmap there; only its order means something")
    visible: bool | None = Field(
        None,
        description="Whether the score reaches the threshold that was chosen for the joint on validation people; null:"
        " the model has none",
    )


class HeatmapsRead(BaseModel):
    """One map a joint, and where its cells lie in the image."""

    joints: list[str]
    shape: tuple[int, int, int] = Field(description="joints, rows, columns")
    values: list[list[list[float]]]
    cells_to_image: list[list[float]] = Field(
        description="2 x 3: image (x, y) in px = A[:, :2] @ (column, row) + A[:, 2]"
    )


class PersonPoseRead(BaseModel):
    """The pose of one person of an image."""

    box: tuple[float, float, float, float] | None = Field(description="Asked for, or found; null: the whole image")
    score: float | None = Field(description="Of the people detector; null: nobody was looked for")
    keypoints: list[KeypointRead]
    heatmaps: HeatmapsRead | None = None


class PoseRead(BaseModel):
    """The poses of the people in an image: `box`, `keypoints` and `heatmaps` are those of the first of `people`."""

    model: str = Field(description="`name@version` that answered")
    width_px: int
    height_px: int
    box: tuple[float, float, float, float] | None = Field(description="As of the first of `people`")
    joints: list[str]
    keypoints: list[KeypointRead] = Field(description="As of the first of `people`; empty: nobody was found")
    heatmaps: HeatmapsRead | None = Field(None, description="As of the first of `people`")
    people: list[PersonPoseRead] = Field(description="In the order of `box`, or of the detector's scores")
    note: str | None = Field(None, description="Says so when nobody was found")


class ImagePoseRead(BaseModel):
    """What became of one of several images."""

    file: str
    pose: PoseRead | None = None
    problem: Problem | None = Field(None, description="Why there is no pose")


class PosesRead(BaseModel):
    """The poses in several images, in the order sent."""

    items: list[ImagePoseRead]


class LabelRead(BaseModel):
    label: str
    probability: float


class ActionRead(BaseModel):
    """Probabilities of action labels, highest first; all of them together sum to 1."""

    model: str = Field(description="`name@version` that answered")
    num_frames: int = Field(description="Frames that were looked at")
    streams: list[Literal["appearance", "motion"]] = Field(
        description="What was looked at: frames; flow too, by a model of two streams and in a clip long enough"
    )
    labels: list[LabelRead]


class FeaturesRead(BaseModel):
    """The fc6 feature of an image."""

    model: str = Field(description="`name@version` that answered")
    values: list[float]
