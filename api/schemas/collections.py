"""Collections and what is found in them."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from api.schemas.page import time_of
from api.schemas.predict import Box
from pfa_core.gallery_item import ItemFilter
from pfa_store.collections import Collection
from pfa_store.specs import ModelRef, Name


class CollectionCreate(BaseModel):
    """An empty collection for the features of a model; `POST /jobs/index` fills it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"name": "gallery", "model": "walker@1"}})

    name: Name
    model: ModelRef


class CollectionRead(BaseModel):
    """A gallery of fc6 features that can be searched."""

    name: str
    status: str = Field(description="`empty`, `building`, `ready` or `failed`")
    model: str = Field(description="`name@version` whose features it holds")
    dataset: str | None = Field(description="Id of the data set that was added last")
    num_items: int
    job_id: str | None = Field(description="The newest job that fills it")
    created: datetime

    @classmethod
    def of(cls, collection: Collection) -> Self:
        return cls(
            name=collection.name,
            status=collection.status,
            model=collection.model,
            dataset=collection.dataset_id,
            num_items=collection.num_items,
            job_id=collection.job_id,
            created=time_of(collection.created_s),
        )


class ItemRead(BaseModel):
    """An item of a collection."""

    id: int = Field(description="Stays the same as long as the item is there, and is never used again")
    source: str = Field(description="Id of the video, or sha256 of the image")
    name: str = Field(description="File name under which it was sent")
    label: str | None = Field(description="Action label, where its data set gives one")
    dataset: str | None = Field(description="Id of the data set that it was taken from")
    frame: int | None = Field(description="Videos: number of the frame, from 0")
    time_s: float | None = Field(description="Videos: time of the frame")
    box: tuple[float, float, float, float] | None = Field(description="Images: the person box that was looked at")
    thumbnail_url: str = Field(description="Where its thumbnail is, a small JPEG")


class NeighbourRead(ItemRead):
    """An item of a collection that is near in fc6 space."""

    distance: float = Field(description="Euclidean distance of the fc6 features")
    thumbnail: str | None = Field(description="A small JPEG as a data URI")


class NeighboursRead(BaseModel):
    """The nearest items, nearest first; those at the same distance by id."""

    collection: str
    model: str
    items: list[NeighbourRead]


class DeletedRead(BaseModel):
    """What became of a deletion."""

    deleted: int = Field(description="How many items there were")


def _several(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


Terms = Annotated[tuple[Annotated[str, Field(max_length=500)], ...], BeforeValidator(_several), Field(max_length=1000)]
TERMS = "; several with commas between them"


class FilterParams(BaseModel):
    """Which items of a collection: those that have one of the values in every field that names any."""

    model_config = ConfigDict(extra="forbid")

    sources: Terms = Field((), description=f"Ids of videos, or sha256 of images{TERMS}")
    labels: Terms = Field((), description=f"Action labels{TERMS}")
    datasets: Terms = Field((), description=f"Ids of data sets{TERMS}")

    def chosen(self) -> ItemFilter:
        """As the core takes it."""
        return ItemFilter(sources=self.sources, labels=self.labels, datasets=self.datasets)


class RetrieveParams(FilterParams):
    """What every query of `/retrieve/pose` takes."""

    collection: Name
    k: int = Field(10, ge=1, le=1000, description="How many neighbours; fewer where the collection holds fewer")
    box: Box | None = None
    thumbnails: bool = Field(True, description="Send the thumbnails too, not only where they are")


class RetrieveQuery(RetrieveParams):
    """What `/retrieve/pose` takes as JSON: in the place of an image an item, a frame of a video, or a feature."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"collection": "gallery", "video": "vid_1", "time_s": 2.4, "labels": ["walk"]}}
    )

    item: int | None = Field(None, ge=0, lt=2**63, description="Id of an item of the collection")
    video: str | None = Field(None, max_length=40, description="Id of a video; with `frame` or `time_s`")
    frame: int | None = Field(None, ge=0, lt=2**31, description="Number of the frame, from 0")
    time_s: FiniteFloat | None = Field(None, ge=0, le=10**7, description="The frame that is nearest to this time")
    feature: tuple[FiniteFloat, ...] | None = Field(
        None, min_length=1, max_length=100_000, description="An fc6 feature of the collection's model"
    )

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        if sum(given is not None for given in (self.item, self.video, self.feature)) != 1:
            raise ValueError("name one of item, video and feature")
        if self.video is None and (self.frame is not None or self.time_s is not None):
            raise ValueError("frame and time_s belong to a video")
        if self.video is not None and (self.frame is None) == (self.time_s is None):
            raise ValueError("name the video's frame, or its time_s")
        if self.box is not None and self.video is None:
            raise ValueError("a box belongs to an image or to a frame of a video")
        return self
