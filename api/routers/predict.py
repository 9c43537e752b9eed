"""Poses, actions and features of images and short videos."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Request, Response, Security
from starlette.concurrency import run_in_threadpool

from api.admission import Use, default_model
from api.auth import Caller, caller
from api.deps import Services, ServiceSet
from api.inference import answers
from api.inference.outcomes import PoseAnswer
from api.negotiation import chosen
from api.openapi import form_body, problems, query_parameters, raw_body, request_body
from api.patience import unless_gone
from api.received import received_file
from api.schemas.predict import ActionRead, FeatureParams, FeaturesRead, ModelParams, PoseParams, PoseRead
from api.sent import is_image

router = APIRouter(prefix="/predict", tags=["predict"])
T = TypeVar("T")
Predicting = Annotated[Caller, Security(caller, scopes=["predict"])]

POSE_FORMATS = {
    "json": "application/json",
    "png": "image/png",
    "npz": "application/x-npz",
    "coco": "application/vnd.coco+json",
}
IMAGES = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
VIDEOS = ("video/mp4", "video/quicktime", "video/x-matroska", "video/webm", "video/x-msvideo")
REFUSALS = problems(404, 413, 415, 507)


@router.post(
    "/pose",
    response_model=PoseRead,
    responses={
        **problems(404, 406, 413, 415, 507),
        200: {
            "description": "The pose, in the format asked for",
            "headers": {"Server-Timing": {"schema": {"type": "string"}, "description": "decode, queue, model: ms"}},
            "content": {media_type: {} for media_type in list(POSE_FORMATS.values())[1:]},
        },
    },
    openapi_extra=request_body(
        form_body(
            files={"file": "JPEG, PNG or WebP"},
            many=False,
            fields={"model": "As in the query", "box": "As in the query", "heatmaps": "As in the query"},
            required=("file",),
        ),
        raw_body(*IMAGES),
        parameters=query_parameters(PoseParams),
    ),
)
async def predict_pose(request: Request, services: Services, _who: Predicting) -> Response:
    """The joints of the person in an image, or in a `box` of it; as JSON, COCO JSON, numpy archive or drawing."""
    inference = services.inference
    inference.need_room()
    async with received_file(
        request, PoseParams, files=services.store.files, max_bytes=services.settings.max_image_bytes
    ) as sent:
        wanted = chosen(request.headers.get("accept"), sent.params.format, POSE_FORMATS)
        ref = await _ref(sent.params, "pose", services)
        work = partial(inference.pose, sent.data, ref=ref, box=sent.params.box)
        answer = await answered(request, services, work)
        if wanted == "json" and not sent.params.heatmaps:  # so little that a thread would cost more
            content = _POSE_WRITERS[wanted](answer, sent.params)
        else:
            content = await run_in_threadpool(_POSE_WRITERS[wanted], answer, sent.params)
    return Response(content, media_type=POSE_FORMATS[wanted], headers={"Server-Timing": answer.timing.header()})


_POSE_WRITERS: dict[str, Callable[[PoseAnswer, PoseParams], bytes]] = {
    "json": lambda answer, params: answers.pose_read(answer, heatmaps=params.heatmaps).model_dump_json().encode(),
    "png": lambda answer, _params: answers.pose_png(answer),
    "npz": lambda answer, _params: answers.pose_npz(answer),
    "coco": lambda answer, _params: answers.pose_coco(answer),
}


@router.post(
    "/action",
    responses=REFUSALS,
    openapi_extra=request_body(
        form_body(
            files={"file": "An image, or a short video"},
            many=False,
            fields={"model": "As in the query"},
            required=("file",),
        ),
        raw_body(*IMAGES, *VIDEOS),
        parameters=query_parameters(ModelParams),
    ),
)
async def predict_action(request: Request, response: Response, services: Services, _who: Predicting) -> ActionRead:
    """The action in an image or a short video: labels with probabilities, highest first."""
    inference, settings = services.inference, services.settings
    max_bytes = max(settings.max_image_bytes, settings.max_video_bytes)
    inference.need_room()
    async with received_file(request, ModelParams, files=services.store.files, max_bytes=max_bytes) as sent:
        ref = await _ref(sent.params, "action", services)
        if is_image(sent.head()):
            work = partial(inference.image_action, sent.data, ref=ref)
        else:
            work = partial(inference.clip_action, sent.content, name=sent.name, ref=ref)
        answer = await answered(request, services, work)
    response.headers["Server-Timing"] = answer.timing.header()
    return answers.action_read(answer)


@router.post(
    "/features",
    responses=REFUSALS,
    openapi_extra=request_body(
        form_body(
            files={"file": "JPEG, PNG or WebP"},
            many=False,
            fields={"model": "As in the query", "box": "As in the query"},
            required=("file",),
        ),
        raw_body(*IMAGES),
        parameters=query_parameters(FeatureParams),
    ),
)
async def predict_features(request: Request, response: Response, services: Services, _who: Predicting) -> FeaturesRead:
    """The fc6 feature of an image, or of a `box` of it."""
    inference = services.inference
    inference.need_room()
    async with received_file(
        request, FeatureParams, files=services.store.files, max_bytes=services.settings.max_image_bytes
    ) as sent:
        ref = await _ref(sent.params, "features", services)
        work = partial(inference.features, sent.data, ref=ref, box=sent.params.box)
        answer = await answered(request, services, work)
    response.headers["Server-Timing"] = answer.timing.header()
    return answers.features_read(answer)


async def answered(request: Request, services: ServiceSet, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do the work of a prediction in one of the places for it, unless its client leaves."""
    with services.inference.admitted():
        return await unless_gone(request, work())


async def _ref(params: ModelParams, use: Use, services: ServiceSet) -> str:
    if params.model is not None:
        return params.model
    return await services.recall.of(("default model", use), partial(default_model, use, services.store))
