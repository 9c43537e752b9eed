"""What predictions and retrieval return, as frozen records like those of `records`. Positions are px of the image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypoint:
    """Where a joint is, in image px, and how sure that is."""

    joint: str
    x_px: float
    y_px: float
    score: float
    visible: bool | None = None
    """Whether it can be seen, as far as the model tells; None: it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPose:
    """One person of an image."""

    keypoints: tuple[Keypoint, ...]
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
    """Of the people detector, where somebody was looked for."""
    heatmaps: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """The poses of the people in an image; what is not in `people` is that of the first of them."""

    model: str
    width_px: int
    height_px: int
    keypoints: tuple[Keypoint, ...]
    box: tuple[float, float, float, float] | None = None
    heatmaps: Mapping[str, Any] | None = None
    """`values` (K, h, w) nested lists and `cells_to_image` 2 x 3, where they were asked for."""
    people: tuple[PersonPose, ...] = ()
    note: str | None = None
    """Says so when nobody was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePose:
    """What became of one of several images."""

    file: str
    pose: Pose | None = None
    problem: Mapping[str, Any] | None = None
    """The problem document of an image that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """Probabilities of action labels, highest first."""

    model: str
    labels: tuple[tuple[str, float], ...]
    num_frames: int
    streams: tuple[str, ...] = ("appearance",)
    """What was looked at: `appearance` (frames), and `motion` (flow) by a model of two streams, if the clip is long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The fc6 feature of an image."""

    model: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A gallery that can be searched."""

    name: str
    status: str
    model: str
    num_items: int
    created: str
    dataset: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of a collection."""

    source: str
    """Id of the video, or sha256 of the image."""
    id: int = -1
    name: str = ""
    """File name under which it was sent."""
    label: str | None = None
    dataset: str | None = None
    """Id of the data set that it was taken from."""
    frame: int | None = None
    time_s: float | None = None
    box: Sequence[float] | None = None
    """Of an image: the person box that was looked at."""
    thumbnail_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour(Item):
    """An item of a collection that is near in fc6 space."""

    distance: float
    thumbnail: str | None = None
    """A small JPEG as a data URI."""
