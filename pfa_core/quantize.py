"""Flow in one byte a component. Symmetric, so that zero is exactly zero: the usual 0..255 reads it back as 0.08 px."""

import numpy as np
from numpy.typing import NDArray

LEVELS = 127
"""The code of +bound_px; -bound_px is -127, and -128 is not used."""


def quantize(flow_px: NDArray[np.float32], *, bound_px: float) -> NDArray[np.int8]:
    """Clip to +-bound_px and map linearly onto -127..127.

    Args:
        flow_px: any shape, float32, displacement in px. Not modified.
        bound_px: clipping limit in px, > 0.

    Returns:
        Same shape, int8. The error of what was not clipped is at most bound_px / 254.
    """
    scaled = np.clip(flow_px * np.float32(LEVELS / bound_px), -LEVELS, LEVELS)
    return np.rint(scaled).astype(np.int8)


def dequantize(codes: NDArray[np.int8], *, bound_px: float) -> NDArray[np.float32]:
    """Undo `quantize`: int8 of any shape -> float32 px."""
    return codes.astype(np.float32) * np.float32(bound_px / LEVELS)
