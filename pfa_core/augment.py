"""Random changes of person crops that their joints follow: size, angle and place. Not in the paper.

A canvas is a person crop with a margin (`AugmentConfig.margin_px`), out of which the changed crop is cut, so that
nothing is shown as GREY that the image has.

Axes: B batch, K joints, M side of a canvas in px, S side of a crop in px.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.config.augment import AugmentConfig
from pfa_core.crops import GREY


def draw_changes(
    config: AugmentConfig, *, count: int, canvas_px: int, crop_px: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(B, 2, 3) affine maps from canvas px to crop px, one for each of `count` samples.

    Without any change the canvas's centre is the crop's, at equal scale.
    """
    factor = (1 + config.scale) ** rng.uniform(-1, 1, count)
    angle = np.radians(config.rotation_deg) * rng.uniform(-1, 1, count)
    shift_px = config.translation * crop_px * rng.uniform(-1, 1, (count, 2))
    cos, sin = factor * np.cos(angle), factor * np.sin(angle)
    turn = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)  # (B, 2, 2)
    centre_px = np.full(2, (canvas_px - 1) / 2)
    offset_px = (crop_px - 1) / 2 + shift_px - turn @ centre_px  # (B, 2)
    return np.concatenate([turn, offset_px[..., None]], axis=-1)


def change_crops(canvases_u8: NDArray[np.uint8], changes: NDArray[np.float64], *, crop_px: int) -> NDArray[np.uint8]:
    """(B, M, M, 3) canvases -> (B, S, S, 3) crops, each by its own change; GREY beyond the canvas."""
    crops_u8 = np.empty((len(canvases_u8), crop_px, crop_px, 3), dtype=np.uint8)
    for canvas_u8, change, crop_u8 in zip(canvases_u8, changes, crops_u8, strict=True):
        cv2.warpAffine(
            canvas_u8,
            change,
            (crop_px, crop_px),
            dst=crop_u8,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(GREY, GREY, GREY),
        )
    return crops_u8


def change_points(points_px: NDArray[np.float32], changes: NDArray[np.float64]) -> NDArray[np.float32]:
    """(B, K, 2) canvas px -> (B, K, 2) crop px; nan stays nan."""
    moved = np.einsum("bij,bkj->bki", changes[..., :2], points_px) + changes[:, None, :, 2]
    return moved.astype(np.float32)
