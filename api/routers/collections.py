"""Make, list and delete collections."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Response, Security
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, caller
from api.body import read_json
from api.deps import Services
from api.openapi import json_body, problems, request_body
from api.repeats import IdempotencyKey, once_of
from api.schemas.collections import CollectionCreate, CollectionRead
from api.schemas.page import PageRead
from api.uses import need_kind
from pfa_store.collections import Collection
from pfa_store.idempotency import Once
from pfa_store.store import Store

router = APIRouter(prefix="/collections", tags=["retrieval"])


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=problems(404, 409, 415),
    openapi_extra=request_body(json_body(CollectionCreate)),
)
async def create_collection(
    request: Request,
    response: Response,
    services: Services,
    who: Annotated[Caller, Security(caller, scopes=["jobs"])],
    idempotency_key: IdempotencyKey = None,
) -> CollectionRead:
    """Make an empty collection for the features of a model; `POST /jobs/index` fills it."""
    body = await read_json(request, CollectionCreate)
    once = once_of(idempotency_key, route="/collections", key_id=who.key_id, document=body.model_dump())
    made = await run_in_threadpool(_create, body, services.store, once)
    response.headers["Location"] = f"/collections/{made.name}"
    return CollectionRead.of(made)


def _create(body: CollectionCreate, store: Store, once: Once | None) -> Collection:
    with store.idempotency.alone(once) as made:
        if made is not None:
            return store.collections.get(made["id"])
        model = store.models.resolve(body.model)
        need_kind(model, "features")
        return store.collections.create(body.name, model.ref, once=once)


@router.get("", dependencies=[Security(caller, scopes=["read"])], responses=problems())
def list_collections(services: Services) -> PageRead[CollectionRead]:
    """All collections, by name."""
    found = services.store.collections.list()
    return PageRead(items=[CollectionRead.of(collection) for collection in found], next_cursor=None)


@router.get("/{name}", dependencies=[Security(caller, scopes=["read"])], responses=problems(404))
def read_collection(name: str, services: Services) -> CollectionRead:
    """One collection."""
    return CollectionRead.of(services.store.collections.get(name))


@router.delete(
    "/{name}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Security(caller, scopes=["jobs"])],
    responses=problems(404, 409),
)
def delete_collection(name: str, services: Services) -> None:
    """Delete a collection; 409 while a job fills it."""
    services.store.collections.delete(name)
