"""Collections and what is found in them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.page import time_of
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
    dataset: str | None = Field(description="Id of the data set that filled it")
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


class NeighbourRead(BaseModel):
    """An item of a collection that is near in fc6 space."""

    distance: float = Field(description="Euclidean distance of the fc6 features")
    source: str = Field(description="Id of the video, or sha256 of the image")
    name: str = Field(description="File name under which it was sent")
    frame: int | None = Field(description="Videos: number of the frame, from 0")
    time_s: float | None = Field(description="Videos: time of the frame")
    thumbnail: str | None = Field(description="A small JPEG as a data URI")


class NeighboursRead(BaseModel):
    """The nearest items, nearest first."""

    collection: str
    model: str
    items: list[NeighbourRead]
