"""Images of data sets: checked on the way in, kept once however often they are sent."""

import hashlib
import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pfa_core.errors import ImageUnreadable
from pfa_core.images import read_image
from pfa_store.errors import StoreUnavailable
from pfa_store.files import Files
from pfa_store.settings import Settings

_ASKED_AT_ONCE = 16
_MAGIC: tuple[tuple[bytes, str], ...] = ((b"\xff\xd8\xff", "jpg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"RIFF", "webp"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that decodes. Sizes are those after its EXIF rotation."""

    sha256: str
    path: Path
    width_px: int
    height_px: int


class Images:
    def __init__(self, files: Files, settings: Settings) -> None:
        self._files = files
        self._settings = settings

    def add(self, data: bytes) -> Image:
        """Keep a JPEG, PNG or WebP image.

        Raises:
            ImageUnreadable, ImageTooLarge, ImageTooSmall: it cannot be used.
            DiskFull: the reserve of free space would be used up.
        """
        height_px, width_px, _ = read_image(
            data, max_pixels=self._settings.max_image_pixels, max_bytes=self._settings.max_image_bytes
        ).shape
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._files.image(sha256, _extension(data))
        try:
            os.utime(path)  # nothing names it yet, perhaps: it is not old
        except FileNotFoundError:
            self._files.ensure_space(len(data))
            self._files.write_atomic(path, data)
        if not self._files.shelf.published(path):
            self._files.shelf.publish(path)
        return Image(sha256=sha256, path=path, width_px=width_px, height_px=height_px)

    def find(self, sha256: str) -> Path | None:
        """Where an image lies, on this host from now on; None if it was never added."""
        places = self._places(sha256)
        return next((path for path in places if path.is_file()), None) or next(
            (path for path in places if self._files.shelf.try_here(path)), None
        )

    def missing(self, sha256s: Collection[str]) -> str | None:
        """An image of these that was never added, or was removed; None: all are there, for all hosts."""
        shelf = self._files.shelf
        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            there = pool.map(lambda sha256: any(map(shelf.published, self._places(sha256))), sha256s)
            return next((sha256 for sha256, found in zip(sha256s, there, strict=True) if not found), None)

    def remove(self, sha256: str) -> None:
        """Delete an image, if it is there."""
        for path in self._places(sha256):
            self._files.unpublish(path)

    def _places(self, sha256: str) -> list[Path]:
        return [self._files.image(sha256, extension) for _, extension in _MAGIC]

    def path(self, sha256: str) -> Path:
        """Where the image of a data set item lies.

        Raises:
            StoreUnavailable: its file is gone, although a data set names it.
        """
        found = self.find(sha256)
        if found is None:
            raise StoreUnavailable(f"The image {sha256} is missing.")
        return found


def _extension(data: bytes) -> str:
    for magic, extension in _MAGIC:
        if data.startswith(magic):
            return extension
    raise ImageUnreadable("The image is not a JPEG, PNG or WebP file.")
