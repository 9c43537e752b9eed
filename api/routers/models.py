"""List models, fetch their files, move their aliases."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, Security
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from api.auth import caller
from api.body import read_json
from api.deps import Services
from api.errors import ModelFileNotFound
from api.openapi import json_body, problems, request_body
from api.schemas.models import AliasPut, AliasRead, ModelRead, ModelVersionRead
from api.schemas.page import PageRead, time_of
from pfa_core.evaluation_card import Evaluated, evaluation_section
from pfa_store.disk import disk_errors
from pfa_store.models import ModelVersion
from pfa_store.store import Store

router = APIRouter(prefix="/models", tags=["models"])
VersionNumber = Annotated[int, Path(ge=1, lt=2**31)]


@router.get("", dependencies=[Security(caller, scopes=["read"])], responses=problems())
def list_models(services: Services) -> PageRead[ModelRead]:
    """All models by name, each with its versions."""
    models = services.store.models
    return PageRead(items=[ModelRead.of(models.versions(newest.name)) for newest in models.list()], next_cursor=None)


@router.get("/{name}", dependencies=[Security(caller, scopes=["read"])], responses=problems(404))
def read_model(name: str, services: Services) -> ModelRead:
    """One model with its versions, newest first."""
    return ModelRead.of(services.store.models.versions(name))


@router.get("/{name}/versions/{version}", dependencies=[Security(caller, scopes=["read"])], responses=problems(404))
def read_version(name: str, version: VersionNumber, services: Services) -> ModelVersionRead:
    """One version, with the names of its files."""
    model = _version(services.store, name, version)
    return ModelVersionRead.of(model, _files(services.store, model))


@router.get(
    "/{name}/versions/{version}/files/{file}",
    dependencies=[Security(caller, scopes=["read"])],
    response_class=FileResponse,
    responses=problems(404),
)
def read_file(name: str, version: VersionNumber, file: str, services: Services) -> FileResponse:
    """A file of a version: `model.safetensors`, `config.json`, `manifest.json`, ..."""
    model = _version(services.store, name, version)
    if file not in _files(services.store, model):
        raise ModelFileNotFound(f"{model.ref} has no file {file!r}; GET /models/{name}/versions/{version} lists them.")
    return FileResponse(services.store.models.folder(model) / file, filename=file)


@router.get(
    "/{name}/versions/{version}/card.md",
    dependencies=[Security(caller, scopes=["read"])],
    response_class=Response,
    responses={**problems(404), 200: {"content": {"text/markdown": {}}, "description": "The model card"}},
)
def read_card(name: str, version: VersionNumber, services: Services) -> Response:
    """The model card: what its folder says (`files/README.md`), and what evaluations here have found since."""
    text = card_text(services.store, _version(services.store, name, version))
    return Response(text, media_type="text/markdown; charset=utf-8")


def card_text(store: Store, model: ModelVersion) -> str:
    """The card of a version with its evaluations, as Markdown. Raises: StoreUnavailable: it does not read."""
    with disk_errors():
        card = (store.models.folder(model) / "README.md").read_text(encoding="utf-8")
    evaluated = [
        Evaluated(job=job.id, on=time_of(job.finished_s or job.created_s).date().isoformat(), result=job.result)
        for job in store.jobs.evaluations(model.ref)
        if job.result is not None
    ]
    return card + evaluation_section(evaluated)


@router.get(
    "/{name}/versions/{version}/filters.png",
    dependencies=[Security(caller, scopes=["read"])],
    response_class=Response,
    responses={**problems(404), 200: {"content": {"image/png": {}}, "description": "Figure 3 of the paper"}},
)
def read_filters(name: str, version: VersionNumber, services: Services) -> Response:
    """The filters of conv1, drawn."""
    model = _version(services.store, name, version)
    return Response(services.inference.filters_png(model), media_type="image/png")


@router.put(
    "/{name}/aliases/{alias}",
    dependencies=[Security(caller, scopes=["admin"])],
    responses=problems(404, 415),
    openapi_extra=request_body(json_body(AliasPut)),
)
async def put_alias(name: str, alias: str, request: Request, services: Services) -> AliasRead:
    """Let `name@alias` mean a version. Predictions switch over once that version is loaded and warm."""
    body = await read_json(request, AliasPut)
    model = await run_in_threadpool(services.store.models.set_alias, name, alias, body.version)
    return AliasRead(name=name, alias=alias, version=model.version)


@router.delete(
    "/{name}/aliases/{alias}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Security(caller, scopes=["admin"])],
    responses=problems(404),
)
def delete_alias(name: str, alias: str, services: Services) -> None:
    """Forget an alias."""
    services.store.models.remove_alias(name, alias)


@router.delete(
    "/{name}/versions/{version}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=[Security(caller, scopes=["admin"])],
    responses=problems(404, 409),
)
def delete_version(name: str, version: VersionNumber, services: Services) -> None:
    """Delete a version; 409 while an alias, a collection or an unfinished job names it."""
    services.store.models.delete(name, version)


def _version(store: Store, name: str, version: int) -> ModelVersion:
    return store.models.resolve(f"{name}@{version}")


def _files(store: Store, model: ModelVersion) -> list[str]:
    return sorted(path.name for path in store.models.folder(model).iterdir() if path.is_file())
