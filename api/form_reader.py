"""Turns the chunks of a multipart body into fields and files, within limits that are checked before a byte is kept."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from api.errors import PayloadTooLarge, RequestInvalid
from api.form import FLUSH_BYTES, FormLimits, ReceivedFile, ReceivedForm
from api.limits import too_large
from pfa_store.disk import disk_errors
from pfa_store.files import Files
from pfa_store.quota import Allowance


@dataclass(slots=True, eq=False)
class Part:
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


class FormReader:
    """Turns chunks into fields and files. The parser calls back while it is fed; writing happens after each feed."""

    def __init__(self, boundary: bytes, *, files: Files, limits: FormLimits, allowance: Allowance | None) -> None:
        self._disk = files
        self._allowance = allowance
        self._folder: TemporaryDirectory[str] | None = None
        self._limits = limits
        self._fields: dict[str, str] = {}
        self._files: list[ReceivedFile] = []
        self._part = Part()
        self._done: list[Part] = []
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
        self._part = Part()

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

    def _admit(self, part: Part) -> None:
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

    def _is_for_disk(self, part: Part) -> bool:
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

    def _keep_field(self, part: Part) -> None:
        if part.name in self._fields:
            raise RequestInvalid(f"The form has the field {part.name!r} twice.", field=part.name)
        if 0 in part.pending:
            raise RequestInvalid(f"The field {part.name!r} has the character NUL.", field=part.name)
        try:
            self._fields[part.name] = part.pending.decode()
        except UnicodeDecodeError:
            raise RequestInvalid(f"The field {part.name!r} is not UTF-8 text.", field=part.name) from None

    def _keep_file(self, part: Part, filename: str) -> None:
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

    def _flush(self, part: Part) -> Path:
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
