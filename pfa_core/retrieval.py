"""A gallery of fc6 features that answers "which poses are nearest to this one?". Source: paper section 4.1, figure 4.

A gallery is a folder: `features.faiss` (exact search, float32), `items.jsonl` (a line an item, in the same order),
`thumbnails.bin` (small JPEGs, one after the other; each item knows its place) and `index.json` (sizes, and sha256 of
the other files). Nothing in it is ever unpickled.

Axes: N items, Q queries, D length of a feature.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import faiss
import numpy as np
from numpy.typing import NDArray

from pfa_core.durable import flush, sha256_of
from pfa_core.errors import IndexDamaged, ModelUnsuitable
from pfa_core.images import write_jpeg

FORMAT = 1
THUMBNAIL_PX = 96
"""Longer side of a thumbnail."""

_FEATURES, _ITEMS, _THUMBNAILS, _INDEX = "features.faiss", "items.jsonl", "thumbnails.bin", "index.json"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """One answer of a search."""

    position: int
    """Of the item in the gallery; asks for its thumbnail."""
    distance: float
    """Euclidean, not squared."""
    item: GalleryItem


class GalleryIndex:
    """Features and where they come from, searched exactly by Euclidean distance.

    A loaded gallery reads thumbnails from its folder when asked: where readers live on, give each build a new folder.
    """

    def __init__(self, index: faiss.Index, items: Sequence[GalleryItem], thumbnails: "Thumbnails") -> None:
        self._index = index
        self.items = tuple(items)
        self.thumbnails = thumbnails

    @staticmethod
    def build(
        features: NDArray[np.float32], items: Sequence[GalleryItem], *, thumbnails: Iterable[bytes] = ()
    ) -> "GalleryIndex":
        """Make a gallery in memory.

        Args:
            features: (N, D) float32.
            items: N.
            thumbnails: N JPEGs (see `thumbnail`), or none at all.
        """
        assert len(features) == len(items)
        index = faiss.IndexFlatL2(features.shape[1])
        index.add(np.ascontiguousarray(features, dtype=np.float32))
        images = Thumbnails.of(thumbnails)
        assert len(images) in (0, len(items))
        return GalleryIndex(index, items, images)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def num_features(self) -> int:
        """D."""
        return int(self._index.d)

    def features(self) -> NDArray[np.float32]:
        """(N, D), a copy."""
        return np.asarray(self._index.reconstruct_n(0, len(self)), dtype=np.float32)

    def search(self, features: NDArray[np.float32], *, k: int) -> list[list[Neighbour]]:
        """The k nearest items of each query, the nearest first; all of them when there are fewer.

        Args:
            features: (Q, D) float32, from the model that filled the gallery.

        Raises:
            ModelUnsuitable: features of another length.
        """
        if features.ndim != 2 or features.shape[1] != self.num_features:
            raise ModelUnsuitable(
                f"The gallery holds features of {self.num_features} numbers, the query has shape {features.shape}."
                " Ask with the model that filled it."
            )
        if len(self) == 0 or k < 1:
            return [[] for _ in features]
        squared, places = self._index.search(np.ascontiguousarray(features, dtype=np.float32), min(k, len(self)))
        distances = np.sqrt(np.maximum(squared, 0))
        return [
            [
                Neighbour(position=int(place), distance=float(distance), item=self.items[place])
                for place, distance in zip(row_places, row_distances, strict=True)
            ]
            for row_places, row_distances in zip(places, distances, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write the gallery; it appears complete or not at all, and replaces one that was there."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        try:
            temporary.chmod(0o755)
            self._write(temporary)
            if folder.exists():
                folder.rename(temporary.with_suffix(".old"))
            temporary.rename(folder)
            flush(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(temporary.with_suffix(".old"), ignore_errors=True)

    def _write(self, folder: Path) -> None:
        faiss.write_index(self._index, str(folder / _FEATURES))
        (folder / _ITEMS).write_text("".join(json.dumps(asdict(item)) + "\n" for item in self.items))
        self.thumbnails.write(folder / _THUMBNAILS)
        plain = {
            "format": FORMAT,
            "num_items": len(self),
            "num_features": self.num_features,
            "thumbnail_ends": self.thumbnails.ends,
            "files": {name: sha256_of(folder / name) for name in (_FEATURES, _ITEMS, _THUMBNAILS)},
        }
        (folder / _INDEX).write_text(json.dumps(plain) + "\n")
        for name in (_FEATURES, _ITEMS, _THUMBNAILS, _INDEX):
            flush(folder / name)
        flush(folder)

    @staticmethod
    def load(folder: Path, *, verify: bool = True) -> "GalleryIndex":
        """Read a gallery.

        Args:
            verify: compare every file with its sha256.

        Raises:
            IndexDamaged: a file is missing, changed or of a newer layout.
        """
        try:
            plain = json.loads((folder / _INDEX).read_bytes())
            _check(folder, plain, verify=verify)
            items = [GalleryItem(**json.loads(line)) for line in (folder / _ITEMS).read_text().splitlines()]
            index = faiss.read_index(str(folder / _FEATURES))
            thumbnails = Thumbnails(plain["thumbnail_ends"], path=folder / _THUMBNAILS)
            fitting = index.ntotal == len(items) == plain["num_items"] and index.d == plain["num_features"]
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # faiss raises RuntimeError
            raise IndexDamaged(f"The gallery {folder.name} does not read: {error!r}. Build it again.") from error
        if not fitting:
            raise IndexDamaged(f"The files of the gallery {folder.name} do not fit together. Build it again.")
        return GalleryIndex(index, items, thumbnails)


class Thumbnails:
    """Small JPEGs, in memory or in one file that is read where it is asked."""

    def __init__(self, ends: list[int], *, content: bytes = b"", path: Path | None = None) -> None:
        self.ends = ends
        """Where each JPEG ends in the file."""
        self._content = content
        self._path = path

    @staticmethod
    def of(images: Iterable[bytes]) -> "Thumbnails":
        """From JPEGs."""
        listed = list(images)
        return Thumbnails([int(end) for end in np.cumsum([len(one) for one in listed])], content=b"".join(listed))

    def __len__(self) -> int:
        return len(self.ends)

    def get(self, position: int) -> bytes | None:
        """The JPEG of an item; None where the gallery has no thumbnails.

        Raises:
            IndexDamaged: the file is gone.
        """
        if not self.ends:
            return None
        start, end = self.ends[position - 1] if position else 0, self.ends[position]
        if self._path is None:
            return self._content[start:end]
        try:
            with self._path.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        except OSError as error:
            raise IndexDamaged(f"The thumbnails of the gallery {self._path.parent.name} are gone.") from error

    def write(self, path: Path) -> None:
        """Write them to one file."""
        if self._path is None:
            path.write_bytes(self._content)
        else:
            shutil.copyfile(self._path, path)


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB -> a JPEG whose longer side is THUMBNAIL_PX at most."""
    factor = min(1.0, THUMBNAIL_PX / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    return write_jpeg(np.asarray(small, dtype=np.uint8), quality=85)


def _check(folder: Path, plain: Mapping[str, Any], *, verify: bool) -> None:
    if plain["format"] != FORMAT:
        raise IndexDamaged(f"The gallery has layout {plain['format']}; this version reads layout {FORMAT}.")
    for name in (_FEATURES, _ITEMS, _THUMBNAILS):
        if verify and sha256_of(folder / name) != plain["files"][name]:
            raise IndexDamaged(f"{name} of the gallery {folder.name} was changed since it was written.")
