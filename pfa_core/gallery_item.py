"""An item of a gallery: where a feature comes from, and how items are chosen by that."""

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.images import write_jpeg
from pfa_core.people import Box

THUMBNAIL_PX = 96
"""Longer side of a thumbnail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryItem:
    """Where a feature comes from."""

    source: str
    """Id of the video, or sha256 or name of the image."""
    name: str = ""
    """File name as its user knows it."""
    frame: int | None = None
    """Frame of a video; None for an image."""
    time_s: float | None = None
    """Of that frame."""
    label: str | None = None
    """Action label, where its data set gives one."""
    dataset: str | None = None
    """Id of the data set that it was taken from."""
    box: Box | None = None
    """Person box that was looked at; None: the whole picture."""

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it the same item: another look at it gives the same feature."""
        return (self.dataset, self.source, self.frame, self.box)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without those that are None."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @staticmethod
    def from_json(plain: dict[str, Any]) -> "GalleryItem":
        """Raises: KeyError, TypeError, ValueError: it is not what `to_json` made."""
        box = plain.pop("box", None)
        return GalleryItem(**plain, box=None if box is None else (box[0], box[1], box[2], box[3]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Items that have one of the named values in every field that names any; an empty field lets all through."""

    sources: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.labels or self.datasets)

    def fields(self) -> tuple[tuple[str, ...], ...]:
        """The wanted values of `terms_of`'s columns."""
        return (self.sources, self.labels, self.datasets)


COLUMNS = 3


def terms_of(item: GalleryItem) -> tuple[str | None, str | None, str | None]:
    """The values that items are chosen by: source, label, data set."""
    return (item.source, item.label, item.dataset)


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB -> a JPEG whose longer side is THUMBNAIL_PX at most."""
    factor = min(1.0, THUMBNAIL_PX / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    return write_jpeg(np.asarray(small, dtype=np.uint8), quality=85)
