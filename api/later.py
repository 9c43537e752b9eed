"""`Prefer: respond-async` (RFC 7240): a video that is sent to a prediction becomes a prediction job."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from fastapi import Request, Response

from api.auth import Caller
from api.deps import ServiceSet
from api.desk import Order, place
from api.form import ReceivedFile, ReceivedForm
from api.openapi import Json, header
from api.schemas.jobs import JobRead
from pfa_core.errors import VideoUnsupported
from pfa_core.video.containers import sniff
from pfa_store.disk import disk_errors
from pfa_store.job_record import Job
from pfa_store.specs import PredictSpec
from pfa_store.store import Store

PREFERENCE = "respond-async"
ADVICE = f"Send it with the header `Prefer: {PREFERENCE}`, or to POST /jobs/predict: it becomes a job."

PREFER_PARAMETER: Json = header(
    "Prefer", f"`{PREFERENCE}`: a video becomes a job of /jobs/predict, for which the key needs the scope `jobs` too",
    required=False,
)  # fmt: skip
LATER: dict[int | str, Json] = {
    HTTPStatus.ACCEPTED.value: {
        "model": JobRead,
        "description": f"With `Prefer: {PREFERENCE}`: the job that works on the video",
        "headers": {
            "Location": {"schema": {"type": "string"}, "description": "The job"},
            "Preference-Applied": {"schema": {"type": "string"}, "description": PREFERENCE},
        },
    }
}


def wants_later(request: Request) -> bool:
    """Whether the client prefers a job to an answer that takes long."""
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return any(preference.split(";")[0].strip().lower() == PREFERENCE for preference in preferences)


def is_video(head: bytes) -> bool:
    """Whether a file that begins so is of a container that is taken for a video."""
    try:
        sniff(head)
    except VideoUnsupported:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be found out about a video."""

    task: Literal["pose", "action"]
    model: str
    config: Mapping[str, Any]
    content: Path | bytes
    name: str
    idempotency_key: str | None


async def accepted(wanted: Wanted, services: ServiceSet, who: Caller) -> Response:
    """The job that works on a video, as 202.

    Raises:
        Forbidden: the key lacks the scope `jobs`.
        PfaError: as `desk.place`.
    """
    who.require("jobs")
    job = await services.ingest(_placed, wanted, services.store, who.key_id)
    return Response(
        JobRead.of(job).model_dump_json(),
        HTTPStatus.ACCEPTED,
        headers={"Location": f"/jobs/{job.id}", "Preference-Applied": PREFERENCE},
        media_type="application/json",
    )


def _placed(wanted: Wanted, store: Store, key_id: str | None) -> Job:
    """Place the order as if the video had come to /jobs/predict itself; it counts as the key's from now on."""
    with disk_errors(), TemporaryDirectory(prefix="later-", dir=store.files.root / "tmp") as folder:
        path = wanted.content
        if isinstance(path, bytes):
            store.files.ensure_space(len(path))
            content, path = path, Path(folder) / "video"
            path.write_bytes(content)
        num_bytes = path.stat().st_size
        with store.quota.arriving(key_id) as allowance:
            allowance.take(num_bytes)
            file = ReceivedFile(field="files", filename=wanted.name, content_type="", content=path, num_bytes=num_bytes)
            spec = PredictSpec(task=wanted.task, model=wanted.model, config=dict(wanted.config))
            form = ReceivedForm({}, (file,), allowance)
            order = Order(kind="predict", spec=spec, form=form, key_id=key_id, idempotency_key=wanted.idempotency_key)
            return place(order, store)
