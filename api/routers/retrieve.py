"""The nearest poses of an image."""

from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api.deps import Services
from api.inference import answers
from api.openapi import form_body, problems, query_parameters, raw_body, request_body
from api.received import received_file
from api.routers.predict import IMAGES, Predicting, answered
from api.schemas.collections import NeighboursRead
from api.schemas.predict import RetrieveParams

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
        raw_body(*IMAGES),
        parameters=query_parameters(RetrieveParams),
    ),
)
async def retrieve_pose(request: Request, response: Response, services: Services, _who: Predicting) -> NeighboursRead:
    """The `k` items of a collection whose poses are nearest to the image's, nearest first."""
    inference, store = services.inference, services.store
    inference.need_room()
    async with received_file(
        request, RetrieveParams, files=store.files, max_bytes=services.settings.max_image_bytes
    ) as sent:
        collection = await run_in_threadpool(store.collections.get, sent.params.collection)
        work = partial(inference.nearest, sent.data, collection=collection, k=sent.params.k, box=sent.params.box)
        answer = await answered(request, services, work)
    response.headers["Server-Timing"] = answer.timing.header()
    return answers.neighbours_read(answer)
