"""JSON bodies, read by the routes themselves: authentication has answered before the first byte is looked at."""

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from api.errors import MediaUnsupported, RequestInvalid
from api.limits import too_large
from api.problems import MAX_FAULTS, describe, faults_of

M = TypeVar("M", bound=BaseModel)

MAX_JSON_BYTES = 64 * 2**20
"""A data set of 100 000 named videos is about 20 MB."""


async def read_body(request: Request, *, max_bytes: int, what: str = "The request's body") -> bytes:
    """The whole body, when it is short enough.

    Raises:
        PayloadTooLarge: more than `max_bytes`.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large(max_bytes, what)
    return bytes(body)


async def read_json(request: Request, model: type[M]) -> M:
    """The body as a `model`.

    Raises:
        MediaUnsupported: the Content-Type is not JSON.
        RequestInvalid: not JSON, or not what `model` describes.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaUnsupported(f"The body must be application/json, not {media_type or 'of no stated type'}.")
    return parse_json(await read_body(request, max_bytes=MAX_JSON_BYTES), model, where="body")


def parse_json(text: bytes | str, model: type[M], *, where: str) -> M:
    """A JSON document as a `model`; `where` names it in the problem.

    Raises:
        RequestInvalid: not JSON, or not what `model` describes.
    """
    return validated(json_value(text, where=where), model, where=where)


def json_value(text: bytes | str, *, where: str) -> object:
    """A JSON document as plain values.

    Raises:
        RequestInvalid: it is not JSON.
    """
    escaped_nul = b"\\u0000" if isinstance(text, bytes) else "\\u0000"
    if escaped_nul in text:  # type: ignore[operator]  # both are of the same type
        raise RequestInvalid(f"{where} has the character NUL, which no name or label may have.")
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise RequestInvalid(f"{where} is not JSON: {error}.") from error


def validated(value: object, model: type[M], *, where: str) -> M:
    """Plain values as a `model`.

    Raises:
        RequestInvalid: each fault is named by its path.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
        faults = faults_of([{**fault, "loc": (where, *fault["loc"])} for fault in found])
        raise RequestInvalid(f"The request cannot be used: {describe(faults)}.", errors=faults) from error
