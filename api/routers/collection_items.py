"""The items of a collection: listed, looked at, deleted."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response, Security
from starlette.concurrency import run_in_threadpool

from api.auth import caller
from api.body import validated
from api.deps import Services
from api.errors import CollectionNotReady, RequestInvalid
from api.inference.answers import item_read
from api.openapi import problems
from api.schemas.collections import DeletedRead, FilterParams, ItemRead
from api.schemas.page import PageRead
from pfa_core.errors import ItemNotFound

router = APIRouter(prefix="/collections/{name}/items", tags=["retrieval"])

ItemId = Annotated[int, Path(ge=0, lt=2**63)]
READ = Security(caller, scopes=["read"])
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}


def _filter(
    sources: Annotated[str | None, Query(description="Ids of videos, or sha256 of images; commas between")] = None,
    labels: Annotated[str | None, Query(description="Action labels; commas between")] = None,
    datasets: Annotated[str | None, Query(description="Ids of data sets; commas between")] = None,
) -> FilterParams:
    given = {"sources": sources, "labels": labels, "datasets": datasets}
    return validated({name: text for name, text in given.items() if text is not None}, FilterParams, where="query")


Chosen = Annotated[FilterParams, Depends(_filter)]


@router.get("", dependencies=[READ], responses=problems(404, 409))
async def list_items(
    name: str,
    services: Services,
    chosen: Chosen,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[int | None, Query(ge=0, lt=2**63, description="`next_cursor` of the page before")] = None,
) -> PageRead[ItemRead]:
    """The items of a collection by id, all or some; 409 while it holds none."""
    collection = await run_in_threadpool(services.store.collections.get, name)
    after = -1 if cursor is None else cursor
    found = await services.inference.retrieval.page(collection, after=after, limit=limit + 1, among=chosen.chosen())
    more = len(found) > limit
    items = [item_read(name, item_id, item) for item_id, item in found[:limit]]
    return PageRead(items=items, next_cursor=str(items[-1].id) if more else None)


@router.get("/{item_id}", dependencies=[READ], responses=problems(404))
async def read_item(name: str, item_id: ItemId, services: Services) -> ItemRead:
    """One item."""
    collection = await run_in_threadpool(services.store.collections.get, name)
    try:
        return item_read(name, item_id, await services.inference.retrieval.item(collection, item_id))
    except CollectionNotReady as error:
        raise ItemNotFound(f"The collection {name!r} holds no items.", item=item_id) from error


@router.get("/{item_id}/thumbnail.jpg", dependencies=[READ], responses=problems(404) | JPEG, response_class=Response)
async def read_thumbnail(name: str, item_id: ItemId, services: Services) -> Response:
    """The thumbnail of an item, a JPEG."""
    collection = await run_in_threadpool(services.store.collections.get, name)
    try:
        jpeg = await services.inference.retrieval.thumbnail(collection, item_id)
    except CollectionNotReady as error:
        raise ItemNotFound(f"The collection {name!r} holds no items.", item=item_id) from error
    if jpeg is None:
        raise ItemNotFound(f"The item {item_id} has no thumbnail.", item=item_id)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.delete("", dependencies=[Security(caller, scopes=["jobs"])], responses=problems(404))
def delete_items(name: str, services: Services, chosen: Chosen) -> DeletedRead:
    """Delete the items that have one of the values in every field that names any; at least one field must.

    What they were made of stays.
    """
    among = chosen.chosen()
    if not among:
        raise RequestInvalid("Say which items: by sources, labels or datasets.", field="sources")
    return DeletedRead(deleted=services.store.collections.delete_items(name, among))


@router.delete(
    "/{item_id}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Security(caller, scopes=["jobs"])],
    responses=problems(404),
)
def delete_item(name: str, item_id: ItemId, services: Services) -> None:
    """Delete one item."""
    services.store.collections.delete_items(name, item_id)
