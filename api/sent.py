"""The files of a form, by the names that their sender gave them; archives are replaced by what is in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from api.archives import ArchiveLimits, is_archive, unpack
from api.errors import RequestInvalid
from api.form import ReceivedFile, ReceivedForm
from pfa_store.quota import Allowance
from pfa_store.store import Store

_IMAGE_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was sent, by itself or in an archive."""

    name: str
    """Relative path as the sender wrote it, with `/`: a label."""
    path: Path


def files_of(store: Store, form: ReceivedForm) -> list[Sent]:
    """The files of a form. Raises: RequestInvalid: there are none; as `unpacked` otherwise."""
    sent = list(unpacked(form.files_of("files"), store, form.allowance))
    if not sent:
        raise RequestInvalid("The form needs at least one file in its field 'files'.", field="files")
    return sent


def unpacked(files: Sequence[ReceivedFile], store: Store, allowance: Allowance | None = None) -> Iterator[Sent]:
    """The files, with archives replaced by what is in them, which then counts in their place.

    Raises:
        ArchiveInvalid, PayloadTooLarge, DiskFull, QuotaExceeded.
    """
    settings = store.settings

    def require_space(num_bytes: int) -> None:
        store.files.ensure_space(num_bytes)
        if allowance is not None:
            allowance.take(num_bytes)

    limits = ArchiveLimits(
        max_members=100_000,
        max_total_bytes=4 * settings.max_upload_bytes,
        max_member_bytes=max(settings.max_video_bytes, settings.max_image_bytes),
    )
    for file in files:
        if is_archive(head_of(file.path)):
            if allowance is not None:
                allowance.give_back(file.num_bytes)
            for member in unpack(file.path, file.path.parent, limits=limits, require_space=require_space):
                yield Sent(member.name, member.path)
        else:
            yield Sent(_label(file.filename), file.path)
    if allowance is not None:
        allowance.weigh()


def _label(filename: str) -> str:
    parts = [part for part in PurePosixPath(filename.replace("\\", "/")).parts if part not in ("/", "..")]
    return "".join(char for char in "/".join(parts) if char.isprintable())[-500:] or "unnamed"


def head_of(path: Path) -> bytes:
    """The first bytes, which tell what it is."""
    with path.open("rb") as file:
        return file.read(16)


def is_image(head: bytes) -> bool:
    """Whether a file that begins so is a JPEG, PNG or WebP image."""
    return head.startswith(_IMAGE_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
