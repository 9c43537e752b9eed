"""What a prediction job found in videos, as it is sent."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, Field

from api.schemas.predict import Box, KeypointRead, LabelRead


class TrackedPersonRead(BaseModel):
    """A person in a frame."""

    id: int = Field(description="The same in every frame of the video; never given to another")
    box: Box | None = Field(description="Where the person was looked at, x,y,width,height in px; null: the whole frame")
    score: float | None = Field(description="Of the people detector, when it found the person last")
    keypoints: list[KeypointRead]


class FrameRead(BaseModel):
    """The people in a frame of a video: an answer to the task `pose`."""

    video: str = Field(description="Id of the video")
    file: str
    frame: int
    time_s: float = Field(description="frame / mean frame rate")
    people: list[TrackedPersonRead]

    @classmethod
    def of(cls, entry: Mapping[str, Any], plain: Mapping[str, Any], joints: Sequence[str]) -> Self:
        """From a line of a job's file."""
        people = [
            TrackedPersonRead(
                id=person["id"],
                box=person["box"],
                score=person["score"],
                keypoints=[
                    KeypointRead(joint=joint, x_px=x, y_px=y, score=score, visible=visible)
                    for joint, (x, y, score, visible) in zip(joints, person["keypoints"], strict=True)
                ],
            )
            for person in plain["people"]
        ]
        return cls(
            video=entry["video"], file=entry["file"], frame=plain["frame"], time_s=plain["time_s"], people=people
        )


class WindowRead(BaseModel):
    """What is done in a window of a video: an answer to the task `action`."""

    video: str = Field(description="Id of the video")
    file: str
    start_s: float
    end_s: float
    labels: list[LabelRead] = Field(description="The likeliest, highest first")

    @classmethod
    def of(cls, entry: Mapping[str, Any], plain: Mapping[str, Any]) -> Self:
        """From a line of a job's file."""
        labels = [LabelRead(label=label, probability=probability) for label, probability in plain["labels"]]
        return cls(
            video=entry["video"], file=entry["file"], start_s=plain["start_s"], end_s=plain["end_s"], labels=labels
        )
