"""Whether the service lives, whether it can take work, and what it counts."""

import contextlib
from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response, Security
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from api.auth import caller
from api.deps import Services
from api.openapi import problems
from api.standing import standing_of
from pfa_store.errors import StoreTooNew, StoreUnavailable
from pfa_store.specs import QUEUES, Queue
from pfa_store.store import Store

router = APIRouter(tags=["health"])


class Live(BaseModel):
    status: Literal["live"] = "live"


class Ready(BaseModel):
    """What the service depends on."""

    status: Literal["ready", "unready"]
    database: bool
    files: bool = Field(description="What is published can be had: always in a shared folder; or the store answers")
    reason: str | None = Field(description="Why it cannot take work, where there is more to say than that")
    broker: bool = Field(description="While it is down, jobs are accepted and start once it is back")
    workers: dict[Queue, int] = Field(description="Workers that are there, by queue; without any, jobs wait")


@router.get("/health/live")
def live() -> Live:
    """The process answers."""
    return Live()


@router.get(
    "/health/ready",
    responses={
        503: {
            "model": Ready,
            "description": "Database or object store do not answer, or a newer version has migrated the database",
        }
    },
)
def ready(services: Services, response: Response) -> Ready:
    """The service can take work. A broker that is down, or no worker, delays jobs but loses none: they do not count."""
    workers, reason = None, None
    try:
        services.store.check_known()
        workers = _workers(services.store)
    except StoreTooNew as error:
        reason = str(error)
    except StoreUnavailable:
        pass  # told by `database`
    database = workers is not None
    files = _files(services.store)
    if not (database and files):
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Ready(
        status="ready" if database and files else "unready",
        database=database,
        files=files,
        reason=reason,
        broker=services.store.queue.ping(),
        workers=workers or {},
    )


def _files(store: Store) -> bool:
    try:
        store.files.shelf.ping()
    except StoreUnavailable:
        return False
    return True


def _workers(store: Store) -> dict[Queue, int]:
    """How many workers each queue has."""
    queues = [worker.queue for worker in store.workers.list() if worker.status != "lost"]
    return {queue: queues.count(queue) for queue in QUEUES}


@router.get(
    "/metrics",
    dependencies=[Security(caller, scopes=["read"])],
    responses={**problems(), 200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}},
    response_class=Response,
)
def metrics(services: Services) -> Response:
    """Requests, latencies, queue and batch sizes, models, workers, jobs that wait, free disk, what was removed."""
    with contextlib.suppress(StoreUnavailable):  # then as they were
        services.metrics.tell(standing_of(services.store))
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)
