"""From errors to `application/problem+json` (RFC 9457). The one place where an error gets its HTTP status."""

import json
import logging
from collections.abc import Mapping, Sequence
from enum import IntEnum
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api import errors as web
from pfa_core import errors as core
from pfa_core.errors import PfaError
from pfa_store import errors as store

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE = 499
"""nginx's status for a client that hung up before its answer; nobody receives it, the metrics count it."""

REQUEST_ID = "X-Request-ID"
"""Header of every answer: what the log calls the request (api/request_log)."""

MAX_FAULTS = 100
"""Most faults of one request that its answer names."""


class OwnStatus(IntEnum):
    """Statuses that HTTP does not register."""

    CHECKSUM_MISMATCH = 460
    """tus 1.0, extension checksum."""

    @property
    def phrase(self) -> str:
        return self.name.replace("_", " ").title()


Status = HTTPStatus | OwnStatus

STATUS_OF: dict[type[PfaError], Status] = {
    core.VideoUnsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    core.VideoUnreadable: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.VideoTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    core.VideoTooShort: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.VideoStill: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.VideoUntrackable: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.DecodeTimeout: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.NoUsableVideos: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.ImageUnreadable: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.ImageTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    core.ImageTooSmall: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.BoxOutsideImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.AnnotationsInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.DatasetUnsuitable: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.ModelUnsuitable: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.ModelUnreadable: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.ConfigInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.ItemNotFound: HTTPStatus.NOT_FOUND,
    core.PackDamaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    core.CheckpointDamaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    core.ModelDamaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    core.IndexDamaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    core.CheckpointMismatch: HTTPStatus.CONFLICT,
    core.TrainingDiverged: HTTPStatus.UNPROCESSABLE_ENTITY,
    core.RankLost: HTTPStatus.INTERNAL_SERVER_ERROR,
    core.OutOfMemory: HTTPStatus.SERVICE_UNAVAILABLE,
    store.VideoNotFound: HTTPStatus.NOT_FOUND,
    store.DatasetNotFound: HTTPStatus.NOT_FOUND,
    store.JobNotFound: HTTPStatus.NOT_FOUND,
    store.ModelNotFound: HTTPStatus.NOT_FOUND,
    store.CollectionNotFound: HTTPStatus.NOT_FOUND,
    store.KeyNotFound: HTTPStatus.NOT_FOUND,
    store.JobStateConflict: HTTPStatus.CONFLICT,
    store.NameTaken: HTTPStatus.CONFLICT,
    store.InUse: HTTPStatus.CONFLICT,
    store.IdempotencyConflict: HTTPStatus.UNPROCESSABLE_ENTITY,
    store.UploadNotFound: HTTPStatus.NOT_FOUND,
    store.WebhookNotFound: HTTPStatus.NOT_FOUND,
    store.WebhooksOff: HTTPStatus.CONFLICT,
    store.WebhookRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    store.UploadGone: HTTPStatus.GONE,
    store.UploadLocked: HTTPStatus.LOCKED,
    store.QuotaExceeded: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    store.StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    store.ObjectDamaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    store.DiskFull: HTTPStatus.INSUFFICIENT_STORAGE,
    store.Removed: HTTPStatus.GONE,
    store.StoreTooNew: HTTPStatus.SERVICE_UNAVAILABLE,
    store.LostLease: HTTPStatus.CONFLICT,
    web.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    web.Forbidden: HTTPStatus.FORBIDDEN,
    web.RequestInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    web.ArchiveInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    web.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    web.MediaUnsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    web.OffsetConflict: HTTPStatus.CONFLICT,
    web.ChecksumMismatch: OwnStatus.CHECKSUM_MISMATCH,
    web.TusVersionUnsupported: HTTPStatus.PRECONDITION_FAILED,
    web.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    web.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    web.QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    web.ModelMemoryFull: HTTPStatus.INSUFFICIENT_STORAGE,
    web.ModelFileNotFound: HTTPStatus.NOT_FOUND,
    web.PairsNotFound: HTTPStatus.NOT_FOUND,
    web.JobFileNotFound: HTTPStatus.NOT_FOUND,
    web.CollectionNotReady: HTTPStatus.CONFLICT,
}

