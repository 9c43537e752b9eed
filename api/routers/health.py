"""Whether the service lives, whether it can take work, and what it counts."""

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response, Security
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from api.auth import caller
from api.deps import Services
from api.openapi import problems
from pfa_store.errors import StoreUnavailable
from pfa_store.store import Store

router = APIRouter(tags=["health"])


class Live(BaseModel):
    status: Literal["live"] = "live"


class Ready(BaseModel):
    """What the service depends on."""

    status: Literal["ready", "unready"]
    database: bool
    broker: bool = Field(description="While it is down, jobs are accepted and start once it is back")


@router.get("/health/live")
def live() -> Live:
    """The process answers."""
    return Live()


@router.get("/health/ready", responses={503: {"model": Ready, "description": "The database does not answer"}})
def ready(services: Services, response: Response) -> Ready:
    """The service can take work. A broker that is down delays jobs but loses none, so it does not count."""
    database = _answers(services.store)
    if not database:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Ready(status="ready" if database else "unready", database=database, broker=services.store.queue.ping())


def _answers(store: Store) -> bool:
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True


@router.get(
    "/metrics",
    dependencies=[Security(caller, scopes=["read"])],
    responses={**problems(), 200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}},
    response_class=Response,
)
def metrics(services: Services) -> Response:
    """Requests, latencies, queue and batch sizes."""
    return Response(services.metrics.text(), media_type=CONTENT_TYPE_LATEST)
