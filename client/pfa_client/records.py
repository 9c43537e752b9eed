"""What the service returns, as frozen records. Members that a newer service adds are ignored.

Times are RFC 3339 strings, UTC. Sizes and positions are in px of the image or video as its viewer sees it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

R = TypeVar("R")


def record(kind: type[R], plain: Mapping[str, Any], **read: object) -> R:
    """A `kind` (a dataclass) from JSON; `read` holds members that were read before. Missing optional ones default."""
    names = {known.name for known in fields(kind)}  # type: ignore[arg-type]  # every kind is a dataclass
    return kind(**{name: value for name, value in {**plain, **read}.items() if name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that could not be used, and why."""

    file: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """An uploaded video; the same bytes are always the same video."""

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
    still: bool | None
    created: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What became of an upload."""

    videos: tuple[Video, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadProgress:
    """How far a resumable upload is; `upload_id` lets a later call go on with it."""

    upload_id: str
    offset: int
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A resumable upload."""

    id: str
    status: str
    """`receiving checking finished refused expired`."""
    filename: str
    num_bytes: int
    offset: int
    """Bytes that are there for good."""
    created: str
    expires: str
    video: str | None = None
    """Id of the video that it became."""
    error: Mapping[str, Any] | None = None
    """`code` and `message`, where it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A named set of videos or of images."""

    id: str
    name: str
    kind: str
    num_items: int
    created: str
    joint_names: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is odd about its annotations; told when it was just made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetItem:
    """A video, or one person (or one label) in an image."""

    position: int
    file: str
    video_id: str | None = None
    image_sha256: str | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None
    person: Mapping[str, Any] | None = None
    """`joints` {name: [x_px, y_px, visible]} and boxes [x, y, w, h]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is in its present phase; `total` is 0 and `eta_s` None where that is not known."""

    step: int
    total: int
    eta_s: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A unit of work at the moment it was asked for."""

    id: str
    kind: str
    status: str
    """`queued running pausing paused cancelling succeeded failed cancelled`."""
    done: bool
    phase: str
    progress: Progress
    attempt: int
    created: str
    started: str | None = None
    finished: str | None = None
    error: Mapping[str, Any] | None = None
    """`code` and `message` of a failed job."""
    result: Mapping[str, Any] | None = None
    """What a succeeded job made, such as `model` and `metrics`."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    removed: Mapping[str, str] = field(default_factory=dict)
    """What was removed of it long after its end (`history files checkpoints`), and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Something that happened to a job; ids rise."""

    id: int
    at: str
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A file that a job made."""

    name: str
    media_type: str
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCheckpoint:
    """A checkpoint of a training job."""

    step: int
    best: bool
    """The best weights so far, which are kept beside the checkpoints."""
    saved: str
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker of a queue."""

    id: str
    host: str
    pid: int
    queue: str
    status: str
    """`idle busy lost`."""
    version: str
    started: str
    seen: str
    job_id: str | None = None
    """The job that it does or helps with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told when the jobs of a key end."""

    id: str
    url: str
    created: str
    secret: str | None = None
    """Signs the messages; known only where the webhook was just made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message to a webhook."""

    id: str
    job: str
    status: str
    """`waiting delivered failed`."""
    attempts: int
    created: str
    last_error: str | None = None
    delivered: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A version of a model."""

    ref: str
    """`name@version`: always this version."""
    name: str
    version: int
    kind: str
    metrics: Mapping[str, Any]
    lineage: Mapping[str, Any]
    created: str
    aliases: tuple[str, ...] = ()
    job_id: str | None = None
    files: tuple[str, ...] = ()
    """Known where one version was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A name and its versions, newest first."""

    name: str
    versions: tuple[ModelVersion, ...]
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A movable name for a version."""

    name: str
    alias: str
    version: int
