"""Resumable uploads, as they are sent."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from api.schemas.page import time_of
from pfa_store.uploads import Upload


class UploadError(BaseModel):
    """Why what was uploaded cannot be used."""

    code: str
    message: str


class UploadRead(BaseModel):
    """A resumable upload at the moment it was asked for."""

    id: str
    status: Literal["receiving", "checking", "finished", "refused", "expired"] = Field(
        description="`checking`: all of it is here and is being looked at; `refused`: it is no video that can be used"
    )
    filename: str
    num_bytes: int = Field(description="Of the whole file, as announced")
    offset: int = Field(description="Bytes that are here for good; the next piece starts there")
    video: str | None = Field(description="Id of the video that it became")
    error: UploadError | None
    created: datetime
    expires: datetime = Field(description="When it is dropped if no byte comes; once it ended, when it is forgotten")

    @classmethod
    def of(cls, upload: Upload, offset: int) -> Self:
        error = None
        if upload.error_code is not None:
            error = UploadError(code=upload.error_code, message=upload.error_message or "")
        all_here = upload.status == "receiving" and offset == upload.num_bytes
        return cls(
            id=upload.id,
            status="checking" if all_here else upload.status,
            filename=upload.filename,
            num_bytes=upload.num_bytes,
            offset=offset,
            video=upload.video_id,
            error=error,
            created=time_of(upload.created_s),
            expires=time_of(upload.expires_s),
        )
