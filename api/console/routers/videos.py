"""Videos: their list, their thumbnails, and goodbye. They come in through the API's uploads, from a script."""

from fastapi import APIRouter, Request, Response

from api.console.pages import PageRoute, go_to, render
from api.console.pictures import thumbnail
from api.console.visitor import Posted, Reader, Worker
from api.deps import Services

router = APIRouter(prefix="/console/videos", route_class=PageRoute, include_in_schema=False)

PAGE = 48


@router.get("")
def show_videos(request: Request, services: Services, who: Reader, cursor: str | None = None) -> Response:
    """The videos, newest first."""
    page = services.store.videos.list(limit=PAGE, cursor=cursor)
    return render(request, "videos.html", who, page=page, paged=cursor is not None)


@router.get("/{video_id}/thumbnail.jpg")
async def read_thumbnail(video_id: str, services: Services, _who: Reader) -> Response:
    """A frame of a video."""
    store = services.store
    jpeg = await services.ingest(lambda: thumbnail(store, store.videos.get(video_id)))
    headers = {"Cache-Control": "private, max-age=86400, immutable"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.post("/{video_id}/delete")
def delete_video(video_id: str, services: Services, _who: Worker, _form: Posted) -> Response:
    """Delete a video and its packs."""
    services.store.videos.delete(video_id)
    return go_to("/console/videos")
