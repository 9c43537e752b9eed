"""Contact sheets: every picture in its place, none changed."""

import numpy as np

from pfa_core.contact_sheet import COLUMNS, contact_sheet
from pfa_core.gallery_item import THUMBNAIL_PX


def test_every_picture_is_in_its_cell() -> None:
    """The query first, scaled down; then the items in order, in rows of COLUMNS; one without a picture stays white."""
    asked = np.full((4 * THUMBNAIL_PX, 2 * THUMBNAIL_PX, 3), 200, dtype=np.uint8)
    found = [(np.full((48, THUMBNAIL_PX, 3), 10 * n, dtype=np.uint8), "") for n in range(COLUMNS)]
    sheet = contact_sheet(asked, [*found, (None, "")])
    cell_width = (sheet.shape[1] - 8) // COLUMNS
    cell_height = (sheet.shape[0] - 8) // 2
    corners = [
        sheet[8 + row * cell_height + 4, 8 + column * cell_width + 4, 0]
        for row in range(2)
        for column in range(COLUMNS)
    ]
    assert corners == [200, *(10 * n for n in range(COLUMNS)), *[255] * (COLUMNS - 1)]
    assert (sheet[8 : 8 + THUMBNAIL_PX, 8 : 8 + THUMBNAIL_PX // 2] == 200).all()
    assert (sheet[8 : 8 + THUMBNAIL_PX, 8 + THUMBNAIL_PX // 2 : 8 + THUMBNAIL_PX] == 255).all()


def test_captions_are_written_below() -> None:
    picture = np.full((THUMBNAIL_PX, THUMBNAIL_PX, 3), 90, dtype=np.uint8)
    plain, captioned = contact_sheet(picture, [(picture, "")]), contact_sheet(picture, [(picture, "0.5 walk")])
    changed = np.argwhere((plain != captioned).any(axis=2))
    assert len(changed) > 20
    assert changed[:, 0].min() >= 8 + THUMBNAIL_PX
