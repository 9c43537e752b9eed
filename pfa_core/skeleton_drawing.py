"""Limbs and joints, drawn over a picture. Free of torch.

Axes: K joints.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.skeleton import JointSet

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""

_LEFT, _RIGHT, _MIDDLE = (40, 120, 255), (255, 90, 40), (60, 200, 90)
"""Colours of joints and limbs by side of the body."""


def draw_skeleton(
    ground: Image,
    joints: JointSet,
    keypoints_px: NDArray[np.floating],
    *,
    shown: NDArray[np.bool_],
    visible: NDArray[np.bool_] | None,
    side_px: float,
) -> Image:
    """`ground` with a person's limbs and joints over it; joints that are not visible are hollow.

    Args:
        ground: not changed.
        keypoints_px: (K, 2).
        shown: (K,); other joints are left out, and limbs that end in one.
        visible: (K,); None: all.
        side_px: of the person; strokes grow with it.
    """
    drawn = ground.copy()
    unit = max(1.0, side_px / 256)
    for limb in joints.limbs:
        start, end = joints.index(limb.start), joints.index(limb.end)
        if shown[start] and shown[end]:
            ends = (_pixel(keypoints_px[start]), _pixel(keypoints_px[end]))
            cv2.line(drawn, *ends, _colour(limb.end), max(1, round(2 * unit)), cv2.LINE_AA)
    for k, name in enumerate(joints.names):
        if shown[k]:
            place = _pixel(keypoints_px[k])
            cv2.circle(drawn, place, max(2, round(4 * unit)), (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(drawn, place, max(1, round(3 * unit)), _colour(name), -1, cv2.LINE_AA)
            if visible is not None and not visible[k]:
                hole = cv2.circle(np.zeros(drawn.shape[:2], dtype=np.uint8), place, max(1, round(2 * unit)), 1, -1)
                drawn[hole > 0] = ground[hole > 0]
    return drawn


def _pixel(point_px: NDArray[np.floating]) -> tuple[int, int]:
    x, y = (round(float(part)) for part in np.clip(point_px, -20_000, 20_000))  # OpenCV draws in 16 bits
    return x, y


def _colour(joint: str) -> tuple[int, int, int]:
    if joint.startswith("left_"):
        return _LEFT
    return _RIGHT if joint.startswith("right_") else _MIDDLE
