"""Flow as colours: the direction is the hue, the length its strength.

Source: Baker et al. 2011, "A Database and Evaluation Methodology for Optical Flow": the colour wheel of the Middlebury
pages, whose segments have lengths by how well the eye tells their hues apart.
"""

import numpy as np
from numpy.typing import NDArray

_SEGMENTS = (
    (15, (255, 0, 0), (255, 255, 0)),
    (6, (255, 255, 0), (0, 255, 0)),
    (4, (0, 255, 0), (0, 255, 255)),
    (11, (0, 255, 255), (0, 0, 255)),
    (13, (0, 0, 255), (255, 0, 255)),
    (6, (255, 0, 255), (255, 0, 0)),
)
"""Number of hues, the first of them, and the one that the next segment begins with."""
_BEYOND = 0.75
"""Motion longer than the longest that the picture is made for is darkened by this."""


def colour_wheel() -> NDArray[np.float64]:
    """(55, 3) RGB in 0..255: red, yellow, green, cyan, blue, magenta, and back towards red."""
    parts = [
        np.floor(np.linspace(start, end, count, endpoint=False))
        for count, start, end in ((count, np.array(first), np.array(last)) for count, first, last in _SEGMENTS)
    ]
    return np.concatenate(parts).astype(np.float64)


def flow_colours(flow_px: NDArray[np.floating], *, longest_px: float | None = None) -> NDArray[np.uint8]:
    """Draw flow: no motion is white, `longest_px` a full colour.

    Args:
        flow_px: (H, W, 2) displacement (u right, v down) in px, finite.
        longest_px: length of a full colour, > 0; None: the longest of this flow.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    length_px = np.hypot(flow_px[..., 0], flow_px[..., 1]).astype(np.float64)
    full_px = float(length_px.max(initial=0.0)) if longest_px is None else longest_px
    strength = length_px / max(full_px, 1e-9)
    wheel = colour_wheel()
    turn = np.arctan2(-flow_px[..., 1], -flow_px[..., 0]) / np.pi  # -1 .. 1, as the authors' code has it
    place = (turn + 1) / 2 * (len(wheel) - 1)
    below = np.floor(place).astype(int)
    share = (place - below)[..., None]
    hue = (1 - share) * wheel[below] + share * wheel[(below + 1) % len(wheel)]  # (H, W, 3)
    paled = 255 - strength[..., None] * (255 - hue)
    return np.floor(np.where(strength[..., None] <= 1, paled, _BEYOND * hue)).astype(np.uint8)
