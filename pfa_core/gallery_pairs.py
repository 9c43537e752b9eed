"""Closest pairs among the items of a gallery, drawn. Source: paper section 4.1, figure 4."""

import numpy as np

from pfa_core.errors import DatasetUnsuitable
from pfa_core.figures import Image, pairs_png
from pfa_core.images import read_image
from pfa_core.retrieval import THUMBNAIL_PX, GalleryIndex, Neighbour

NUM_PAIRS = 8
_ASIDE = 64
"""Neighbours that are looked through for one of another source: frames of one video resemble each other most."""


def gallery_pairs_png(gallery: GalleryIndex) -> bytes:
    """Items spaced evenly over the gallery, each beside its nearest item, of another source where one is near, as PNG.

    Raises:
        DatasetUnsuitable: fewer than two items, or no pictures of them.
    """
    if len(gallery) < 2 or len(gallery.thumbnails) != len(gallery):
        raise DatasetUnsuitable("Closest pairs need a collection of two items or more that has their pictures.")
    chosen = np.unique(np.linspace(0, len(gallery) - 1, min(len(gallery), NUM_PAIRS)).round().astype(int))
    found = gallery.search(gallery.features()[chosen], k=_ASIDE)
    pairs = [(int(place), _nearest(gallery, int(place), near)) for place, near in zip(chosen, found, strict=True)]
    return pairs_png(
        [(_picture(gallery, place), _picture(gallery, other.position), other.distance) for place, other in pairs]
    )


def _nearest(gallery: GalleryIndex, place: int, near: list[Neighbour]) -> Neighbour:
    others = [one for one in near if one.position != place]
    return next((one for one in others if one.item.source != gallery.items[place].source), others[0])


def _picture(gallery: GalleryIndex, place: int) -> Image:
    jpeg = gallery.thumbnails.get(place)
    assert jpeg is not None
    return read_image(jpeg, max_pixels=16 * THUMBNAIL_PX**2)
