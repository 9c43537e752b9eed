"""A picture of an answer: what was asked about, and the nearest items beside it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.gallery_item import THUMBNAIL_PX

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

COLUMNS = 6
_GAP_PX, _TEXT_PX = 8, 16
_BACKGROUND, _INK = 255, (30, 30, 30)


def contact_sheet(asked: Image, found: Sequence[tuple[Image | None, str]]) -> Image:
    """Cells of one size, row after row: the query first, then the items with a caption each.

    Args:
        asked: any size; scaled down to fit.
        found: thumbnails and their captions; None leaves the cell empty.
    """
    cells = [(asked, "query"), *found]
    wide, high = THUMBNAIL_PX + _GAP_PX, THUMBNAIL_PX + _TEXT_PX + _GAP_PX
    num_rows = -(-len(cells) // COLUMNS)
    sheet = np.full((num_rows * high + _GAP_PX, COLUMNS * wide + _GAP_PX, 3), _BACKGROUND, dtype=np.uint8)
    for place, (image, caption) in enumerate(cells):
        top, left = place // COLUMNS * high + _GAP_PX, place % COLUMNS * wide + _GAP_PX
        if image is not None:
            small = _fitted(image)
            sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
        baseline = (left, top + THUMBNAIL_PX + _TEXT_PX - 4)
        cv2.putText(sheet, caption, baseline, cv2.FONT_HERSHEY_SIMPLEX, 0.38, _INK, 1, cv2.LINE_AA)
    return sheet


def _fitted(image: Image) -> Image:
    factor = min(1.0, THUMBNAIL_PX / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
