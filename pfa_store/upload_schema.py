"""The table of resumable uploads."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from pfa_store.schema import BIG, Base


class UploadRow(Base):
    """A video on its way in, piece by piece. How much of it is here, its file says (`pfa_store/upload_part`)."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    status: Mapped[str] = mapped_column(String(20), index=True)
    """`receiving`, `finished`, `refused` or `expired`."""
    filename: Mapped[str]
    tus_metadata: Mapped[str]
    """`Upload-Metadata` as it was sent."""
    num_bytes: Mapped[int] = mapped_column(BIG)
    """Of the whole file, as announced."""
    keep_bytes: Mapped[int | None] = mapped_column(BIG)
    """A piece with a checksum is on its way: what lies beyond this is not verified and does not count."""
    expires_s: Mapped[float]
    video_id: Mapped[str | None] = mapped_column(String(40))
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    created_s: Mapped[float]
    key_id: Mapped[str | None] = mapped_column(String(40), index=True)
