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
from pfa_store.errors import StoreUnavailable
from pfa_store.specs import QUEUES, Queue
from pfa_store.store import Store

router = APIRouter(tags=["health"])


class Live(BaseModel):
    status: Literal["live"] = "live"


class Ready(BaseModel):
    """What the service depends on."""

    status: Literal["ready", "unready"]
    database: bool
    broker: bool = Field(description="While it is down, jobs are accepted and start once it is back")
    workers: dict[Queue, int] = Field(description="Workers that are there, by queue; without any, jobs wait")


@router.get("/health/live")
def live() -> Live:
    """The process answers."""
    return Live()


@router.get("/health/ready", responses={503: {"model": Ready, "description": "The database does not answer"}})
def ready(services: Services, response: Response) -> Ready:
    """The service can take work. A broker that is down, or no worker, delays jobs but loses none: they do not count."""
    workers = _workers(services.store)
    database = workers is not None
    if not database:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Ready(
        status="ready" if database else "unready",
        database=database,
        broker=services.store.queue.ping(),
        workers=workers or {},
    )


def _workers(store: Store) -> dict[Queue, int] | None:
    """How many workers each queue has; None: the database does not answer."""
    try:
        queues = [worker.queue for worker in store.workers.list() if worker.status != "lost"]
    except StoreUnavailable:
        return None
    return {queue: queues.count(queue) for queue in QUEUES}


@router.get(
    "/metrics",
    dependencies=[Security(caller, scopes=["read"])],
    responses={**problems(), 200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}},
    response_class=Response,
)
def metrics(services: Services) -> Response:
    """Requests, latencies, queue and batch sizes, models, workers, jobs that wait, free disk."""
    with contextlib.suppress(StoreUnavailable):  # then as they were
        services.metrics.tell(standing_of(services.store))
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)
