"""Where people are in an image: OpenCV's people detector. Free of torch.

Source: Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human Detection", and the weights that OpenCV has
of it, trained on upright people of 96 px and more. It misses who sits, lies or is cut off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.config.video_answers import MAX_PEOPLE
from pfa_core.people import Box

SIDE_PX = 640
"""The longer side of what is searched: the time of a search does not grow with the image."""
MAX_ENLARGED = 2.0
"""Smaller images are enlarged, at most so much, as the detector's window is 64 x 128 px."""
MAX_OVERLAP = 0.65
"""Of two findings, the weaker goes when they share more than this of the smaller one."""
_WINDOW = (128, 64)


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """A person region, with some room around the body, clipped to the image."""

    box: Box
    score: float
    """Distance from the separating plane, > 0; higher is surer."""


def find_people(image: NDArray[np.uint8], *, max_people: int = MAX_PEOPLE) -> list[FoundPerson]:
    """The people in an image, the surest first; none where none is found.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    scale = min(SIDE_PX / max(height, width), MAX_ENLARGED)
    searched = _searched(image, scale)
    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), dtype=np.float32))
    boxes, weights = detector.detectMultiScale(searched, winStride=(8, 8), padding=(16, 16), scale=1.05)
    found = []
    for (x, y, w, h), score in zip(np.reshape(boxes, (-1, 4)), np.ravel(weights), strict=True):
        box = _clipped((x / scale, y / scale, w / scale, h / scale), width=width, height=height)
        if min(box[2:]) > 0:
            found.append(FoundPerson(box, float(score)))
    return strongest(found)[:max_people]


def strongest(found: Sequence[FoundPerson], *, max_overlap: float = MAX_OVERLAP) -> list[FoundPerson]:
    """Those that no stronger one covers (non-maximum suppression), by falling score."""
    kept: list[FoundPerson] = []
    for person in sorted(found, key=lambda one: -one.score):
        if all(overlap(person.box, other.box) <= max_overlap for other in kept):
            kept.append(person)
    return kept


def overlap(first: Box, second: Box) -> float:
    """The area that two boxes share, as a part of the smaller one's, in [0, 1]."""
    return _shared(first, second) / min(first[2] * first[3], second[2] * second[3])


def intersection_over_union(first: Box, second: Box) -> float:
    """The area that two boxes share, as a part of what both cover, in [0, 1]."""
    shared = _shared(first, second)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def _shared(first: Box, second: Box) -> float:
    width = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    height = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def _searched(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Scaled, and never smaller than the detector's window."""
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(np.ascontiguousarray(image[..., ::-1]), size, interpolation=interpolation)
    below, beside = (max(0, least - side) for least, side in zip(_WINDOW, scaled.shape[:2], strict=True))
    return np.asarray(cv2.copyMakeBorder(scaled, 0, below, 0, beside, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _clipped(box: Box, *, width: int, height: int) -> Box:
    x0, y0 = max(0.0, float(box[0])), max(0.0, float(box[1]))
    x1, y1 = min(float(width), float(box[0] + box[2])), min(float(height), float(box[1] + box[3]))
    return (round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2))
