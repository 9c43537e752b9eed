"""Where the kernels keep their images: one float32 array that holds padded planes one after the other.

A plane has `rows` rows of `stride` elements; pixel (x, y) lies at `origin + y * stride + x`. Around the image are
LANES columns on each side, so that a vector may reach over an edge and rows begin at cache lines, and two rows above
and below, as far as the median reaches. What padding holds is said where it matters.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfa_core.tvl1.simd import LANES

EDGE_ROWS = 2
_LINE = 16
"""float32 in a cache line of 64 bytes."""
_PAGE = 1024
"""float32 in 4096 bytes: two addresses that agree modulo this are slow to tell apart, so planes are shifted."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How an image of (height, width) lies in a plane. Offsets and lengths in elements."""

    height: int
    width: int

    @property
    def stride(self) -> int:
        return -(-self.width // LANES) * LANES + 2 * LANES

    @property
    def origin(self) -> int:
        return EDGE_ROWS * self.stride + LANES

    @property
    def plane(self) -> int:
        """From a plane to the next."""
        used = (self.height + 2 * EDGE_ROWS) * self.stride
        return -(-used // _PAGE) * _PAGE + 5 * _LINE

    def allocate(self, num_planes: int) -> NDArray[np.float32]:
        """Zeros for so many planes, beginning at a cache line."""
        return aligned_zeros(num_planes * self.plane)

    def view(self, planes: NDArray[np.float32], index: int) -> NDArray[np.float32]:
        """Plane `index` without its padding: (height, width), to read and to write."""
        start = index * self.plane
        rows = planes[start : start + (self.height + 2 * EDGE_ROWS) * self.stride].reshape(-1, self.stride)
        return rows[EDGE_ROWS : EDGE_ROWS + self.height, LANES : LANES + self.width]


def aligned_zeros(num_elements: int) -> NDArray[np.float32]:
    """(num_elements,) float32 zeros that begin at a cache line."""
    raw = np.zeros(num_elements + _LINE, np.float32)
    start = -(raw.ctypes.data // 4) % _LINE
    return raw[start : start + num_elements]
