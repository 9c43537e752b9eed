"""Whether people lie inside their images. A joint outside of it is a wrong image, wrong units, or a careless label."""

from collections.abc import Sequence
from dataclasses import replace

from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.imported import shown
from pfa_core.people import Person

MARGIN_PX = 1.0
"""Labels on the very edge round to a pixel outside."""


def inside(person: Person, *, size: tuple[int, int]) -> tuple[Person, list[str]]:
    """The person without the joints that lie outside the image, and the names of those.

    Published data have a few such labels (LSP-Extended, MPII), which teach nothing. When all of a person's joints lie
    outside, it is not the image that was labelled.

    Args:
        size: (H, W) px.

    Raises:
        AnnotationsInvalid: every labelled joint is outside.
    """
    height, width = size
    labelled = {name: point for name, point in person.joints.items() if point[2] > 0}
    kept = {
        name: (x, y, visible)
        for name, (x, y, visible) in labelled.items()
        if -MARGIN_PX <= x <= width - 1 + MARGIN_PX and -MARGIN_PX <= y <= height - 1 + MARGIN_PX
    }
    outside = [name for name in labelled if name not in kept]
    if labelled and not kept:
        x, y, _ = labelled[outside[0]]
        raise AnnotationsInvalid(
            f"{person.image_name}: all joints lie outside the image of {width} x {height} px, {outside[0]} at"
            f" ({x:g}, {y:g}). Is it the image that was labelled, in its original size?"
        )
    return (replace(person, joints=kept) if outside else person), outside


def outside_warnings(outside: Sequence[str]) -> list[str]:
    """A sentence about joints that `inside` dropped, given as `image (joint)`."""
    if not outside:
        return []
    return [f"{len(outside)} joints lie outside their images and do not count: {shown(outside)}."]
