"""Export and import models, and draw their closest pairs."""

import shutil
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, Security
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from api.auth import caller
from api.body import read_json, validated
from api.deps import Services, ServiceSet
from api.form import FormLimits, ReceivedForm
from api.inference.model_files import closest_pairs_png, exported, imported
from api.multipart import received_form
from api.openapi import form_body, json_body, problems, request_body
from api.schemas.models import ModelExport, ModelImport, ModelVersionRead
from pfa_store.models import ModelVersion

router = APIRouter(prefix="/models", tags=["models"])
VersionNumber = Annotated[int, Path(ge=1, lt=2**31)]

FORM = {
    "file": "A .zip of an exported folder, or a safetensors file; nothing is ever unpickled",
    "config": "`config.json` of a safetensors file that has none in its metadata. Without one the file must hold a"
    " VGG-M of another project, which becomes a model to start from",
}
FIELDS = {name: field.description or "" for name, field in ModelImport.model_fields.items()}
BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/{name}/versions/{version}/export",
    dependencies=[Security(caller, scopes=["read"])],
    response_class=FileResponse,
    responses={
        **problems(404, 415, 507),
        200: {"description": "The file", "content": {"application/octet-stream": BINARY, "application/zip": BINARY}},
    },
    openapi_extra=request_body(json_body(ModelExport)),
)
async def export_version(name: str, version: VersionNumber, request: Request, services: Services) -> FileResponse:
    """A version as one file: ONNX, safetensors, or a .zip of its folder, each with what one must know to run it."""
    body = await read_json(request, ModelExport)
    path = await services.export(lambda: exported(services.store, _version(services, name, version), body.format))
    media_type = "application/zip" if body.format == "folder" else "application/octet-stream"
    cleared = BackgroundTask(shutil.rmtree, path.parent, ignore_errors=True)
    return FileResponse(path, filename=path.name, media_type=media_type, background=cleared)


@router.post(
    "/import",
    status_code=HTTPStatus.CREATED,
    dependencies=[Security(caller, scopes=["jobs"])],
    responses=problems(413, 415, 507),
    openapi_extra=request_body(form_body(files=FORM, many=False, fields=FIELDS, required=("file", "name"))),
)
async def import_model(request: Request, response: Response, services: Services) -> ModelVersionRead:
    """Make an exported model, or weights with their configuration, the next version of a name."""
    files, max_bytes = services.store.files, services.settings.max_upload_bytes
    limits = FormLimits(files=frozenset(FORM), fields=frozenset(FIELDS), max_file_bytes=max_bytes, max_files=2)
    async with received_form(request, files=files, limits=limits) as form:
        params = validated(dict(form.fields), ModelImport, where="form")
        model = await services.ingest(_import, services, form, params)
    response.headers["Location"] = f"/models/{model.name}/versions/{model.version}"
    return ModelVersionRead.of(model)


def _import(services: ServiceSet, form: ReceivedForm, params: ModelImport) -> ModelVersion:
    content = form.only_file("file").path
    config = form.only_file("config").path.read_bytes() if form.files_of("config") else None
    store, max_bytes = services.store, services.settings.max_upload_bytes
    with imported(content, config=config, vggm=params.vggm(), files=store.files, max_bytes=max_bytes) as made:
        folder, manifest = made
        return store.models.publish(folder, params.name, None, manifest=manifest)


@router.get(
    "/{name}/versions/{version}/pairs.png",
    dependencies=[Security(caller, scopes=["read"])],
    response_class=Response,
    responses={**problems(404), 200: {"content": {"image/png": {}}, "description": "Figure 4 of the paper"}},
)
def read_pairs(name: str, version: VersionNumber, services: Services) -> Response:
    """Closest pairs in fc6 space, from the newest collection that holds this version's features."""
    return Response(closest_pairs_png(services.store, _version(services, name, version)), media_type="image/png")


def _version(services: ServiceSet, name: str, version: int) -> ModelVersion:
    return services.store.models.resolve(f"{name}@{version}")
