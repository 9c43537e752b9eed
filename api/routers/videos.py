"""Upload, list and delete videos."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Security

from api.auth import Caller, caller
from api.deps import Services
from api.ingest import form_limits, keep_videos
from api.multipart import received_form
from api.openapi import form_body, problems, request_body
from api.repeats import IdempotencyKey, once_of
from api.schemas.page import PageRead, page_of
from api.schemas.videos import VideoRead, VideosRead

router = APIRouter(prefix="/videos", tags=["videos"])
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]

FORM = {"files": "Videos (mp4, mov, mkv, webm, avi), or .zip archives of them"}


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses=problems(413, 415, 507),
    openapi_extra=request_body(
        form_body(
            files={"files": "Videos (mp4, mov, mkv, webm, avi), or .zip archives of them"},
            many=True,
            required=("files",),
        )
    ),
)
async def upload_videos(
    request: Request,
    services: Services,
    who: Annotated[Caller, Security(caller, scopes=["jobs"])],
    idempotency_key: IdempotencyKey = None,
) -> VideosRead:
    """Keep videos. The same bytes twice is one video; files that cannot be used are named in `left_out`."""
    store = services.store
    limits = form_limits(services.settings, files=["files"])
    async with received_form(request, files=store.files, limits=limits, quota=store.quota, key_id=who.key_id) as form:
        once = partial(once_of, idempotency_key, route="/videos", key_id=who.key_id, document={}, form=form)
        videos, left_out = await services.ingest(lambda: keep_videos(store, form, key_id=who.key_id, once=once()))
    return VideosRead(videos=[VideoRead.of(video) for _, video in videos], left_out=left_out)


@router.get("", dependencies=[Security(caller, scopes=["read"])], responses=problems())
def list_videos(services: Services, limit: Limit = 50, cursor: Cursor = None) -> PageRead[VideoRead]:
    """Videos, newest first."""
    return page_of(services.store.videos.list(limit=limit, cursor=cursor), VideoRead.of)


@router.get("/{video_id}", dependencies=[Security(caller, scopes=["read"])], responses=problems(404))
def read_video(video_id: str, services: Services) -> VideoRead:
    """One video."""
    return VideoRead.of(services.store.videos.get(video_id))


@router.delete(
    "/{video_id}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Security(caller, scopes=["jobs"])],
    responses=problems(404, 409),
)
def delete_video(video_id: str, services: Services) -> None:
    """Delete a video and its packs; 409 while a data set or an unfinished job names it."""
    services.store.videos.delete(video_id)
