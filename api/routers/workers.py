"""The workers that do the jobs."""

from fastapi import APIRouter, Security

from api.auth import caller
from api.deps import Services
from api.openapi import problems
from api.schemas.page import PageRead
from api.schemas.workers import WorkerRead

router = APIRouter(prefix="/workers", tags=["workers"])


@router.get("", dependencies=[Security(caller, scopes=["read"])], responses=problems())
def list_workers(services: Services) -> PageRead[WorkerRead]:
    """All workers, by queue. One that fell silent is `lost`, and forgotten after an hour."""
    items = [WorkerRead.of(worker) for worker in services.store.workers.list()]
    return PageRead(items=items, next_cursor=None)
