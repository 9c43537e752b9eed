"""Resumable uploads (tus 1.0): a video arrives in pieces and goes on after whatever cut it off."""

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response, Security
from starlette.concurrency import run_in_threadpool

from api import tus
from api.auth import Caller, caller
from api.deps import Services, ServiceSet
from api.errors import OffsetConflict, RequestInvalid
from api.limits import too_large
from api.openapi import header, problems, raw_body, request_body
from api.pieces import receive, too_long, writing
from api.repeats import IdempotencyKey, once_of
from api.routers.videos import Cursor, Limit
from api.schemas.page import PageRead
from api.schemas.uploads import UploadRead
from pfa_core.errors import InputError
from pfa_store.errors import UploadLocked
from pfa_store.idempotency import Once
from pfa_store.store import Store
from pfa_store.uploads import Upload

router = APIRouter(prefix=tus.PREFIX, tags=["uploads"])
Sender = Annotated[Caller, Security(caller, scopes=["jobs"])]

COUNT = "^[0-9]{1,18}$"
RESUMABLE = header("Tus-Resumable", "Version of the protocol", pattern=r"^1\.0\.0$")
CHECKSUM = header(
    "Upload-Checksum",
    f"`algorithm base64` of this piece, one of {', '.join(tus.ALGORITHMS)}; where it is not right, 460",
    required=False,
)
REFUSALS = (404, 409, 410, 412, 413, 415, 423, 460, 507)


def _answers(status: int, description: str, *names: str) -> dict[int | str, dict[str, Any]]:
    headers = {name: {"schema": {"type": "string"}} for name in ("Tus-Resumable", *names)}
    return {status: {"description": description, "headers": headers}}


@router.options(
    "",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Security(caller, scopes=["jobs"])],
    responses={**problems(), **_answers(204, "In headers", "Tus-Version", "Tus-Extension", "Tus-Max-Size")},
)
def read_abilities(services: Services) -> Response:
    """What this server speaks: version, extensions, checksums, and the largest file."""
    headers = {
        "Tus-Version": tus.VERSION,
        "Tus-Extension": tus.EXTENSIONS,
        "Tus-Max-Size": str(services.settings.max_video_bytes),
        "Tus-Checksum-Algorithm": ",".join(tus.ALGORITHMS),
    }
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses={
        **problems(409, 410, 412, 413, 415, 423, 460, 507),
        **_answers(201, "It is at `Location`", "Location", "Upload-Offset", "Upload-Expires", tus.VIDEO_HEADER),
    },
    openapi_extra=request_body(
        raw_body(tus.PIECE_TYPE),
        required=False,
        parameters=[
            RESUMABLE,
            header("Upload-Length", "Bytes of the whole file", pattern=COUNT),
            header("Upload-Metadata", "`filename` and its base64", required=False),
            CHECKSUM,
        ],
    ),
)
async def create_upload(
    request: Request, response: Response, services: Services, who: Sender, idempotency_key: IdempotencyKey = None
) -> UploadRead:
    """Begin an upload; its first piece may come along. PATCH sends pieces, HEAD tells where to go on."""
    tus.need_version(request)
    num_bytes = tus.number_of(request, "Upload-Length")
    if num_bytes > services.settings.max_video_bytes:
        raise too_large(services.settings.max_video_bytes, "The video")
    if num_bytes == 0:
        raise RequestInvalid("A video has more than 0 bytes.", field="Upload-Length")
    text, metadata = tus.metadata_of(request)
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if has_body:
        tus.need_piece(request)
    checksum = tus.checksum_of(request)
    document = {"length": num_bytes, "metadata": text}
    once = once_of(idempotency_key, route=tus.PREFIX, key_id=who.key_id, document=document)
    filename = metadata.get("filename") or metadata.get("name") or "unnamed"
    create = partial(
        services.store.uploads.create,
        num_bytes,
        filename=filename,
        tus_metadata=text,
        key_id=who.key_id,
        once=once,
    )
    upload, is_new = await run_in_threadpool(_create, services.store, once, create)
    if has_body and is_new:
        try:
            upload = await _add(request, services, upload.id, 0, checksum)
        except BaseException:
            if once is None:  # nobody knows where it is
                await run_in_threadpool(services.store.uploads.delete, upload.id)
            raise
    offset = await run_in_threadpool(services.store.uploads.offset, upload)
    response.headers["Location"] = f"{tus.PREFIX}/{upload.id}"
    response.headers.update(tus.state_headers(upload, offset))
    return UploadRead.of(upload, offset)


def _create(store: Store, once: Once | None, create: Callable[[], Upload]) -> tuple[Upload, bool]:
    """The upload, and whether this request made it."""
    with store.idempotency.alone(once) as made:
        if made is not None:
            return store.uploads.alive(made["id"]), False
        return create(), True


