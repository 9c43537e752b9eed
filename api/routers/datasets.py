"""Make, list and delete data sets."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, caller
from api.body import read_json, validated
from api.deps import Services
from api.errors import RequestInvalid
from api.ingest import Made, form_limits, made_before, make_dataset
from api.multipart import is_multipart, received_form
from api.openapi import form_body, json_body, problems, request_body
from api.repeats import IdempotencyKey, once_of
from api.routers.videos import Cursor, Limit
from api.schemas.datasets import DatasetCreate, DatasetItemRead, DatasetName, DatasetRead
from api.schemas.page import PageRead, page_of
from pfa_core.errors import DatasetUnsuitable
from pfa_core.importers.coco import write_coco
from pfa_core.importers.formats import FORMAT_NAMES, FORMATS
from pfa_core.people import Person, PoseData
from pfa_core.skeleton import JointSet
from pfa_store.datasets import Split
from pfa_store.idempotency import Once
from pfa_store.store import Store

router = APIRouter(prefix="/datasets", tags=["datasets"])
Position = Annotated[int | None, Query(description="`next_cursor` of the page before")]

FORM = {
    "files": "Videos, or images (JPEG, PNG, WebP), or .zip archives of either",
    "annotations": "One or more files of one format, or .zip archives of them; the content tells which: "
    + "; ".join(f"`{known.name}`: {known.meaning}" for known in FORMATS),
}
FIELDS = {
    "name": "Name of the data set",
    "format": f"Format of the annotations, where it is not to be found out: one of {', '.join(FORMAT_NAMES)}. "
    "In `folders` the folder that a file lies in is its label, and no annotations are sent",
}


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=problems(404, 409, 413, 415, 507),
    openapi_extra=request_body(
        json_body(DatasetCreate),
        form_body(files=FORM, many=True, fields=FIELDS, required=("name", "files")),
    ),
)
async def create_dataset(
    request: Request,
    response: Response,
    services: Services,
    who: Annotated[Caller, Security(caller, scopes=["jobs"])],
    idempotency_key: IdempotencyKey = None,
) -> DatasetRead:
    """Make a data set of uploaded videos (JSON), or of files that are sent along (a form)."""
    repeats = partial(once_of, idempotency_key, route="/datasets", key_id=who.key_id)
    made = await (_from_form if is_multipart(request) else _from_json)(request, services, who, repeats)
    response.headers["Location"] = f"/datasets/{made.dataset.id}"
    items = await run_in_threadpool(services.store.datasets.items, made.dataset.id)
    return DatasetRead.of(made.dataset, items, made.left_out, made.warnings)


async def _from_json(request: Request, services: Services, who: Caller, repeats: Callable[..., Once | None]) -> Made:
    body = await read_json(request, DatasetCreate)
    once = repeats(document=body.model_dump(mode="json"))
    return await run_in_threadpool(_create, body, services.store, who.key_id, once)


def _create(body: DatasetCreate, store: Store, key_id: str | None, once: Once | None) -> Made:
    with store.idempotency.alone(once) as made:
        if made is not None:
            return made_before(store, made)
        items = [entry.to_item() for entry in body.videos]
        return Made(store.datasets.create_from_videos(body.name, items, key_id=key_id, once=once), [])


async def _from_form(request: Request, services: Services, who: Caller, repeats: Callable[..., Once | None]) -> Made:
    store = services.store
    limits = form_limits(services.settings, files=FORM, fields=FIELDS)
    async with received_form(request, files=store.files, limits=limits, quota=store.quota, key_id=who.key_id) as form:
        if "name" not in form.fields:
            raise RequestInvalid("The form needs a field 'name'.", field="name")
        name = validated({"name": form.fields["name"]}, DatasetName, where="form").name
        kind = form.fields.get("format") or None

        def make() -> Made:
            once = repeats(document=dict(form.fields), form=form)
            return make_dataset(store, form, name=name, key_id=who.key_id, format_name=kind, once=once)

        return await services.ingest(make)


@router.get("", dependencies=[Security(caller, scopes=["read"])], responses=problems())
def list_datasets(services: Services, limit: Limit = 50, cursor: Cursor = None) -> PageRead[DatasetRead]:
    """Data sets, newest first."""
    return page_of(services.store.datasets.list(limit=limit, cursor=cursor), DatasetRead.of)


@router.get("/{dataset}", dependencies=[Security(caller, scopes=["read"])], responses=problems(404))
def read_dataset(dataset: str, services: Services) -> DatasetRead:
    """One data set, by id or name."""
    return DatasetRead.of(services.store.datasets.get(dataset), services.store.datasets.items(dataset))


@router.get("/{dataset}/items", dependencies=[Security(caller, scopes=["read"])], responses=problems(404))
def list_items(
    dataset: str, services: Services, limit: Limit = 200, cursor: Position = None
) -> PageRead[DatasetItemRead]:
    """The items of a data set in their order."""
    later = [item for item in services.store.datasets.items(dataset) if cursor is None or item.position > cursor]
    shown = later[:limit]
    more = str(shown[-1].position) if len(later) > limit else None
    return PageRead(items=[DatasetItemRead.of(item) for item in shown], next_cursor=more)


@router.get(
    "/{dataset}/coco",
    dependencies=[Security(caller, scopes=["read"])],
    responses={**problems(404), 200: {"description": "COCO keypoints JSON", "content": {"application/json": {}}}},
    response_class=Response,
)
def export_coco(
    dataset: str,
    services: Services,
    split: Annotated[Split | None, Query(description="Only the people of this split: COCO has a file a split")] = None,
) -> Response:
    """The people of a data set as COCO keypoints JSON."""
    found = services.store.datasets.get(dataset)
    if found.joint_names is None:
        raise DatasetUnsuitable(f"The data set {found.name!r} has no joints to export.")
    people = tuple(
        Person.from_json(item.person, image=Path(item.file))
        for item in services.store.datasets.items(found.id)
        if item.person is not None and split in (None, item.split)
    )
    document = write_coco(PoseData(joints=JointSet(found.joint_names), people=people))
    return Response(document, media_type="application/json")


@router.delete(
    "/{dataset}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Security(caller, scopes=["jobs"])],
    responses=problems(404, 409),
)
def delete_dataset(dataset: str, services: Services) -> None:
    """Delete a data set; its videos stay. 409 while an unfinished job or a collection names it."""
    services.store.datasets.delete(dataset)
