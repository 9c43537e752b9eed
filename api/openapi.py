"""What the OpenAPI document says beyond what FastAPI finds out: bodies that routes read themselves, and problems."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.problems import MEDIA_TYPE
from api.schemas.collections import CollectionCreate, RetrieveQuery
from api.schemas.datasets import DatasetCreate
from api.schemas.inference_protocol import InferRequest
from api.schemas.models import AliasPut, ModelExport
from api.schemas.problem import Problem
from api.schemas.webhooks import WebhookCreate
from pfa_store.specs import SPEC_OF

Json = dict[str, Any]

BODIES: tuple[type[BaseModel], ...] = (
    AliasPut,
    CollectionCreate,
    DatasetCreate,
    InferRequest,
    ModelExport,
    Problem,
    RetrieveQuery,
    WebhookCreate,
    *SPEC_OF.values(),
)
"""Models that only `json_body` and `problems` refer to."""

_REF = "#/components/schemas/{model}"

_MEANING: dict[int, str] = {
    401: "No key, or one that is not known",
    403: "The key lacks the scope",
    404: "Something that the request names does not exist",
    406: "The Accept header cannot be satisfied",
    409: "It exists, but its state does not allow this",
    410: "It expired, or what came of it cannot be used",
    412: "The header `Tus-Resumable` is not 1.0.0",
    413: "Larger than this installation allows, or more than the key may keep",
    415: "A Content-Type or a file format that is not taken",
    422: "The request is understood but cannot be used; `detail` says what to do",
    423: "Another request writes to it just now",
    429: "Too many requests; Retry-After says when to come back",
    460: "The piece does not have the checksum that was announced",
    500: "A fault of the service",
    503: "Too much to do just now; Retry-After says when to come back",
    507: "The disk is short, or the memory for models",
}

ALWAYS = (401, 403, 422, 429, 500, 503)


def problems(*statuses: int) -> dict[int | str, Json]:
    """`responses=` of a route that can refuse with these statuses, and with those that any route can."""
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {status: {"description": _MEANING[status], "content": content} for status in sorted({*ALWAYS, *statuses})}


def json_body(model: type[BaseModel], *, example: Json | None = None) -> Json:
    """The content of a JSON body; `example` where the model has none of its own."""
    content: Json = {"schema": {"$ref": _REF.format(model=model.__name__)}}
    if example is not None:
        content["example"] = example
    return {"application/json": content}


def form_body(
    *, files: Mapping[str, str], many: bool, fields: Mapping[str, str] | None = None, required: tuple[str, ...] = ()
) -> Json:
    """The content of a form.

    Args:
        files: what each file field is for.
        many: the first of them may be sent more than once.
        fields: what each text field is for.
    """
    properties: Json = {}
    for position, (name, meaning) in enumerate(files.items()):
        one = {"type": "string", "format": "binary"}
        properties[name] = {"type": "array", "items": one} if many and position == 0 else dict(one)
        properties[name]["description"] = meaning
    for name, meaning in (fields or {}).items():
        properties[name] = {"type": "string", "description": meaning}
    return {"multipart/form-data": {"schema": {"type": "object", "properties": properties, "required": list(required)}}}


def header(name: str, description: str, *, required: bool = True, pattern: str | None = None) -> Json:
    """A header that a route reads itself, as a parameter."""
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"} | ({} if pattern is None else {"pattern": pattern}),
    }


def raw_body(*media_types: str) -> Json:
    """The content of a body that is a file itself."""
    return {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}


def request_body(*contents: Json, parameters: list[Json] | None = None, required: bool = True) -> Json:
    """`openapi_extra=` of a route whose body has one of these contents."""
    extra: Json = {
        "requestBody": {"required": required, "content": {k: v for part in contents for k, v in part.items()}}
    }
    if parameters:
        extra["parameters"] = parameters
    return extra


def query_parameters(model: type[BaseModel]) -> list[Json]:
    """The fields of a model as query parameters, for routes that take them from the query or from a form."""
    schema = model.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": field.get("description", ""),
            "schema": _as_text(name, field),
        }
        for name, field in schema["properties"].items()
    ]


def _as_text(name: str, field: Json) -> Json:
    """The schema of a field as it stands in a query: several values have commas between them."""
    if name == "box":
        return {"type": "string", "examples": ["120,40,200,380"]}
    if field.get("type") == "array":
        return {"type": "string"}
    return {key: value for key, value in field.items() if key != "description"}


def install(app: FastAPI) -> None:
    """Let `app.openapi()` make the whole document, once."""

    def openapi() -> Json:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _, bodies = models_json_schema([(model, "validation") for model in BODIES], ref_template=_REF)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for name, schema in bodies["$defs"].items():
                schemas.setdefault(name, schema)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
