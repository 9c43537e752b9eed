"""Forms as a stream: whatever the chunks, what was sent arrives, and no cap is passed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from api.errors import MediaUnsupported, PayloadTooLarge, RequestInvalid
from api.form import FormLimits
from api.multipart import received_form
from pfa_store.errors import DiskFull
from pfa_store.files import Files

BOUNDARY = "edge"
LIMITS = FormLimits(
    files=frozenset({"files"}), fields=frozenset({"name"}), max_file_bytes=3_000_000, max_files=3, max_field_bytes=100
)


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    shown = f'name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {shown}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def receive(
    body: bytes,
    folder: Path,
    *,
    chunk_bytes: int = 1000,
    content_type: str = f"multipart/form-data; boundary={BOUNDARY}",
    min_free_bytes: int = 0,
) -> tuple[dict[str, str], list[tuple[str, bytes]]]:
    """What a form holds, read while it is open; the folder is empty afterwards."""
    files = Files(folder, min_free_bytes=min_free_bytes)
    files.create()
    chunks = [body[first : first + chunk_bytes] for first in range(0, len(body), chunk_bytes)]

    async def stream() -> AsyncIterator[dict[str, object]]:
        for chunk in chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    async def run() -> tuple[dict[str, str], list[tuple[str, bytes]]]:
        messages = stream()
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
        request = Request(scope, lambda: anext(messages))
        async with received_form(request, files=files, limits=LIMITS) as form:
            return dict(form.fields), [(file.filename, file.path.read_bytes()) for file in form.files]

    try:
        return asyncio.run(run())
    finally:
        assert list((folder / "tmp").iterdir()) == []


@given(
    contents=st.lists(st.binary(max_size=200), max_size=3),
    text=st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    chunk_bytes=st.integers(1, 300),
)
def test_what_was_sent_arrives_whatever_the_chunks(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], text: str, chunk_bytes: int
) -> None:
    body = part("name", text.encode()) + b"".join(part("files", c, f"{i}.bin") for i, c in enumerate(contents)) + END
    fields, files = receive(body, tmp_path_factory.mktemp("form"), chunk_bytes=chunk_bytes)
    assert fields == {"name": text}
    assert files == [(f"{i}.bin", content) for i, content in enumerate(contents)]


def test_a_file_larger_than_the_write_buffer_arrives(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    _, files = receive(part("files", content, "big") + END, tmp_path, chunk_bytes=65_536)
    assert files == [("big", content)]


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (part("files", b"x" * 3_000_001, "big") + END, PayloadTooLarge, "big"),
        (part("name", b"x" * 101) + END, PayloadTooLarge, "name"),
        (b"".join(part("files", b"", f"{i}") for i in range(4)) + END, PayloadTooLarge, "more than 3 files"),
        (part("other", b"x") + END, RequestInvalid, "'other'"),
        (part("name", b"a\0b") + END, RequestInvalid, "NUL"),
        (part("name", b"x", "as-a-file") + END, RequestInvalid, "'name'"),
        (part("name", b"a") + part("name", b"b") + END, RequestInvalid, "twice"),
        (part("name", b"\xff") + END, RequestInvalid, "UTF-8"),
        (part("files", b"cut", "a"), RequestInvalid, "closing boundary"),
        (b"", RequestInvalid, "closing boundary"),
        (b"no form at all", RequestInvalid, "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(tmp_path: Path, body: bytes, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        receive(body, tmp_path, chunk_bytes=65_536)


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "multipart/mixed; boundary=edge"])
def test_only_forms_with_a_boundary_are_taken(tmp_path: Path, content_type: str) -> None:
    with pytest.raises(MediaUnsupported):
        receive(END, tmp_path, content_type=content_type)


def test_the_reserve_of_the_disk_is_kept(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        receive(part("files", b"x", "a") + END, tmp_path, min_free_bytes=2**62)
