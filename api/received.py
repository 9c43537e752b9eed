"""The files of a prediction, sent as a form or as the body itself, with its parameters from query and form."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.body import validated
from api.errors import MediaUnsupported, RequestInvalid
from api.form import FormLimits
from api.limits import too_large
from api.multipart import is_multipart, received_form
from pfa_store.disk import disk_errors
from pfa_store.files import Files

M = TypeVar("M", bound=BaseModel)


IN_MEMORY_BYTES = 2**20
"""Larger files go to disk while they arrive."""


@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
    """A file, until the request ends."""

    content: Path | bytes
    name: str
    params: M

    def head(self) -> bytes:
        """Its first bytes, which tell what it is."""
        if isinstance(self.content, bytes):
            return self.content[:16]
        with self.content.open("rb") as file:
            return file.read(16)

    def data(self) -> bytes:
        """All of it."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


@dataclass(frozen=True, slots=True)
class ReceivedMany(Generic[M]):
    """Files, until the request ends."""

    files: Sequence[Received[M]]
    """At least one."""
    params: M
    several: bool
    """Whether they came in the field `files`, which may have any number."""


@asynccontextmanager
async def received_files(
    request: Request, params: type[M], *, files: Files, max_bytes: int, max_files: int
) -> AsyncIterator[ReceivedMany[M]]:
    """As `received_file`, or several files in the field `files` of a form.

    Raises:
        PayloadTooLarge: more than `max_files`; as `received_file` otherwise.
    """
    if not is_multipart(request):
        async with received_file(request, params, files=files, max_bytes=max_bytes) as sent:
            yield ReceivedMany([sent], sent.params, several=False)
        return
    limits = FormLimits(
        files=frozenset({"file", "files"}),
        fields=frozenset(params.model_fields),
        max_file_bytes=max_bytes,
        max_files=max_files,
        in_memory_bytes=IN_MEMORY_BYTES,
    )
    async with received_form(request, files=Files(files.root), limits=limits) as form:
        several = form.files_of("files")
        if several and form.files_of("file"):
            raise RequestInvalid("Send `file` or `files`, not both.", field="files")
        found = several or [form.only_file("file")]
        checked = validated({**_query(request), **form.fields}, params, where="parameters")
        received = []
        for file in found:
            _refuse_empty(file.num_bytes)
            received.append(Received(file.content, file.filename or "file", checked))
        yield ReceivedMany(received, checked, several=bool(several))


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
    query = _query(request)
    if is_multipart(request):
        limits = FormLimits(
            files=frozenset({"file"}),
            fields=frozenset(params.model_fields),
            max_file_bytes=max_bytes,
            max_files=1,
            in_memory_bytes=IN_MEMORY_BYTES,
        )
        async with received_form(request, files=files.without_reserve(), limits=limits) as form:
            file = form.only_file("file")
            _refuse_empty(file.num_bytes)
            checked = validated({**query, **form.fields}, params, where="parameters")
            yield Received(file.content, file.filename or "file", checked)
    else:
        _check_type(request)
        checked = validated(query, params, where="query")
        async with _received_body(request, files=files, max_bytes=max_bytes) as content:
            yield Received(content, "file", checked)


def _query(request: Request) -> dict[str, str]:
    """The query; `box`, which may be given again, with `;` between."""
    boxes = request.query_params.getlist("box")
    return {**request.query_params, **({"box": ";".join(boxes)} if boxes else {})}


@asynccontextmanager
async def _received_body(request: Request, *, files: Files, max_bytes: int) -> AsyncIterator[Path | bytes]:
    """The body, in memory while it is small, else on disk."""
    pending, num_bytes = bytearray(), 0
    with ExitStack() as stack:
        path, file = None, None
        async for chunk in request.stream():
            num_bytes += len(chunk)
            if num_bytes > max_bytes:
                raise too_large(max_bytes, "The file")
            pending += chunk
            if len(pending) > IN_MEMORY_BYTES:
                with disk_errors():
                    if path is None or file is None:
                        folder = stack.enter_context(TemporaryDirectory(prefix="file-", dir=files.root / "tmp"))
                        path = Path(folder) / "file"
                        file = stack.enter_context(path.open("xb"))
                    await run_in_threadpool(file.write, bytes(pending))
                pending.clear()
        _refuse_empty(num_bytes)
        if path is None or file is None:
            yield bytes(pending)
            return
        with disk_errors():
            file.write(pending)
            file.flush()
        yield path


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
