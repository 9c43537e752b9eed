"""Zip archives of users: unpacked under caps that hold against what arrives, not against what the archive says.

Nothing is written under a name from the archive: members go to numbered files, their names are labels.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from api.errors import ArchiveInvalid, PayloadTooLarge
from pfa_store.disk import disk_errors

CHUNK_BYTES = 2**20
MAX_RATIO = 200
"""Photos and videos do not compress; what unpacks to so many times its size is a bomb."""
RATIO_FROM_BYTES = 32 * 2**20
"""Below this unpacked size the ratio does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """What an archive may unpack to."""

    max_members: int
    max_total_bytes: int
    max_member_bytes: int


@dataclass(frozen=True, slots=True)
class Member:
    """An unpacked file."""

    name: str
    """Its relative path in the archive, with `/`."""
    path: Path


def is_archive(head: bytes) -> bool:
    """Whether a file that begins so is a zip archive."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def unpack(
    archive: Path, folder: Path, *, limits: ArchiveLimits, require_space: Callable[[int], None]
) -> Iterator[Member]:
    """Unpack the files of an archive one after the other into `folder`, leaving out folders and hidden files.

    Raises:
        ArchiveInvalid: damaged, encrypted, or a name that leads out of it.
        PayloadTooLarge: a cap of `limits` is reached, or it unpacks to far more than its size.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = [info for info in opened.infolist() if not info.is_dir() and not _is_hidden(_name(info))]
            if len(infos) > limits.max_members:
                raise PayloadTooLarge(f"The archive has {len(infos)} files; at most {limits.max_members} are taken.")
            budget = _Budget(archive.stat().st_size, limits, require_space)
            for number, info in enumerate(infos):
                target = folder / f"{archive.name}-{number:06d}"
                _copy(opened, info, target, budget)
                yield Member(_name(info), target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise ArchiveInvalid(f"The archive cannot be unpacked: {error}.") from error


class _Budget:
    """Counts what was unpacked."""

    def __init__(self, archive_bytes: int, limits: ArchiveLimits, require_space: Callable[[int], None]) -> None:
        self._archive_bytes = archive_bytes
        self._limits = limits
        self._require_space = require_space
        self._total_bytes = 0

    def spend(self, num_bytes: int, *, of_member: int, name: str) -> None:
        """Raises: PayloadTooLarge; DiskFull, from `require_space`."""
        self._total_bytes += num_bytes
        limits = self._limits
        if of_member > limits.max_member_bytes:
            raise PayloadTooLarge(f"{name!r} in the archive is larger than {limits.max_member_bytes} bytes.")
        if self._total_bytes > limits.max_total_bytes:
            raise PayloadTooLarge(f"The archive unpacks to more than {limits.max_total_bytes} bytes.")
        if self._total_bytes > max(RATIO_FROM_BYTES, MAX_RATIO * self._archive_bytes):
            raise PayloadTooLarge(f"The archive unpacks to more than {MAX_RATIO} times its size.")
        self._require_space(num_bytes)


def _copy(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, budget: _Budget) -> None:
    name = _name(info)
    if info.flag_bits & 1:
        raise ArchiveInvalid(f"{name!r} in the archive is encrypted. Send an archive without a password.")
    num_bytes = 0
    with opened.open(info) as source, target.open("xb") as copy:
        while chunk := source.read(CHUNK_BYTES):
            num_bytes += len(chunk)
            budget.spend(len(chunk), of_member=num_bytes, name=name)
            with disk_errors():
                copy.write(chunk)


def _name(info: zipfile.ZipInfo) -> str:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise ArchiveInvalid(f"The archive has the name {info.filename!r}, which leads out of it.")
    return str(path)


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") for part in parts) or "__MACOSX" in parts or parts[-1] == "Thumbs.db"
