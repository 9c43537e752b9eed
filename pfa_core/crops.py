"""Square crops of images, and the maps between image px and crop px.

Points are (x, y) with the centre of the first pixel at (0, 0), so the first pixel's outer edge is at -1/2. What a crop
shows beyond the image is filled with GREY, which the networks see as about zero.

Axes: N points, S side of the crop in px.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import BoxOutsideImage, DatasetUnsuitable
from pfa_core.people import Box, Person, box_around
from pfa_core.skeleton import JointSet

GREY = 115
"""255 times the mean that `nets/preprocess` subtracts, rounded."""

_JOINT_MARGIN = 1.25
"""A box around joints is enlarged by this: heads, hands and feet reach beyond their joints."""


@dataclass(frozen=True, slots=True)
class PersonCrop:
    """A square region of an image, scaled to crop_px x crop_px."""

    left_px: float
    """Image x of the region's left edge (not of a pixel's centre)."""
    top_px: float
    side_px: float
    """Side of the region, image px."""
    crop_px: int

    @property
    def scale(self) -> float:
        """Crop px per image px."""
        return self.crop_px / self.side_px

    def to_crop(self, points_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) image px -> crop px."""
        return (points_px - (self.left_px, self.top_px)) * self.scale - 0.5

    def to_image(self, points_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) crop px -> image px."""
        return (points_px + 0.5) / self.scale + (self.left_px, self.top_px)

    def widened(self, margin_px: int) -> "PersonCrop":
        """The same place at the same scale, with `margin_px` more crop px on every side."""
        margin = margin_px / self.scale  # image px
        return PersonCrop(
            self.left_px - margin, self.top_px - margin, self.side_px + 2 * margin, self.crop_px + 2 * margin_px
        )

    def cells_to_image(self, cells: int) -> NDArray[np.float64]:
        """The affine map from heatmap cells (column, row) to image px, for heatmaps of cells x cells.

        Returns:
            (2, 3) float64: image px = A[:, :2] @ (column, row) + A[:, 2].
        """
        px_per_cell = self.side_px / cells
        return np.array([
            [px_per_cell, 0.0, 0.5 * px_per_cell + self.left_px],
            [0.0, px_per_cell, 0.5 * px_per_cell + self.top_px],
        ])  # fmt: skip

    def overlap(self, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Columns and rows, first and last + 1, that the region touches of an image of `size` (H, W).

        Raises:
            BoxOutsideImage: none.
        """
        height, width = size
        return _overlap(self.left_px, self.side_px, width), _overlap(self.top_px, self.side_px, height)

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut the region out of an image and scale it, without aliasing when it shrinks.

        Args:
            image: (H, W, 3) uint8.

        Returns:
            (S, S, 3) uint8; GREY where the region lies beyond the image.

        Raises:
            BoxOutsideImage: the region does not touch the image.
        """
        (x0, x1), (y0, y1) = self.overlap((image.shape[0], image.shape[1]))
        part = np.ascontiguousarray(image[y0:y1, x0:x1])
        if self.scale < 1:
            size = (max(1, round((x1 - x0) * self.scale)), max(1, round((y1 - y0) * self.scale)))
            part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        across, down = part.shape[1] / (x1 - x0), part.shape[0] / (y1 - y0)
        # crop px c -> image px (c + 1/2) / scale + left -> px of `part` (image px - x0 + 1/2) * across - 1/2
        to_part = np.array([
            [across / self.scale, 0.0, (0.5 / self.scale + self.left_px - x0 + 0.5) * across - 0.5],
            [0.0, down / self.scale, (0.5 / self.scale + self.top_px - y0 + 0.5) * down - 0.5],
        ])  # fmt: skip
        cut = cv2.warpAffine(
            part,
            to_part,
            (self.crop_px, self.crop_px),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(GREY, GREY, GREY),
        )
        return np.asarray(cut, dtype=np.uint8)


def in_crop(points_px: NDArray[np.floating], *, crop_px: int) -> NDArray[np.bool_]:
    """(..., 2) crop px -> (...) whether a point lies on a pixel of the crop; nan does not."""
    return np.asarray(((points_px >= -0.5) & (points_px < crop_px - 0.5)).all(axis=-1))


def box_crop(box: Box | None, *, size: tuple[int, int], crop_px: int) -> PersonCrop:
    """The square around a person box; without one, around the whole image.

    The box is the person region itself, as a caller of a prediction gives it: first clipped to the image, then made
    square about its centre with its longer side.

    Args:
        box: (x, y, w, h) in image px.
        size: (H, W) of the image.
        crop_px: side of the crop.

    Raises:
        BoxOutsideImage: no part of the box lies in the image.
    """
    height, width = size
    x, y, w, h = (0.0, 0.0, float(width), float(height)) if box is None else box
    if not all(math.isfinite(part) for part in (x, y, w, h)):
        raise BoxOutsideImage("The box must be four finite numbers x, y, w, h.")
    x0, y0, x1, y1 = max(x, 0.0), max(y, 0.0), min(x + w, width), min(y + h, height)
    if x1 <= x0 or y1 <= y0:
        raise BoxOutsideImage(
            f"The box ({x:g}, {y:g}, {w:g}, {h:g}) does not touch the image of {width} x {height} px."
            " A box is x, y, width, height in px."
        )
    return _square((x0, y0, x1 - x0, y1 - y0), factor=1.0, crop_px=crop_px)


def person_crop(person: Person, *, torso_scale: float, crop_px: int) -> PersonCrop:
    """The square region of an annotated person. Source: paper section 4.2, "expanding the torso box".

    Its centre and side come from the first of these that the person has: the torso box, times `torso_scale`; the box
    around the labelled shoulders and hips (at least one of each), times `torso_scale`; the person box; the box around
    all labelled joints, enlarged by a quarter.

    Raises:
        DatasetUnsuitable: the person has neither boxes nor two labelled joints apart.
    """
    if person.torso_box is not None:
        return _square(person.torso_box, factor=torso_scale, crop_px=crop_px)
    torso = _torso_from_joints(person)
    if torso is not None:
        return _square(torso, factor=torso_scale, crop_px=crop_px)
    if person.person_box is not None:
        return _square(person.person_box, factor=1.0, crop_px=crop_px)
    around = _box_of(person, tuple(person.joints))
    if around is not None:
        return _square(around, factor=_JOINT_MARGIN, crop_px=crop_px)
    raise DatasetUnsuitable("The person has no torso box, no person box and no two joints apart.")


def corner_places(size: tuple[int, int], *, crop_px: int) -> list[tuple[int, int]]:
    """(top, left) of the four corners and the centre. Source: paper section 4.3.

    All are multiples of 4 px: the far corners lie up to 3 px from the edge, so that a network's first layer can be
    computed once for all of them (`ActionNet.score_crops`).

    Args:
        size: (H, W) of the frame, each >= crop_px.
    """
    bottom, right = ((side - crop_px) // 4 * 4 for side in size)
    return [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 8 * 4, right // 8 * 4)]


def corner_crops(images: NDArray[np.uint8], *, crop_px: int) -> NDArray[np.uint8]:
    """Four corners and the centre of each image, and their mirrors. Source: paper section 4.3.

    Shape: (T, H, W, 3) uint8, H and W >= crop_px -> (T, 10, crop_px, crop_px, 3): 5 crops, then the 5 mirrored.
    """
    places = corner_places((images.shape[1], images.shape[2]), crop_px=crop_px)
    crops = np.stack([images[:, y : y + crop_px, x : x + crop_px] for y, x in places], axis=1)
    return np.concatenate([crops, crops[:, :, :, ::-1]], axis=1)


def scale_short_side(image: NDArray[np.uint8], short_side_px: int) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 -> the same picture, its shorter side exactly `short_side_px`."""
    height, width = image.shape[:2]
    if min(height, width) == short_side_px:
        return image
    factor = short_side_px / min(height, width)
    size = (max(short_side_px, round(width * factor)), max(short_side_px, round(height * factor)))
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=interpolation), dtype=np.uint8)