_HEADERS_OF: dict[Status, Mapping[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="pfa"'},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
}

_LIST_OF: dict[type[PfaError], str] = {
    store.VideoNotFound: "GET /videos",
    store.DatasetNotFound: "GET /datasets",
    store.JobNotFound: "GET /jobs",
    store.ModelNotFound: "GET /models",
    store.CollectionNotFound: "GET /collections",
    store.UploadNotFound: "GET /uploads",
    store.WebhookNotFound: "GET /webhooks",
}
"""Where those that do exist are listed."""

_ADVICE_OF: dict[int, str] = {
    HTTPStatus.NOT_FOUND: "There is no such path here; /openapi.json lists them all.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take that method; the Allow header lists those it takes.",
}


def problem(
    status: Status,
    *,
    code: str,
    detail: str,
    instance: str,
    facts: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document; `facts` are added as members of their own and never hide a standard one."""
    body = problem_body(status, code=code, detail=detail, instance=instance, facts=facts)
    content = json.dumps(body, default=str, ensure_ascii=False).encode("utf-8", "replace")
    all_headers = {**_HEADERS_OF.get(status, {}), **(headers or {})}
    return Response(content, status_code=status.value, media_type=MEDIA_TYPE, headers=all_headers)


def problem_body(
    status: Status, *, code: str, detail: str, instance: str, facts: Mapping[str, object] | None = None
) -> dict[str, object]:
    """The members of a problem document."""
    protocol = {"error": detail} if instance.startswith("/v2/") else {}  # where its clients look
    return {
        **(facts or {}),
        "type": f"/problems/{code}",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "instance": instance,
        **protocol,
    }


def status_of(error: PfaError) -> Status:
    """The status of an error, by its own type or the nearest mapped one above it."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF:
            return STATUS_OF[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def install(app: FastAPI) -> None:
    """Let every error of `app` leave as a problem document."""
    app.add_exception_handler(PfaError, _deliberate)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


async def _deliberate(request: Request, error: Exception) -> Response:
    assert isinstance(error, PfaError)
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, web.QueueFull):  # those are counted
        logger.error("%s %s: %s: %s", request.method, request.url.path, error.code, error)
    wait_s = error.facts.get("retry_after_s")
    headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
    known = _LIST_OF.get(type(error))
    detail = str(error) if known is None else f"{error} {known} lists those that there are."
    return problem(
        status, code=error.code, detail=detail, instance=request.url.path, facts=error.facts, headers=headers
    )


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = faults_of(error.errors())
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        code=web.RequestInvalid.code,
        detail=f"The request cannot be used: {describe(faults)}.",
        instance=request.url.path,
        facts={"errors": faults},
    )


def faults_of(faults: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The first MAX_FAULTS of what pydantic found wrong: a body of a million wrong keys gets a short answer."""
    return [fault_of(fault) for fault in faults[:MAX_FAULTS]]


def fault_of(fault: Mapping[str, Any]) -> dict[str, str]:
    """What pydantic found wrong, without what was sent: `{"where": "query.limit", "what": "..."}`."""
    return {"where": ".".join(str(part) for part in fault["loc"]) or "body", "what": str(fault["msg"])}


def describe(faults: list[dict[str, str]]) -> str:
    """The faults in one line; the first ten of them."""
    return "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults[:10])


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = _ADVICE_OF.get(status, str(error.detail))
    code = status.phrase.lower().replace(" ", "_")
    return problem(status, code=code, detail=detail, instance=request.url.path, headers=error.headers)


async def _gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _unexpected(request: Request, _error: Exception) -> Response:
    """A bug of ours. What happened stays in the log (the server writes the traceback).

    The answer is made outside of api/request_log, so it gets its id here.
    """
    request_id = getattr(request.state, "request_id", None)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal",
        detail="Something unexpected happened in the service; its log tells more. Trying again may help.",
        instance=request.url.path,
        headers=None if request_id is None else {REQUEST_ID: request_id},
    )
