"""tus 1.0, the protocol of resumable uploads: its headers, read and written. Source: https://tus.io/protocols.

Extensions: creation, creation-with-upload, expiration, checksum, termination.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ChecksumMismatch, MediaUnsupported, RequestInvalid, TusVersionUnsupported
from pfa_store.uploads import Upload

PREFIX = "/uploads"
VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
ALGORITHMS = ("sha1", "sha256", "md5")
PIECE_TYPE = "application/offset+octet-stream"
MAX_METADATA = 8192
"""Most characters of `Upload-Metadata`."""
VIDEO_HEADER = "PFA-Video-Id"

_OVERRIDE = b"x-http-method-override"


class TusHeaders:
    """ASGI middleware: every answer under `/uploads` says its version; a POST may stand for another method."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == PREFIX or path.startswith(f"{PREFIX}/")):
            await self._app(scope, receive, send)
            return
        override = dict(scope["headers"]).get(_OVERRIDE, b"").decode("latin-1").upper()
        if scope["method"] == "POST" and override in ("PATCH", "DELETE", "HEAD"):
            scope["method"] = override

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Tus-Resumable"] = VERSION
                if message["status"] == HTTPStatus.PRECONDITION_FAILED:
                    headers["Tus-Version"] = VERSION
            await send(message)

        await self._app(scope, receive, noting)


def need_version(request: Request) -> None:
    """Raises: TusVersionUnsupported: the request speaks no version of tus, or another one."""
    version = request.headers.get("tus-resumable")
    if version != VERSION:
        raise TusVersionUnsupported(f"Send the header `Tus-Resumable: {VERSION}`, the version that is spoken here.")


def need_piece(request: Request) -> None:
    """Raises: MediaUnsupported: the body is not announced as a piece of a file."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != PIECE_TYPE:
        raise MediaUnsupported(f"The body of an upload is {PIECE_TYPE}, not {media_type or 'of no stated type'}.")


def number_of(request: Request, header: str) -> int:
    """A header that is a count of bytes. Raises: RequestInvalid: it is missing, or no such number."""
    text = request.headers.get(header)
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise RequestInvalid(f"The header {header} must be a whole number of bytes.", field=header)
    return int(text)


def metadata_of(request: Request) -> tuple[str, dict[str, str]]:
    """`Upload-Metadata` as it was sent, and what it says: words and base64 values, separated by commas.

    Raises:
        RequestInvalid: it does not read.
    """
    text = request.headers.get("upload-metadata", "")
    if len(text) > MAX_METADATA or not text.isascii():
        raise RequestInvalid(f"Upload-Metadata is ASCII of at most {MAX_METADATA} characters.", field="Upload-Metadata")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition(" ")
        if name in found:
            raise RequestInvalid(f"Upload-Metadata has {name!r} twice.", field="Upload-Metadata")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            raise RequestInvalid(f"The value of {name!r} is not base64.", field="Upload-Metadata") from None
    return text, found


class Checksum:
    """What `Upload-Checksum` announces of one piece, and what came of it."""

    def __init__(self, algorithm: str, digest: bytes) -> None:
        self._expected = digest
        self._algorithm = algorithm
        self._found = hashlib.new(algorithm, usedforsecurity=False)

    def add(self, data: bytes) -> None:
        self._found.update(data)

    def verify(self) -> None:
        """Raises: ChecksumMismatch: the piece was changed on its way."""
        if self._found.digest() != self._expected:
            raise ChecksumMismatch(
                f"The piece does not have the {self._algorithm} that was announced; it was dropped. Send it again."
            )


def checksum_of(request: Request) -> Checksum | None:
    """The announced checksum of a piece; None where there is none. Raises: RequestInvalid: it does not read."""
    text = request.headers.get("upload-checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise RequestInvalid(f"Upload-Checksum may be by {', '.join(ALGORITHMS)}.", field="Upload-Checksum")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise RequestInvalid(f"Upload-Checksum has no {algorithm} in base64.", field="Upload-Checksum")
    return Checksum(algorithm, digest)


def state_headers(upload: Upload, offset: int) -> Mapping[str, str]:
    """What an answer says of an upload."""
    headers = {"Upload-Offset": str(offset)}
    if upload.status == "receiving":
        headers["Upload-Expires"] = formatdate(upload.expires_s, usegmt=True)
    if upload.video_id is not None:
        headers[VIDEO_HEADER] = upload.video_id
    return headers
