"""The nearest poses of an image, of a frame of a video, of an item, or of a feature."""

from functools import partial

import numpy as np
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.body import read_json
from api.deps import Services, ServiceSet
from api.errors import RequestInvalid
from api.inference import answers
from api.inference.retrieval import OfFeature, OfFrame, OfImage, OfItem, Query
from api.openapi import form_body, json_body, problems, query_parameters, raw_body, request_body
from api.received import received_file
from api.routers.predict import IMAGES, Predicting, answered
from api.schemas.collections import NeighboursRead, RetrieveParams, RetrieveQuery
from api.uses import config_of
from pfa_store.collections import Collection
from pfa_store.store import Store

router = APIRouter(prefix="/retrieve", tags=["retrieval"])


@router.post(
    "/pose",
    responses=problems(404, 409, 413, 415, 507),
    openapi_extra=request_body(
        form_body(
            files={"file": "JPEG, PNG or WebP"},
            many=False,
            fields=dict.fromkeys(RetrieveParams.model_fields, "As in the query"),
            required=("file",),
        ),
        json_body(RetrieveQuery),
        raw_body(*IMAGES),
        parameters=[{**one, "required": False} for one in query_parameters(RetrieveParams)],
    ),
)
async def retrieve_pose(request: Request, response: Response, services: Services, _who: Predicting) -> NeighboursRead:
    """The `k` items of a collection whose poses are nearest, nearest first.

    Nearest to that of an image (a form, or the image itself as the body), or, as JSON, to a frame of an uploaded
    video, to an item of the collection, or to a feature. Without JSON, `collection` and the other parameters are taken
    from the query or from the form.
    """
    inference, store = services.inference, services.store
    inference.need_room()
    if request.headers.get("content-type", "").split(";")[0].strip().lower() == "application/json":
        asked = await read_json(request, RetrieveQuery)
        collection = await run_in_threadpool(store.collections.get, asked.collection)
        query = await run_in_threadpool(_query, asked, collection, store)
        return await _answer(request, response, services, query=query, params=asked, collection=collection)
    async with received_file(
        request, RetrieveParams, files=store.files, max_bytes=services.settings.max_image_bytes
    ) as sent:
        collection = await run_in_threadpool(store.collections.get, sent.params.collection)
        query = OfImage(sent.data, sent.params.box)
        return await _answer(request, response, services, query=query, params=sent.params, collection=collection)


async def _answer(
    request: Request,
    response: Response,
    services: ServiceSet,
    *,
    query: Query,
    params: RetrieveParams,
    collection: Collection,
) -> NeighboursRead:
    nearest = services.inference.retrieval.nearest
    work = partial(nearest, query, collection=collection, k=params.k, among=params.chosen())
    answer = await answered(request, services, work)
    response.headers["Server-Timing"] = answer.timing.header()
    return answers.neighbours_read(answer, thumbnails=params.thumbnails)


def _query(asked: RetrieveQuery, collection: Collection, store: Store) -> Query:
    """Raises: VideoNotFound; RequestInvalid: the video has no such frame."""
    if asked.item is not None:
        return OfItem(asked.item)
    if asked.feature is not None:
        return OfFeature(np.array(asked.feature, np.float32))
    assert asked.video is not None
    video = store.videos.get(asked.video)
    frame = asked.frame if asked.time_s is None else round(asked.time_s * video.fps)
    assert frame is not None
    if frame >= video.num_frames:
        raise RequestInvalid(
            f"The video has {video.num_frames} frames, the last of them at {(video.num_frames - 1) / video.fps:.3f} s."
            if video.fps > 0
            else f"The video has {video.num_frames} frames.",
            field="frame" if asked.time_s is None else "time_s",
        )
    side = config_of(store.models.resolve(collection.model), store).net.crop_px
    return OfFrame(store.videos.path(video), frame, short_side_px=side, limits=store.videos.limits, box=asked.box)
