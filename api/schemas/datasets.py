"""Data sets, as they are asked for and sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.page import time_of
from api.schemas.videos import LeftOut
from pfa_store.datasets import Dataset, DatasetItem, Split, VideoItem
from pfa_store.specs import Name


class VideoEntry(BaseModel):
    """An uploaded video and what is known about it."""

    model_config = ConfigDict(extra="forbid")

    video: str = Field(description="Id of an uploaded video")
    label: str | None = Field(None, description="Action class")
    group: str | None = Field(None, description="Items of one group stay on one side of a split: a person, a scene")
    split: Split | None = None

    def to_item(self) -> VideoItem:
        return VideoItem(video_id=self.video, label=self.label, group=self.group, split=self.split)


class DatasetName(BaseModel):
    """The text fields of a form that makes a data set."""

    name: Name


class DatasetCreate(BaseModel):
    """A data set of uploaded videos."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "walks",
                "videos": [
                    {"video": "vid_0f3c", "label": "walk", "group": "anna", "split": "train"},
                    {"video": "vid_77ab", "label": "run", "group": "ben", "split": "test"},
                ],
            }
        },
    )

    name: Name
    videos: list[VideoEntry] = Field(min_length=1, max_length=100_000)


class DatasetRead(BaseModel):
    """A named set of videos or of images."""

    id: str
    name: str
    kind: str = Field(description="`videos` or `images`")
    num_items: int
    joint_names: list[str] | None = Field(description="Images: the joints that people in it may have")
    labels: list[str] = Field(description="Action classes of its items, sorted; empty in lists of data sets")
    left_out: list[LeftOut] = Field(description="When it was just made: files that could not be used")
    warnings: list[str] = Field(description="When it was just made: what is odd about its annotations")
    created: datetime

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        items: Sequence[DatasetItem] = (),
        left_out: Sequence[LeftOut] = (),
        warnings: Sequence[str] = (),
    ) -> Self:
        return cls(
            id=dataset.id,
            name=dataset.name,
            kind=dataset.kind,
            num_items=dataset.num_items,
            joint_names=None if dataset.joint_names is None else list(dataset.joint_names),
            labels=sorted({item.label for item in items if item.label is not None}),
            left_out=list(left_out),
            warnings=list(warnings),
            created=time_of(dataset.created_s),
        )


class DatasetItemRead(BaseModel):
    """A video, or one person (or one label) in an image."""

    position: int
    video_id: str | None
    image_sha256: str | None
    file: str
    label: str | None
    group: str | None
    split: str | None
    person: dict[str, Any] | None = Field(description="`joints` {name: [x_px, y_px, visible]} and boxes [x, y, w, h]")

    @classmethod
    def of(cls, item: DatasetItem) -> Self:
        return cls(
            position=item.position,
            video_id=item.video_id,
            image_sha256=item.image_sha256,
            file=item.file,
            label=item.label,
            group=item.group,
            split=item.split,
            person=None if item.person is None else dict(item.person),
        )
