"""Multipart bodies, received as a stream: files go to disk while they arrive, small fields stay in memory.

Starlette's own form parser stops at 1000 files and hands out temporary files that nobody counts; a data set may be
thousands of images, and every cap here is checked before the byte after it is kept.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from api.errors import MediaUnsupported, PayloadTooLarge, RequestInvalid
from api.limits import too_large
from pfa_store.files import Files, disk_errors
from pfa_store.quota import Allowance, Quota

FLUSH_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """What a form may hold."""

    files: frozenset[str]
    """Names of the fields that are files."""
    fields: frozenset[str] = frozenset()
    """Names of the fields that are text."""
    max_file_bytes: int
    max_files: int = 100_000
    max_field_bytes: int = 2**20
    in_memory_bytes: int | None = None
    """A file of at most so many bytes (FLUSH_BYTES at most) stays in memory; None: every file goes to disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedFile:
    """A file of a form, until the request ends."""

    field: str
    filename: str
    """As the sender wrote it: a label, never a path to open."""
    content_type: str
    content: Path | bytes
    """On disk, or where `in_memory_bytes` allows it in memory."""
    num_bytes: int

    @property
    def path(self) -> Path:
        """Where it lies, for forms whose files never stay in memory."""
        assert isinstance(self.content, Path)
        return self.content


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """Everything that a form held."""

    fields: Mapping[str, str]
    files: tuple[ReceivedFile, ...]
    allowance: Allowance | None = None
    """Counts what of it is to be kept."""

    def files_of(self, name: str) -> list[ReceivedFile]:
        """The files of one field, in the order sent."""
        return [file for file in self.files if file.field == name]

    def only_file(self, name: str) -> ReceivedFile:
        """The one file of a field.

        Raises:
            RequestInvalid: none, or several.
        """
        files = self.files_of(name)
        if len(files) != 1:
            raise RequestInvalid(f"The form must have one file in its field {name!r}; it has {len(files)}.")
        return files[0]


def is_multipart(request: Request) -> bool:
    """Whether the body says that it is a form with files."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


@asynccontextmanager
async def received_form(
    request: Request, *, files: Files, limits: FormLimits, quota: Quota | None = None, key_id: str | None = None
) -> AsyncIterator[ReceivedForm]:
    """Receive a form; what goes to disk lies in a temporary folder of the data folder, removed on the way out.

    With a quota, what its field `files` brings counts as the key's while it arrives.

    Raises:
        DiskFull: the reserve of free space would be used up.
        MediaUnsupported: not multipart/form-data, or without its boundary.
        RequestInvalid: a damaged body, a field or file that the call does not take.
        PayloadTooLarge: a cap of `limits` is reached.
        QuotaExceeded: the key would keep more than it may.
    """
    with quota.arriving(key_id) if quota is not None else nullcontext() as allowance:
        reader = _Reader(_boundary(request), files=files, limits=limits, allowance=allowance)
        try:
            async for chunk in request.stream():
                await reader.feed(chunk)
            if allowance is not None:
                await run_in_threadpool(allowance.weigh)
            yield reader.finish()
        finally:
            if reader.on_disk:
                await run_in_threadpool(reader.remove)


def _boundary(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data" or not options.get(b"boundary"):
        raise MediaUnsupported("The body must be multipart/form-data with a boundary.")
    return options[b"boundary"]


@dataclass(slots=True, eq=False)
class _Part:
    """The part that is being received."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    header_name: bytes = b""
    header_value: bytes = b""
    name: str = ""
    filename: str | None = None
    pending: bytearray = field(default_factory=bytearray)
    num_bytes: int = 0
    number: int = 0
    """Files: 1, 2, ..."""
    path: Path | None = None
    """Once something of it is on disk."""
    file: BinaryIO | None = None


