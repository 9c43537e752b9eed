"""The tables. Times are seconds since 1970, UTC; ids are made by us; documents are JSON."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, MetaData, String, UniqueConstraint, false
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BIG = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, list[str]: JSON}  # noqa: RUF012


class VideoRow(Base):
    """An uploaded video; `id` is made from the sha256, so the same bytes are the same row."""

    __tablename__ = "videos"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    filename: Mapped[str]
    num_bytes: Mapped[int] = mapped_column(BIG)
    container: Mapped[str]
    codec: Mapped[str]
    width_px: Mapped[int]
    height_px: Mapped[int]
    rotation_deg: Mapped[int]
    num_frames: Mapped[int]
    fps: Mapped[float]
    duration_s: Mapped[float]
    still: Mapped[bool | None]
    """Whether nothing moves in it; None: too long to tell from a first look."""
    created_s: Mapped[float]
    key_id: Mapped[str | None] = mapped_column(String(40), index=True)


class DatasetRow(Base):
    """A named set of videos or of images."""

    __tablename__ = "datasets"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    """`videos` or `images`."""
    joint_names: Mapped[list[str] | None] = mapped_column(JSON)
    created_s: Mapped[float]
    key_id: Mapped[str | None] = mapped_column(String(40))


class DatasetItemRow(Base):
    """A video, or one person (or one label) in an image."""

    __tablename__ = "dataset_items"
    __table_args__ = (UniqueConstraint("dataset_id", "position"),)
    id: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    video_id: Mapped[str | None] = mapped_column(ForeignKey("videos.id"), index=True)
    image_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    image_bytes: Mapped[int | None] = mapped_column(BIG)
    """Size of the image's file; None: a video, or added before sizes were kept."""
    file: Mapped[str]
    """Name under which the user sent it."""
    label: Mapped[str | None]
    group: Mapped[str | None]
    split: Mapped[str | None]
    """`train`, `val` or `test`; None: the recipe splits by group."""
    person: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Images: {joints: {name: [x_px, y_px, visible]}, torso_box, person_box: [x, y, w, h] px}."""


class JobRow(Base):
    """A unit of work. Only `pfa_store/jobs` changes one, by one compare-and-set statement a change."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_status_queue", "status", "queue"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    queue: Mapped[str] = mapped_column(String(20))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The validated request (pfa_store/specs)."""
    status: Mapped[str] = mapped_column(String(20), index=True)
    phase: Mapped[str] = mapped_column(default="")
    step: Mapped[int] = mapped_column(BIG, default=0)
    total: Mapped[int] = mapped_column(BIG, default=0)
    eta_s: Mapped[float | None]
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    attempt: Mapped[int] = mapped_column(default=0)
    priority: Mapped[int] = mapped_column(default=0, server_default="0")
    half_batch: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Memory ran out: it goes on with half of the batch size that was asked for."""
    token: Mapped[int] = mapped_column(BIG, default=0)
    """Fencing token: incremented by every claim, carried by every write of that attempt."""
    worker: Mapped[str | None]
    lease_until_s: Mapped[float | None]
    rung_s: Mapped[float | None]
    """When it was last announced to the workers."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_s: Mapped[float]
    started_s: Mapped[float | None]
    finished_s: Mapped[float | None]
    history_gone_s: Mapped[float | None]
    """When its events and its log were removed (`pfa_store/garbage`); None: they are there. So the next two."""
    files_gone_s: Mapped[float | None]
    checkpoints_gone_s: Mapped[float | None]
    key_id: Mapped[str | None] = mapped_column(String(40))


class JobEventRow(Base):
    """Something that happened to a job, in order."""

    __tablename__ = "job_events"
    id: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    at_s: Mapped[float]
    kind: Mapped[str] = mapped_column(String(30))
    """`queued claimed phase progress left_out pausing paused resumed cancelling succeeded failed cancelled handed_back
    out_of_memory retried history_removed`."""
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class JobItemRow(Base):
    """A video whose pack a job needs, or a part of a long one; any worker may claim it.

    Only `pfa_store/items` changes one.
    """

    __tablename__ = "job_items"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    video_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """0: the video's pack as a whole, to be put together once the video's parts are done, if it has any."""
    first_frame: Mapped[int] = mapped_column(BIG)
    num_frames: Mapped[int | None] = mapped_column(BIG)
    """None: to the video's end."""
    status: Mapped[str] = mapped_column(String(20))
    """`queued running done refused`."""
    pairs: Mapped[int] = mapped_column(BIG)
    step: Mapped[int] = mapped_column(BIG, default=0)
    """Pairs done when it was last told."""
    crashes: Mapped[int] = mapped_column(default=0)
    """How often a process died of it."""
    token: Mapped[int] = mapped_column(BIG, default=0)
    """Fencing token, as of a job."""
    worker: Mapped[str | None]
    lease_until_s: Mapped[float | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]


class WorkerRow(Base):
    """A worker of a queue. Only `pfa_store/workers` changes one."""

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    host: Mapped[str]
    pid: Mapped[int] = mapped_column(BIG)
    queue: Mapped[str] = mapped_column(String(20))
    version: Mapped[str]
    job_id: Mapped[str | None] = mapped_column(String(40))
    """What it last took, until it is through with it."""
    started_s: Mapped[float]
    seen_s: Mapped[float]


class ModelRow(Base):
    """A version of a named model; its files are a model folder."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("name", "version"),)
    id: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    folder: Mapped[str]
    """Relative to the data folder."""
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    lineage: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    job_id: Mapped[str | None] = mapped_column(String(40), unique=True)
    """At most one model a job: a second publication of the same job is the same row."""
    created_s: Mapped[float]


class AliasRow(Base):
    """A movable name for a version: `walker@production`."""

    __tablename__ = "aliases"
    name: Mapped[str] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    changed_s: Mapped[float]


class CollectionRow(Base):
    """A gallery of fc6 features that can be searched."""

    __tablename__ = "collections"
    name: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    """`empty`, `building`, `ready` or `failed`."""
    model: Mapped[str]
    """`name@version`."""
    dataset_id: Mapped[str | None] = mapped_column(String(40))
    num_items: Mapped[int] = mapped_column(default=0)
    folder: Mapped[str | None]
    job_id: Mapped[str | None] = mapped_column(String(40))
    created_s: Mapped[float]


class KeyRow(Base):
    """An API key. Only the sha256 of its secret is kept: the secret is 256 random bits."""

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_s: Mapped[float]
    revoked_s: Mapped[float | None]


class IdempotencyRow(Base):
    """What a POST with this `Idempotency-Key` made."""

    __tablename__ = "idempotency"
    key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """API key, or `anonymous`."""
    route: Mapped[str] = mapped_column(String(60), primary_key=True)
    """Path of the POST, such as `/jobs/flow`."""
    idempotency_key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    made: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Enough to give the same answer again: `id`, and what the answer said beyond what `id` tells."""
    created_s: Mapped[float]
