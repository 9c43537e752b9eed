"""What predictions are asked for and answered with. Parameters arrive as text, in the query or in a form."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pfa_store.specs import ModelRef


def _four_numbers(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


Box = Annotated[
    tuple[float, float, float, float],
    BeforeValidator(_four_numbers),
    Field(description="x,y,width,height of the person in px of the image"),
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


class PoseParams(FeatureParams):
    """What `/predict/pose` takes."""

    heatmaps: bool = Field(False, description="Send the heatmaps too")
    format: PoseFormat | None = Field(None, description="Wins over the Accept header")


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


class PoseRead(BaseModel):
    """The pose of the person in an image."""

    model: str = Field(description="`name@version` that answered")
    width_px: int
    height_px: int
    box: tuple[float, float, float, float] | None = Field(description="The box that was asked for")
    joints: list[str]
    keypoints: list[KeypointRead]
    heatmaps: HeatmapsRead | None = None


class LabelRead(BaseModel):
    label: str
    probability: float


class ActionRead(BaseModel):
    """Probabilities of action labels, highest first; they sum to 1."""

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
