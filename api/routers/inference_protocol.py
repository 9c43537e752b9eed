"""The Open Inference Protocol, version 2, over the models of this service. Source: kserve/open-inference-protocol.

A pose model gives heatmaps, keypoints (px of the crop) and scores; an action model probabilities; every model with fc6
gives features. They go through the same batcher as `/predict/*`.
"""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response, Security
from starlette.concurrency import run_in_threadpool

from api.auth import caller
from api.body import parse_json, read_body
from api.deps import Services, ServiceSet
from api.errors import MediaUnsupported, RequestInvalid
from api.inference.protocol import infer, signature, wanted_of
from api.inference.tensors import HEADER, answer_of, batch_of
from api.openapi import header, json_body, problems, raw_body, request_body
from api.routers.predict import answered
from api.schemas.inference_protocol import (
    InferAnswer,
    InferRequest,
    ModelReady,
    ServedModel,
    Server,
    ServerLive,
    ServerReady,
)
from pfa_store.models import ModelVersion

router = APIRouter(prefix="/v2", tags=["inference protocol"], dependencies=[Security(caller, scopes=["predict"])])

SERVER = Server(name="pfa", version="2", extensions=["binary_tensor_data"])
MAX_BODY_BYTES = 64 * 2**20
ANSWERS: dict[int | str, dict[str, Any]] = {
    **problems(404, 413, 415),
    200: {"model": InferAnswer, "content": {"application/octet-stream": {}}},
}
BODY = request_body(
    json_body(InferRequest),
    raw_body("application/octet-stream"),
    parameters=[header(HEADER, "Length of the JSON document where binary tensors follow it", required=False)],
)


@router.get("/health/live", responses=problems())
async def is_live() -> ServerLive:
    """Whether the server runs."""
    return ServerLive(live=True)


@router.get("/health/ready", responses=problems())
def is_ready(services: Services) -> ServerReady:
    """Whether the server can answer; 503 while its database does not."""
    services.store.ping()
    return ServerReady(ready=True)


@router.get("", responses=problems())
async def read_server() -> Server:
    """What this server is."""
    return SERVER


@router.get("/models/{model}", responses=problems(404))
def read_model(model: str, services: Services) -> ServedModel:
    """What the newest version of a model takes and gives."""
    return _read(services, services.store.models.resolve(model))


@router.get("/models/{model}/versions/{version}", responses=problems(404))
def read_version(model: str, version: str, services: Services) -> ServedModel:
    """What a version of a model takes and gives."""
    return _read(services, services.store.models.resolve(f"{model}@{version}"))


@router.get("/models/{model}/ready", responses=problems(404))
def is_model_ready(model: str, services: Services) -> ModelReady:
    """Whether there is such a model; it is loaded when it is first asked."""
    return ModelReady(name=services.store.models.resolve(model).name, ready=True)


@router.get("/models/{model}/versions/{version}/ready", responses=problems(404))
def is_version_ready(model: str, version: str, services: Services) -> ModelReady:
    """Whether there is such a version; it is loaded when it is first asked."""
    return ModelReady(name=services.store.models.resolve(f"{model}@{version}").name, ready=True)


@router.post("/models/{model}/infer", responses=ANSWERS, openapi_extra=BODY, response_class=Response)
async def infer_newest(model: str, request: Request, services: Services) -> Response:
    """What the newest version of a model says about a batch."""
    return await _infer(model, request, services)


@router.post("/models/{model}/versions/{version}/infer", responses=ANSWERS, openapi_extra=BODY, response_class=Response)
async def infer_version(model: str, version: str, request: Request, services: Services) -> Response:
    """What a version of a model says about a batch."""
    return await _infer(f"{model}@{version}", request, services)


def _read(services: ServiceSet, model: ModelVersion) -> ServedModel:
    known = signature(model, services.store)
    versions = [str(one.version) for one in services.store.models.versions(model.name)]
    return ServedModel(name=model.name, versions=versions, platform="pfa", inputs=known.inputs, outputs=known.outputs)


async def _infer(ref: str, request: Request, services: ServiceSet) -> Response:
    inference = services.inference
    inference.need_room()
    model = await run_in_threadpool(services.store.models.resolve, ref)
    known = await run_in_threadpool(signature, model, services.store)
    body = await read_body(request, max_bytes=MAX_BODY_BYTES)
    end = _document_end(request, len(body))
    asked = await run_in_threadpool(parse_json, body[:end], InferRequest, where="body")
    wanted = wanted_of(known, None if asked.outputs is None else [output.name for output in asked.outputs])
    batch = await run_in_threadpool(batch_of, asked, body[end:], crop_px=known.crop_px)
    work = partial(infer, inference.rows, model.ref, known, batch=batch, wanted=wanted, settings=services.settings)
    outputs = await answered(request, services, work)
    answer = partial(answer_of, asked, outputs, model=model.name, version=str(model.version))
    content, document_bytes = await run_in_threadpool(answer)
    if document_bytes is None:
        return Response(content, media_type="application/json")
    return Response(content, media_type="application/octet-stream", headers={HEADER: str(document_bytes)})


def _document_end(request: Request, num_bytes: int) -> int:
    """Where the JSON document of a body ends.

    Raises:
        MediaUnsupported: compressed, or neither JSON nor bytes.
        RequestInvalid: the header is no length within the body.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in ("", "application/json", "application/octet-stream"):
        raise MediaUnsupported(f"The body must be application/json or application/octet-stream, not {media_type}.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise MediaUnsupported("Compressed bodies are not taken.")
    text = request.headers.get(HEADER)
    if text is None:
        return num_bytes
    if not text.isascii() or not text.isdigit() or int(text[:12]) > num_bytes:
        raise RequestInvalid(f"{HEADER} is a length within the body, not {text[:20]!r}.", field=HEADER)
    return int(text[:12])