@router.patch(
    "/{upload_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={
        **problems(*REFUSALS),
        **_answers(204, "The piece is here for good", "Upload-Offset", "Upload-Expires", tus.VIDEO_HEADER),
    },
    openapi_extra=request_body(
        raw_body(tus.PIECE_TYPE),
        parameters=[RESUMABLE, header("Upload-Offset", "Where it starts", pattern=COUNT), CHECKSUM],
    ),
)
async def add_piece(upload_id: str, request: Request, services: Services, _who: Sender) -> Response:
    """Add a piece where the upload ends. The last one makes the video, whose id is in `PFA-Video-Id`."""
    tus.need_version(request)
    tus.need_piece(request)
    offset = tus.number_of(request, "Upload-Offset")
    checksum = tus.checksum_of(request)
    upload = await _add(request, services, upload_id, offset, checksum)
    reached = await run_in_threadpool(services.store.uploads.offset, upload)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=tus.state_headers(upload, reached))


async def _add(
    request: Request, services: ServiceSet, upload_id: str, offset: int, checksum: tus.Checksum | None
) -> Upload:
    """Add the body at `offset`; the upload, finished if that was the last of it."""
    uploads = services.store.uploads
    upload = await run_in_threadpool(uploads.alive, upload_id)
    if upload.status == "finished":
        raise OffsetConflict(f"The upload {upload_id} is finished; it is the video {upload.video_id}.")
    async with writing(services.store, upload_id) as (upload, part):
        if offset != part.offset:
            raise OffsetConflict(
                f"The piece starts at {offset} but the upload ends at {part.offset}; go on there.", offset=part.offset
            )
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and offset + int(announced) > upload.num_bytes:
            raise too_long(upload)
        await receive(request, services.store, upload, part, checksum)
        if part.offset == upload.num_bytes:
            return await services.ingest(uploads.finish, upload)
    return upload


@router.head(
    "/{upload_id}",
    responses={
        **problems(404, 410, 412),
        **_answers(200, "In headers", "Upload-Offset", "Upload-Length", "Upload-Expires", tus.VIDEO_HEADER),
    },
    response_class=Response,
    openapi_extra={"parameters": [RESUMABLE]},
)
async def read_offset(upload_id: str, request: Request, services: Services, _who: Sender) -> Response:
    """Where to go on."""
    tus.need_version(request)
    upload, offset = await _settled(services, upload_id)
    upload = await run_in_threadpool(services.store.uploads.alive, upload.id)
    headers: Mapping[str, str] = {
        **tus.state_headers(upload, offset),
        "Upload-Length": str(upload.num_bytes),
        "Cache-Control": "no-store",
        **({"Upload-Metadata": upload.tus_metadata} if upload.tus_metadata else {}),
    }
    return Response(headers=headers)


@router.get("", dependencies=[Security(caller, scopes=["read"])], responses=problems())
def list_uploads(services: Services, limit: Limit = 50, cursor: Cursor = None) -> PageRead[UploadRead]:
    """Uploads, newest first; those that ended are listed for a week."""
    uploads = services.store.uploads
    page = uploads.list(limit=limit, cursor=cursor)
    items = [UploadRead.of(upload, uploads.offset(upload)) for upload in page.items]
    return PageRead(items=items, next_cursor=page.next_cursor)


@router.get("/{upload_id}", dependencies=[Security(caller, scopes=["read"])], responses=problems(404))
async def read_upload(upload_id: str, services: Services) -> UploadRead:
    """One upload: how much of it is here, and which video it became."""
    return UploadRead.of(*await _settled(services, upload_id))


@router.delete("/{upload_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 412, 423))
def delete_upload(upload_id: str, request: Request, services: Services, _who: Sender) -> None:
    """Give an upload up and free its disk; a video that it became stays."""
    tus.need_version(request)
    services.store.uploads.delete(upload_id)


async def _settled(services: ServiceSet, upload_id: str) -> tuple[Upload, int]:
    """An upload and its offset. One that is here in full but was cut off before it became a video becomes one now."""
    uploads = services.store.uploads
    upload = await run_in_threadpool(uploads.get, upload_id)
    offset = await run_in_threadpool(uploads.offset, upload)
    if upload.status == "receiving" and offset == upload.num_bytes:
        # Locked: it is being looked at. Found wanting: the record says so.
        with contextlib.suppress(UploadLocked, InputError):
            async with writing(services.store, upload_id) as (held, part):
                if part.offset == held.num_bytes:
                    await services.ingest(uploads.finish, held)
        upload = await run_in_threadpool(uploads.get, upload_id)
    return upload, offset
