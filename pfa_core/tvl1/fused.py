"""TV-L1 with fused kernels: the algorithm and the parameters of OpenCV's DualTVL1, many times faster per core.

What makes it fast: `iterate` (several inner iterations in one sweep), `warp` and `median` (explicit vectors, shared
work), and buffers that are kept from pair to pair. What differs from OpenCV is rounding: in the warp, where positions
are not rounded first, and in the dual step, where roots and reciprocals are estimates.

Source: Zach, Pock, Bischof (2007); Sanchez, Meinhardt-Llopis, Facciolo (IPOL 2013); OpenCV's tvl1flow.cpp.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.config.flow import TvL1Config
from pfa_core.errors import ConfigInvalid
from pfa_core.tvl1.iterate import U, V
from pfa_core.tvl1.level import FIRST, MAX_STAGES, NUM_PLANES, fingerprint, make_interleave, make_solve
from pfa_core.tvl1.planes import Layout, aligned_zeros
from pfa_core.tvl1.warp import BORDER

MIN_SIDE_PX = 16
"""The pyramid ends before a level with a shorter side."""

_SOURCES = fingerprint()
solve = make_solve(_SOURCES)
interleave = make_interleave(_SOURCES)


@dataclass(frozen=True, slots=True)
class _Level:
    """Buffers of one level of the pyramid."""

    layout: Layout
    planes: NDArray[np.float32]
    source: NDArray[np.float32]
    """(H + 2 BORDER, W + 2 BORDER, 4): I1 and its gradient, interleaved."""
    whole: NDArray[np.int32]
    rows: NDArray[np.float32]

    @staticmethod
    def of(height: int, width: int) -> "_Level":
        layout = Layout(height, width)
        return _Level(
            layout,
            layout.allocate(NUM_PLANES),
            aligned_zeros((height + 2 * BORDER) * (width + 2 * BORDER) * 4).reshape(
                height + 2 * BORDER, width + 2 * BORDER, 4
            ),
            np.zeros(2 * layout.stride, np.int32),
            aligned_zeros(27 * layout.stride),
        )


class FusedTvL1:
    """TV-L1 for pairs of one size. A `FlowEngine`; holds about 64 bytes per pixel of each level."""

    def __init__(self, config: TvL1Config, *, size: tuple[int, int], max_stages: int = MAX_STAGES) -> None:
        """An engine for images of `size` (H, W).

        Args:
            config: parameters.
            size: (H, W) of the images.
            max_stages: most inner iterations per sweep, 1 to MAX_STAGES. The flow does not depend on it.

        Raises:
            ConfigInvalid: a median of side 3, which no kernel does.
        """
        if config.median_size == 3:
            raise ConfigInvalid("the fused flow backend has medians of side 0 and 5 only; use opencv for 3")
        self._config = config
        self._size = size
        self._max_stages = max_stages
        self._levels: list[_Level] = []
        height, width = size
        for _ in range(config.num_scales):
            if self._levels and min(height, width) < MIN_SIDE_PX:
                break
            self._levels.append(_Level.of(height, width))
            height, width = round(height * config.scale_step), round(width * config.scale_step)

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `pfa_core.flow.FlowEngine`.

        Raises:
            ConfigInvalid: images of another size than the engine's. The kernels check nothing themselves.
        """
        for image in (first, second):
            if image.shape != self._size:
                raise ConfigInvalid(f"the flow engine is for images of {self._size}, got {image.shape}")
        self._fill(first, second)
        flow: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        for level in reversed(self._levels):
            for stages in (self._max_stages, 1):  # again, iteration by iteration, should it have gone too far
                self._start(level, flow)
                if self._solve(level, stages):
                    break
            u, v = (level.layout.view(level.planes, index) for index in (U, V))
            flow = u, v
        assert flow is not None
        return np.dstack(flow)

    def _start(self, level: _Level, coarser: tuple[NDArray[np.float32], NDArray[np.float32]] | None) -> None:
        """Put the flow of the level above into a level, or none."""
        planes = [level.layout.view(level.planes, index) for index in (U, V)]
        if coarser is None:
            for plane in planes:
                plane[...] = 0
            return
        size = (level.layout.width, level.layout.height)
        for coarse, fine in zip(coarser, planes, strict=True):
            grown = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
            np.multiply(grown, np.float32(1 / self._config.scale_step), out=fine)

    def _fill(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> None:
        """Build the pyramids of both images."""
        step = self._config.scale_step
        a, b = first.astype(np.float32), second.astype(np.float32)
        for index, level in enumerate(self._levels):
            if index:
                a, b = shrunk(a, step), shrunk(b, step)
            level.layout.view(level.planes, FIRST)[...] = a
            interleave(b, level.source)

    def _solve(self, level: _Level, stages: int) -> bool:
        """See `level.make_solve`."""
        c, layout = self._config, level.layout
        enough = c.epsilon**2 * layout.height * layout.width
        limits = tuple(np.float32(x) for x in (c.theta, c.lambda_ * c.theta, c.tau / c.theta, enough))
        solved: bool = solve(
            level.planes, level.source.reshape(-1), layout.plane, layout.origin, layout.height, layout.width,
            layout.stride, level.whole, level.rows, c.num_warps, c.outer_iterations, c.inner_iterations,
            c.median_size, stages, limits,
        )  # fmt: skip
        return solved


def shrunk(image: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    """The next level: bilinear, sampled every 1 / step px exactly, whatever the size is rounded to."""
    return np.asarray(cv2.resize(image, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR), np.float32)
