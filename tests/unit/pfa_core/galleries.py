"""Galleries for tests: features that cluster as fc6 features do, written as an index job writes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pfa_core.gallery_edit import REDUCED_FROM, editing
from pfa_core.gallery_format import GalleryManifest
from pfa_core.gallery_item import GalleryItem, thumbnail
from pfa_core.gallery_segment import SegmentWriter

MODEL = "walker@1"


def clustered(count: int, *, num_features: int = 16, seed: int = 0) -> NDArray[np.float32]:
    """(count, num_features) float32, none negative, about a third of them zero, around eight centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(8, num_features))
    rows = centres[rng.integers(0, 8, count)] + 0.5 * rng.normal(size=(count, num_features))
    return np.maximum(rows, 0).astype(np.float32)


def items_of(count: int, *, source: str = "v", dataset: str | None = None) -> list[GalleryItem]:
    """Frames of videos v0, v1, ... of ten frames each, labelled in turn `run` and `walk`."""
    return [
        GalleryItem(
            source=f"{source}{n // 10}", name=f"{n // 10}.mp4", frame=n % 10, time_s=n % 10 / 5,
            label=("run", "walk")[n // 10 % 2], dataset=dataset,
        )
        for n in range(count)
    ]  # fmt: skip


def thumbnails_of(count: int) -> list[bytes]:
    """A grey JPEG each."""
    return [thumbnail(np.full((120, 240, 3), 20 * (n % 10), dtype=np.uint8)) for n in range(count)]


def append(
    folder: Path,
    features: NDArray[np.float32],
    items: Sequence[GalleryItem] | None = None,
    *,
    thumbnails: Sequence[bytes] | None = None,
    key: str = "job_1",
    model: str = MODEL,
    reduced_from: int = REDUCED_FROM,
    replaces: bool = False,
) -> GalleryManifest:
    """Append features to a gallery and publish it."""
    written = folder.with_name(f"{folder.name}-{key}")
    with (
        SegmentWriter(written, num_features=features.shape[1]) as writer,
        editing(folder, anew=replaces, reduced_from=reduced_from) as edit,
    ):
        pictures = thumbnails_of(len(features)) if thumbnails is None else thumbnails
        writer.add(features, items or items_of(len(features)), pictures)
        edit.append(writer, key=key, model=model, num_features=features.shape[1], replaces=replaces)
        return edit.publish()
