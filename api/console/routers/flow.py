"""Flow, frame by frame: what jobs measured of a video, in colours."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.console.pages import PageRoute, render
from api.console.pictures import flow_png, frame_jpeg, full_colour_px, pack_of
from api.console.visitor import Reader
from api.deps import Services
from api.errors import RequestInvalid
from pfa_core.pack_reader import Pack
from pfa_store.store import Store

router = APIRouter(prefix="/console/flow", route_class=PageRoute, include_in_schema=False)

Index = Annotated[int, Path(ge=0, lt=2**31)]
NEWEST = 200
"""Videos that are looked at for packs."""
_KEPT = {"Cache-Control": "private, max-age=600"}


@router.get("")
def show_packed(request: Request, services: Services, who: Reader) -> Response:
    """The videos whose flow there is."""
    store = services.store
    found = store.videos.list(limit=NEWEST).items
    packed = [video for video in found if pack_of(store, video) is not None]
    return render(request, "flow.html", who, videos=packed, any_videos=bool(found), limit=NEWEST)


@router.get("/{video_id}")
def show_flow(video_id: str, request: Request, services: Services, who: Reader, frame: int = 0) -> Response:
    """One video, to step through."""
    video = services.store.videos.get(video_id)
    pack = _pack(services.store, video_id)
    last = pack.num_frames - 2
    return render(
        request,
        "flow_video.html",
        who,
        video=video,
        size=pack.size,
        last=last,
        frame=min(max(0, frame), last),
        full_px=full_colour_px(pack),
    )


@router.get("/{video_id}/{index}/flow.png")
def read_flow(video_id: str, index: Index, services: Services, _who: Reader) -> Response:
    """The flow from a frame to the next, in Middlebury's colours."""
    return Response(flow_png(_pack(services.store, video_id), index), media_type="image/png", headers=_KEPT)


@router.get("/{video_id}/{index}/frame.jpg")
def read_frame(video_id: str, index: Index, services: Services, _who: Reader) -> Response:
    """A frame as the pack has it."""
    return Response(frame_jpeg(_pack(services.store, video_id), index), media_type="image/jpeg", headers=_KEPT)


def _pack(store: Store, video_id: str) -> Pack:
    """Raises: VideoNotFound; RequestInvalid: no job has measured its flow."""
    video = store.videos.get(video_id)
    pack = pack_of(store, video)
    if pack is None:
        raise RequestInvalid(f"The flow of {video.filename!r} was not measured yet: start a flow job.")
    return pack
