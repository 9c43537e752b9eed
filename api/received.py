"""The one file of a prediction, sent as a form or as the body itself, with its parameters from query and form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel

from api.body import validated
from api.errors import MediaUnsupported, RequestInvalid
from api.limits import too_large
from api.multipart import FormLimits, is_multipart, received_form
from pfa_store.files import Files, disk_errors

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
    """A file on disk, until the request ends."""

    path: Path
    name: str
    params: M

    @property
    def head(self) -> bytes:
        """Its first bytes, which tell what it is."""
        with self.path.open("rb") as file:
            return file.read(16)


@asynccontextmanager
async def received_file(
    request: Request, params: type[M], *, files: Files, max_bytes: int
) -> AsyncIterator[Received[M]]:
    """Receive a file and its parameters; what the form says wins over the query.

    Raises:
        MediaUnsupported: neither a form nor an image or video.
        RequestInvalid: an empty file, or a parameter that cannot be used.
        PayloadTooLarge: over `max_bytes`.
    """
    query = dict(request.query_params)
    if is_multipart(request):
        limits = FormLimits(
            files=frozenset({"file"}), fields=frozenset(params.model_fields), max_file_bytes=max_bytes, max_files=1
        )
        scratch = Files(files.root)  # it keeps nothing, so it may use the reserve of the disk
        async with received_form(request, files=scratch, limits=limits) as form:
            file = form.only_file("file")
            _refuse_empty(file.num_bytes)
            checked = validated({**query, **form.fields}, params, where="parameters")
            yield Received(file.path, file.filename or "file", checked)
    else:
        _check_type(request)
        checked = validated(query, params, where="query")
        with TemporaryDirectory(prefix="file-", dir=files.root / "tmp") as folder:
            path = Path(folder) / "file"
            _refuse_empty(await _write(request, path, max_bytes=max_bytes))
            yield Received(path, "file", checked)


async def _write(request: Request, path: Path, *, max_bytes: int) -> int:
    num_bytes = 0
    with disk_errors(), path.open("xb") as file:
        async for chunk in request.stream():
            num_bytes += len(chunk)
            if num_bytes > max_bytes:
                raise too_large(max_bytes, "The file")
            file.write(chunk)
    return num_bytes


def _check_type(request: Request) -> None:
    media_type = request.headers.get("content-type", "application/octet-stream").split(";")[0].strip().lower()
    if media_type != "application/octet-stream" and not media_type.startswith(("image/", "video/")):
        raise MediaUnsupported(
            f"The body is {media_type}; send a form with a field `file`, or the file itself with its Content-Type"
            " (image/jpeg, image/png, image/webp, video/mp4, ...) or application/octet-stream."
        )


def _refuse_empty(num_bytes: int) -> None:
    if num_bytes == 0:
        raise RequestInvalid("The file is empty.", field="file")
