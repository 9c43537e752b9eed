"""Closest pairs among the items of a gallery, drawn. Source: paper section 4.1, figure 4."""

import numpy as np

from pfa_core.errors import DatasetUnsuitable
from pfa_core.figures import Image, pairs_png
from pfa_core.gallery_item import THUMBNAIL_PX
from pfa_core.images import read_image
from pfa_core.retrieval import GalleryIndex, Neighbour

NUM_PAIRS = 8
_ASIDE = 64
"""Neighbours that are looked through for one of another source: frames of one video resemble each other most."""


def gallery_pairs_png(gallery: GalleryIndex) -> bytes:
    """Items spaced evenly over the gallery, each beside its nearest item, of another source where one is near, as PNG.

    Raises:
        DatasetUnsuitable: fewer than two items, or no pictures of them.
    """
    ids = gallery.ids()
    if len(ids) < 2:
        raise DatasetUnsuitable("Closest pairs need a collection of two items or more.")
    places = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), NUM_PAIRS)).round().astype(int))
    chosen = [int(one) for one in ids[places]]
    found = gallery.search(np.stack([gallery.feature(one) for one in chosen]), k=_ASIDE)
    pairs = [(one, _nearest(gallery, one, near)) for one, near in zip(chosen, found, strict=True)]
    return pairs_png([(_picture(gallery, one), _picture(gallery, other.id), other.distance) for one, other in pairs])


def _nearest(gallery: GalleryIndex, item_id: int, near: list[Neighbour]) -> Neighbour:
    others = [one for one in near if one.id != item_id]
    source = gallery.item(item_id).source
    return next((one for one in others if one.item.source != source), others[0])


def _picture(gallery: GalleryIndex, item_id: int) -> Image:
    jpeg = gallery.thumbnail(item_id)
    if jpeg is None:
        raise DatasetUnsuitable("Closest pairs need a collection that has pictures of its items.")
    return read_image(jpeg, max_pixels=16 * THUMBNAIL_PX**2)