def _square(box: Box, *, factor: float, crop_px: int) -> PersonCrop:
    x, y, width, height = box
    side = max(1.0, max(width, height) * factor)
    return PersonCrop(x - 0.5 + (width - side) / 2, y - 0.5 + (height - side) / 2, side, crop_px)


def _overlap(first_px: float, side_px: float, length: int) -> tuple[int, int]:
    """Pixels first..last+1 of an axis that a region touches."""
    first = max(0, math.floor(first_px + 0.5))
    last = min(length, math.ceil(first_px + 0.5 + side_px))
    if first >= last:
        raise BoxOutsideImage("The person region does not touch the image. Check the person's boxes and joints.")
    return first, last


def _torso_from_joints(person: Person) -> Box | None:
    for part in ("shoulder", "hip"):
        if not any(person.joints.get(f"{side}_{part}", (0, 0, 0))[2] for side in ("left", "right")):
            return None
    return _box_of(person, tuple(f"{side}_{part}" for part in ("shoulder", "hip") for side in ("left", "right")))


def _box_of(person: Person, names: tuple[str, ...]) -> Box | None:
    if not names:
        return None
    points, labelled = person.keypoints(JointSet(names))
    if labelled.sum() < 2:
        return None
    box = box_around(points[labelled])
    return box if max(box[2:]) > 0 else None
