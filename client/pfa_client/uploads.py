"""Resumable uploads (tus 1.0): a video in pieces, each with its checksum, which go on after whatever cuts them off."""

import base64
import hashlib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pfa_client.errors import ProblemError, ServiceUnreachable
from pfa_client.files import PathLike
from pfa_client.methods import call, listing
from pfa_client.pages import Pages
from pfa_client.records import Upload, UploadProgress, Video, record
from pfa_client.transport import Call, Pause, Steps, at, backoff_s
from pfa_client.wire import Wire

_TUS = {"Tus-Resumable": "1.0.0"}
_GO_ON = (409, 423, 429, 460, 503)
"""Refusals of a piece after which the offset is asked for and the piece is sent again."""


class UploadCalls(Wire):
    """Resumable uploads."""

    @call
    def upload(
        self,
        path: PathLike,
        *,
        on_progress: Callable[[UploadProgress], None] | None = None,
        upload_id: str | None = None,
        piece_bytes: int = 8 * 2**20,
    ) -> Steps[Video]:
        """Upload a video in pieces; what arrived is never sent again.

        Args:
            path: the file.
            on_progress: told after each piece how much has arrived.
            upload_id: go on with an upload that an earlier process began with the same file.
            piece_bytes: size of a piece: what is sent again after a fault.
        """
        path = Path(path)
        num_bytes = path.stat().st_size
        offset = 0
        if upload_id is None:
            upload_id = yield from self._begin(path, num_bytes)
        else:
            offset = yield from self._offset(upload_id)
        failures = 0
        while offset < num_bytes:
            try:
                offset = yield from self._piece(path, upload_id, offset, piece_bytes)
                failures = 0
            except (ServiceUnreachable, ProblemError) as error:
                failures += 1
                if failures > self._retries or (isinstance(error, ProblemError) and error.status not in _GO_ON):
                    raise
                yield Pause(seconds=backoff_s(failures))
                offset = yield from self._offset(upload_id)
            if on_progress is not None:
                on_progress(UploadProgress(upload_id=upload_id, offset=offset, num_bytes=num_bytes))
        return (yield from self._video(upload_id))

    @listing
    def uploads(self) -> Pages[Upload]:
        """Uploads, newest first; those that ended are listed for a week."""
        return Pages(path="/uploads", read=lambda plain: record(Upload, plain))

    @call
    def read_upload(self, upload_id: str) -> Steps[Upload]:
        """One upload: how much of it is there, and which video it became."""
        return record(Upload, (yield from self._get(at("uploads", upload_id))))

    @call
    def delete_upload(self, upload_id: str) -> Steps[None]:
        """Give an upload up."""
        yield from self._send(Call(method="DELETE", path=at("uploads", upload_id), headers=_TUS, repeatable=True))

    def _begin(self, path: Path, num_bytes: int) -> Steps[str]:
        headers = {
            **_TUS,
            "Upload-Length": str(num_bytes),
            "Upload-Metadata": f"filename {base64.b64encode(path.name.encode()).decode()}",
            "Idempotency-Key": str(uuid.uuid4()),
        }
        call = Call(method="POST", path="/uploads", headers=headers, repeatable=True)
        return str((yield from self._json(call))["id"])

    def _offset(self, upload_id: str) -> Steps[int]:
        """Where to go on. Raises: ProblemError, with what became of it where it is over."""
        try:
            call = Call(method="HEAD", path=at("uploads", upload_id), headers=_TUS, repeatable=True)
            answer = yield from self._send(call)
        except ProblemError:
            _raise_if_over((yield from self._get(at("uploads", upload_id))))
            raise
        return int(answer.headers["Upload-Offset"])

    def _piece(self, path: Path, upload_id: str, offset: int, piece_bytes: int) -> Steps[int]:
        """Send one piece; the offset after it."""
        with path.open("rb") as file:
            file.seek(offset)
            piece = file.read(piece_bytes)
        headers = {
            **_TUS,
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha256 {base64.b64encode(hashlib.sha256(piece).digest()).decode()}",
        }
        call = Call(method="PATCH", path=at("uploads", upload_id), headers=headers, content=piece)
        answer = yield from self._send(call)
        return int(answer.headers["Upload-Offset"])

    def _video(self, upload_id: str) -> Steps[Video]:
        """The video, once it has been looked at."""
        for attempt in range(1, 1000):
            plain = yield from self._get(at("uploads", upload_id))
            if plain["video"] is not None:
                return record(Video, (yield from self._get(at("videos", plain["video"]))))
            _raise_if_over(plain)
            yield Pause(seconds=backoff_s(attempt))
        raise ServiceUnreachable(f"the upload {upload_id} is still being looked at")


def _raise_if_over(plain: Mapping[str, Any]) -> None:
    if plain["error"] is not None:
        raise ProblemError(422, plain["error"]["code"], plain["error"]["message"])
    if plain["status"] == "expired":
        raise ProblemError(410, "upload_gone", "The upload has expired; begin a new one.")
