"""Poses, actions and features of images and short videos."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Request, Response, Security
from starlette.concurrency import run_in_threadpool

from api.auth import Caller, caller
from api.deps import Services, ServiceSet
from api.errors import MediaUnsupported, NotAcceptable, PayloadTooLarge
from api.inference import answers as written
from api.inference.outcomes import PoseAnswer
from api.inference.pictures import ImageOf
from api.later import ADVICE, LATER, PREFER_PARAMETER, Wanted, accepted, is_video, wants_later
from api.negotiation import chosen
from api.openapi import form_body, problems, query_parameters, raw_body, request_body
from api.patience import unless_gone
from api.problems import problem_body, status_of
from api.received import Received, ReceivedMany, received_file, received_files
from api.repeats import IdempotencyKey
from api.schemas.predict import (
    ActionParams,
    ActionRead,
    FeatureParams,
    FeaturesRead,
    ImagePoseRead,
    ModelParams,
    PoseParams,
    PoseRead,
    PosesRead,
)
from api.schemas.problem import Problem
from api.sent import is_image
from api.uses import Use, default_model
from pfa_core.errors import InputError, PfaError, VideoTooLarge

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
    response_model=PoseRead | PosesRead,
    responses={
        **problems(404, 406, 409, 413, 415, 507),
        **LATER,
        200: {
            "description": "The poses, in the format asked for; of several images `PosesRead`",
            "headers": {"Server-Timing": {"schema": {"type": "string"}, "description": "decode, queue, model: ms"}},
            "content": {media_type: {} for media_type in list(POSE_FORMATS.values())[1:]},
        },
    },
    openapi_extra=request_body(
        form_body(
            files={"files": "Instead of `file`: several images, answered together", "file": "JPEG, PNG or WebP"},
            many=True,
            fields=dict.fromkeys(PoseParams.model_fields, "As in the query"),
        ),
        raw_body(*IMAGES, *VIDEOS),
        parameters=[*query_parameters(PoseParams), PREFER_PARAMETER],
    ),
)
async def predict_pose(
    request: Request, services: Services, who: Predicting, idempotency_key: IdempotencyKey = None
) -> Response:
    """The joints of the people in an image, or in several; as JSON, COCO JSON, numpy archive or drawing.

    Who they are: each `box`, or whom `detect` finds, else one person whom the whole image shows. Several images
    (`files`) answer as JSON or COCO JSON; one that cannot be used has its own `problem` there.
    """
    inference, settings, later = services.inference, services.settings, wants_later(request)
    inference.need_room()
    with advising(PayloadTooLarge, f"Is it a video? {ADVICE}"):
        async with received_files(
            request,
            PoseParams,
            files=services.store.files,
            max_bytes=max(settings.max_image_bytes, settings.max_video_bytes if later else 0),
            max_files=settings.max_images,
        ) as sent:
            wanted = chosen(request.headers.get("accept"), sent.params.format, POSE_FORMATS)
            ref = await _ref(sent.params, "pose", services)
            first = sent.files[0]
            if not sent.several and is_video(first.head()):
                if not later:
                    raise MediaUnsupported(f"This is a video, and no image. {ADVICE}")
                config = {"boxes": sent.params.box, "detect": sent.params.detect or "off"}
                return await accepted(_later("pose", ref, config, first, idempotency_key), services, who)
            return await _poses(request, services, sent, ref=ref, wanted=wanted)


async def _poses(
    request: Request, services: ServiceSet, sent: ReceivedMany[PoseParams], *, ref: str, wanted: str
) -> Response:
    if sent.several and wanted not in ("json", "coco"):
        raise NotAcceptable(f"Several images answer as JSON or COCO JSON, not as {POSE_FORMATS[wanted]}.")
    params = sent.params
    asked = [
        ImageOf(
            read=file.data, file=file.name if sent.several else "image", boxes=params.box,
            detect=params.detect is not None,
        )
        for file in sent.files
    ]  # fmt: skip
    answers = await answered(request, services, partial(services.inference.poses, asked, ref=ref))
    found = [answer for answer in answers if isinstance(answer, PoseAnswer)]
    if not sent.several and isinstance(answers[0], PfaError):
        raise answers[0]
    write = partial(_several_json, sent, answers, instance=request.url.path) if sent.several else None
    if wanted == "coco" or write is None:
        write = partial(_POSE_WRITERS[wanted], found, params)
    little = wanted == "json" and not sent.several and not params.heatmaps  # so that a thread would cost more
    content = write() if little else await run_in_threadpool(write)
    timing = {"Server-Timing": found[0].timing.header()} if found else {}
    return Response(content, media_type=POSE_FORMATS[wanted], headers=timing)


def _several_json(
    sent: ReceivedMany[PoseParams], answers: Sequence[PoseAnswer | InputError], *, instance: str
) -> bytes:
    items = []
    for file, answer in zip(sent.files, answers, strict=True):
        if isinstance(answer, PoseAnswer):
            pose = written.pose_read(answer, heatmaps=sent.params.heatmaps)
            items.append(ImagePoseRead(file=file.name, pose=pose))
        else:
            body = problem_body(status_of(answer), code=answer.code, detail=str(answer), instance=instance)
            items.append(ImagePoseRead(file=file.name, problem=Problem.model_validate(body)))
    return PosesRead(items=items).model_dump_json().encode()


_POSE_WRITERS: dict[str, Callable[[Sequence[PoseAnswer], PoseParams], bytes]] = {
    "json": lambda found, params: written.pose_read(found[0], heatmaps=params.heatmaps).model_dump_json().encode(),
    "png": lambda found, _params: written.pose_png(found[0]),
    "npz": lambda found, _params: written.pose_npz(found[0]),
    "coco": lambda found, _params: written.pose_coco(found),
}


@router.post(
    "/action",
    response_model=ActionRead,
    responses={**problems(404, 409, 413, 415, 507), **LATER},
    openapi_extra=request_body(
        form_body(
            files={"file": "An image, or a short video"},
            many=False,
            fields=dict.fromkeys(ActionParams.model_fields, "As in the query"),
            required=("file",),
        ),
        raw_body(*IMAGES, *VIDEOS),
        parameters=[*query_parameters(ActionParams), PREFER_PARAMETER],
    ),
)
async def predict_action(
    request: Request, services: Services, who: Predicting, idempotency_key: IdempotencyKey = None
) -> Response:
    """The action in an image or a short video: labels with probabilities, highest first. A long video becomes a job."""
    inference, settings = services.inference, services.settings
    max_bytes = max(settings.max_image_bytes, settings.max_video_bytes)
    inference.need_room()
    async with received_file(request, ActionParams, files=services.store.files, max_bytes=max_bytes) as sent:
        params = sent.params
        ref = await _ref(params, "action", services)
        if is_image(sent.head()):
            work = partial(inference.image_action, sent.data, ref=ref, protocol=params.protocol)
        elif wants_later(request) and is_video(sent.head()):
            config = {"protocol": params.protocol, **({} if params.top is None else {"top": params.top})}
            return await accepted(_later("action", ref, config, sent, idempotency_key), services, who)
        else:
            work = partial(inference.clip_action, sent.content, name=sent.name, ref=ref, protocol=params.protocol)
        with advising(VideoTooLarge, f"Or: {ADVICE}"):
            answer = await answered(request, services, work)
    content = written.action_read(answer, top=params.top).model_dump_json()
    return Response(content, media_type="application/json", headers={"Server-Timing": answer.timing.header()})


def _later(
    task: Literal["pose", "action"], ref: str, config: dict[str, Any], sent: Received[Any], key: str | None
) -> Wanted:
    return Wanted(task=task, model=ref, config=config, content=sent.content, name=sent.name, idempotency_key=key)


@contextmanager
def advising(kind: type[PfaError], advice: str) -> Iterator[None]:
    """Errors of this kind also say what else to do."""
    try:
        yield
    except kind as error:
        raise kind(f"{error} {advice}", **error.facts) from error


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
    return written.features_read(answer)


async def answered(request: Request, services: ServiceSet, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do the work of a prediction in one of the places for it, unless its client leaves."""
    with services.inference.admitted():
        return await unless_gone(request, work())


async def _ref(params: ModelParams, use: Use, services: ServiceSet) -> str:
    if params.model is not None:
        return params.model
    return await services.recall.of(("default model", use), partial(default_model, use, services.store))
