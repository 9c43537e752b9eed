"""The One Euro filter: keypoints that rest are steadied, those that move are not held back. Free of torch.

Source: Casiez, Roussel and Vogel 2012, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems". Its values are those of an exponential low-pass filter whose cut-off rises with the speed. Here
speed is measured in sides of the person a second, so that one `beta` serves all sizes.
"""

import math

import numpy as np
from numpy.typing import NDArray

SPEED_CUTOFF_HZ = 1.0
"""Cut-off of the speed's own low-pass filter. Source: Casiez et al. 2012, section 3."""


class OneEuro:
    """The filter of one person's keypoints."""

    def __init__(self, *, min_cutoff_hz: float, beta: float) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._time_s: float | None = None
        self._points = np.zeros((0, 2))
        self._speed = np.zeros((0, 2))

    def __call__(self, points_px: NDArray[np.float64], *, time_s: float, side_px: float) -> NDArray[np.float64]:
        """The next frame's keypoints, filtered.

        Args:
            points_px: (K, 2).
            time_s: later than the last frame's.
            side_px: of the person, > 0: what speed is measured in.

        Returns:
            (K, 2) px.
        """
        if self._time_s is None or time_s <= self._time_s:
            self._points, self._speed = points_px.copy(), np.zeros_like(points_px)
        else:
            step_s = time_s - self._time_s
            speed = (points_px - self._points) / (side_px * step_s)
            self._speed = _mixed(self._speed, speed, alpha=smoothing_factor(step_s, SPEED_CUTOFF_HZ))
            cutoff_hz = self._min_cutoff_hz + self._beta * np.abs(self._speed)
            self._points = _mixed(self._points, points_px, alpha=smoothing_factor(step_s, cutoff_hz))
        self._time_s = time_s
        return self._points.copy()


def smoothing_factor(step_s: float, cutoff_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Weight of the new value in an exponential filter of that cut-off, in (0, 1)."""
    turn = 2 * math.pi * np.asarray(cutoff_hz, dtype=np.float64) * step_s
    return turn / (turn + 1)


def _mixed(old: NDArray[np.float64], new: NDArray[np.float64], *, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    return alpha * new + (1 - alpha) * old
