"""Which pairs are drawn, told by the colours of the pictures."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pfa_core.errors import DatasetUnsuitable
from pfa_core.gallery_item import GalleryItem, thumbnail
from pfa_core.gallery_pairs import gallery_pairs_png
from pfa_core.retrieval import GalleryIndex
from tests.unit.pfa_core.galleries import append

RED, GREEN, BLUE = (220, 30, 30), (30, 220, 30), (30, 30, 220)


def gallery(
    folder: Path, features: Sequence[float], colours: Sequence[tuple[int, int, int]], sources: Sequence[str]
) -> GalleryIndex:
    pictures = [thumbnail(np.full((96, 96, 3), colour, np.uint8)) for colour in colours]
    items = [GalleryItem(source=source) for source in sources]
    append(folder, np.array(features, np.float32)[:, None], items, thumbnails=pictures)
    return GalleryIndex.load(folder)


def drawn(made: GalleryIndex) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(gallery_pairs_png(made))).convert("RGB"))


def colour_at(sheet: NDArray[np.uint8], row: int, column: int) -> int:
    """Which channel is brightest."""
    return int(sheet[row, column].argmax())


def test_each_item_stands_beside_its_nearest_of_another_source(tmp_path: Path) -> None:
    """Red is nearest to green of its own video, and next to blue of another."""
    sheet = drawn(gallery(tmp_path / "g", [0.0, 1.0, 5.0], [RED, GREEN, BLUE], ["a", "a", "b"]))
    gap, side = 10, 128
    first, second = gap + side // 2, gap + side + side // 2
    assert (colour_at(sheet, first, first), colour_at(sheet, first, second)) == (0, 2)
    right = 2 * side + gap
    assert (colour_at(sheet, first, right + first), colour_at(sheet, first, right + second)) == (1, 2)


def test_in_one_video_it_is_the_nearest_frame(tmp_path: Path) -> None:
    sheet = drawn(gallery(tmp_path / "g", [0.0, 1.0, 5.0], [RED, GREEN, BLUE], ["a", "a", "a"]))
    assert colour_at(sheet, 74, 10 + 128 + 64) == 1


def test_one_picture_makes_no_pair(tmp_path: Path) -> None:
    with pytest.raises(DatasetUnsuitable):
        gallery_pairs_png(gallery(tmp_path / "one", [0.0], [RED], ["a"]))
    append(tmp_path / "bare", np.zeros((3, 2), np.float32), [GalleryItem(source="a")] * 3, thumbnails=[b""] * 3)
    with pytest.raises(DatasetUnsuitable):
        gallery_pairs_png(GalleryIndex.load(tmp_path / "bare"))