class _Reader:
    """Turns chunks into fields and files. The parser calls back while it is fed; writing happens after each feed."""

    def __init__(self, boundary: bytes, *, files: Files, limits: FormLimits, allowance: Allowance | None) -> None:
        self._disk = files
        self._allowance = allowance
        self._folder: TemporaryDirectory[str] | None = None
        self._limits = limits
        self._fields: dict[str, str] = {}
        self._files: list[ReceivedFile] = []
        self._part = _Part()
        self._done: list[_Part] = []
        self._num_files = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._all_ended,
            },
        )

    async def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise RequestInvalid(f"The multipart body cannot be read: {error}.") from error
        if any(self._is_for_disk(part) for part in (*self._done, self._part)):
            await run_in_threadpool(self._write_out)
        else:
            self._write_out()

    def finish(self) -> ReceivedForm:
        """What was received.

        Raises:
            RequestInvalid: the body ended before its last boundary.
        """
        if not self._ended:
            raise RequestInvalid("The multipart body ends before its closing boundary; was the upload cut off?")
        return ReceivedForm(self._fields, tuple(self._files), self._allowance)

    @property
    def on_disk(self) -> bool:
        return self._folder is not None

    def remove(self) -> None:
        """Close and remove what is on disk."""
        if self._part.file is not None:
            self._part.file.close()
        if self._folder is not None:
            self._folder.cleanup()

    # What the parser calls, in the order of a body.

    def _begin(self) -> None:
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _header_end(self) -> None:
        part = self._part
        part.headers[part.header_name.lower()] = part.header_value
        part.header_name = part.header_value = b""

    def _headers_finished(self) -> None:
        part = self._part
        _, options = parse_options_header(part.headers.get(b"content-disposition"))
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        part.filename = None if filename is None else filename.decode("utf-8", "replace")
        self._admit(part)

    def _admit(self, part: _Part) -> None:
        expected = self._limits.fields if part.filename is None else self._limits.files
        if part.name not in expected:
            kind = "text field" if part.filename is None else "file"
            known = ", ".join(sorted(expected)) or "none"
            raise RequestInvalid(f"The form has a {kind} {part.name!r}; it may have: {known}.", field=part.name)
        if part.filename is None:
            return
        self._num_files += 1
        if self._num_files > self._limits.max_files:
            raise PayloadTooLarge(f"The form has more than {self._limits.max_files} files; send them in several calls.")
        part.number = self._num_files

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        part.num_bytes += end - start
        if part.filename is None:
            if part.num_bytes > self._limits.max_field_bytes:
                raise too_large(self._limits.max_field_bytes, f"The field {part.name!r}")
        elif part.num_bytes > self._limits.max_file_bytes:
            raise too_large(self._limits.max_file_bytes, f"The file {part.filename!r}")
        part.pending += data[start:end]

    def _end(self) -> None:
        self._done.append(self._part)

    def _all_ended(self) -> None:
        self._ended = True

    # What happens after each feed.

    def _is_for_disk(self, part: _Part) -> bool:
        if part.filename is None:
            return False
        if part is self._part and part not in self._done:
            return len(part.pending) >= FLUSH_BYTES
        kept_bytes = self._limits.in_memory_bytes
        return part.path is not None or kept_bytes is None or part.num_bytes > kept_bytes

    def _write_out(self) -> None:
        for part in self._done:
            if part.filename is None:
                self._keep_field(part)
            else:
                self._keep_file(part, part.filename)
        self._done.clear()
        if self._part.filename is not None and len(self._part.pending) >= FLUSH_BYTES:
            self._flush(self._part)

    def _keep_field(self, part: _Part) -> None:
        if part.name in self._fields:
            raise RequestInvalid(f"The form has the field {part.name!r} twice.", field=part.name)
        if 0 in part.pending:
            raise RequestInvalid(f"The field {part.name!r} has the character NUL.", field=part.name)
        try:
            self._fields[part.name] = part.pending.decode()
        except UnicodeDecodeError:
            raise RequestInvalid(f"The field {part.name!r} is not UTF-8 text.", field=part.name) from None

    def _keep_file(self, part: _Part, filename: str) -> None:
        content: Path | bytes = bytes(part.pending)
        if self._is_for_disk(part):
            content = self._flush(part)
            assert part.file is not None
            with disk_errors():
                part.file.close()
        self._files.append(
            ReceivedFile(
                field=part.name,
                filename=filename,
                content_type=part.headers.get(b"content-type", b"").decode("latin-1"),
                content=content,
                num_bytes=part.num_bytes,
            )
        )
        part.pending = bytearray()

    def _flush(self, part: _Part) -> Path:
        """Append what is pending to the part's file."""
        self._disk.ensure_space(len(part.pending))
        if self._allowance is not None and part.name == "files":
            self._allowance.take(len(part.pending))
        with disk_errors():
            if part.path is None or part.file is None:
                self._folder = self._folder or TemporaryDirectory(prefix="form-", dir=self._disk.root / "tmp")
                part.path = Path(self._folder.name) / f"{part.number:06d}"
                part.file = part.path.open("xb")
            part.file.write(part.pending)
        part.pending = bytearray()
        return part.path
