"""Videos, as they are sent."""

from dataclasses import asdict
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.page import time_of
from pfa_store.videos import Video


class LeftOut(BaseModel):
    """A file that could not be used, and why."""

    file: str
    code: str
    message: str


class VideoRead(BaseModel):
    """An uploaded video; the same bytes are always the same video. Sizes are those after rotation."""

    id: str
    sha256: str
    filename: str
    num_bytes: int
    container: str
    codec: str
    width_px: int
    height_px: int
    rotation_deg: int
    num_frames: int
    fps: float
    duration_s: float
    still: bool | None = Field(description="Whether nothing moves in it; null: too long to tell from a first look")
    created: datetime

    @classmethod
    def of(cls, video: Video) -> Self:
        return cls(**asdict(video), created=time_of(video.created_s))


class VideosRead(BaseModel):
    """What became of an upload."""

    videos: list[VideoRead]
    left_out: list[LeftOut] = Field(description="Files that could not be used")
