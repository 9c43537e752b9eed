"""One level of the pyramid, solved; and how the kernels are compiled and kept.

Everything below `solve` is inlined into it, so it is the one kernel to keep between runs (with `interleave`). numba
would keep a kernel until the file that defines it changes; ours are spread over a folder, so a fingerprint of that
folder is woven into them. Where no cache can be written they are compiled in every process, which takes seconds.
"""

# ruff: noqa: PLR0917  # kernels take no keywords

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pfa_core.tvl1 import warp as warping
from pfa_core.tvl1.iterate import SLOPE, U, V, sweep
from pfa_core.tvl1.median import median_5
from pfa_core.tvl1.simd import Floats
from pfa_core.tvl1.warp import warp

FIRST = SLOPE + 1
"""The plane that holds I0."""
COPY = FIRST + 1
"""A plane for the median to work from."""
NUM_PLANES = COPY + 1

MAX_STAGES = 3
"""Most inner iterations per sweep."""
DECAY = np.float32(0.7)
"""An iteration leaves at least this share of the change of the one before (0.8 to 0.95 is usual): so many iterations
may share a sweep that the stopping rule is not overrun."""


@njit(fastmath=True, nogil=True, error_model="numpy")
def relax(
    f: Floats,
    n: int,
    origin: int,
    height: int,
    width: int,
    stride: int,
    inner: int,
    before: np.float32,
    limits: tuple[np.float32, np.float32, np.float32, np.float32],
) -> np.float32:
    """Up to `inner` inner iterations; the last one's sum of squared changes, given the one `before` them."""
    theta, limit, taut, enough = limits
    error = before
    done = 0
    while done < inner and error > enough:
        stages, expected = 1, error * DECAY
        while stages < min(MAX_STAGES, inner - done) and expected > enough:
            stages += 1
            expected *= DECAY
        error = sweep(f, n, origin, height, width, stride, stages, theta, limit, taut)
        done += stages
    return error


def fingerprint() -> str:
    """A checksum of the sources of all kernels."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as a kernel that is kept between runs where a cache can be written."""
    try:
        return njit(fastmath=True, nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # numba found no folder to write to
        return njit(fastmath=True, nogil=True, error_model="numpy")(function)


def make_solve(sources: str) -> Callable[..., None]:
    """`solve` for kernels with this fingerprint."""

    def solve(
        f: Floats,
        source: Floats,
        n: int,
        origin: int,
        height: int,
        width: int,
        stride: int,
        whole: NDArray[np.int32],
        rows: Floats,
        warps: int,
        outer: int,
        inner: int,
        median: int,
        limits: tuple[np.float32, np.float32, np.float32, np.float32],
    ) -> None:
        """All warps of a level, from the flow in the planes U and V of `f`, in place.

        Args:
            f: NUM_PLANES planes of `n` elements each; U, V and FIRST filled.
            source: `interleave`d I1, flattened.
            n, origin, height, width, stride: the planes' layout.
            whole: (2 * stride,) int32 scratch.
            rows: (27 * stride,) float32 scratch.
            warps, outer, inner, median: as in TvL1Config.
            limits: theta, lambda theta, tau / theta, and the sum of squared changes at which to stop.
        """
        _ = sources
        f[2 * n : 6 * n] = np.float32(0)
        weights, row = rows[: 8 * stride], rows[8 * stride : 12 * stride]
        columns, pairs = rows[12 * stride : 17 * stride], rows[17 * stride :]
        copy = f[COPY * n :]
        for _ in range(warps):
            warp(f, f[FIRST * n : COPY * n], source, n, origin, height, width, stride, whole, weights, row)
            error = np.float32(np.inf)
            for _ in range(outer):
                if error <= limits[3]:
                    break
                if median == 5:
                    median_5(f, U * n, origin, height, width, stride, copy, columns, pairs)
                    median_5(f, V * n, origin, height, width, stride, copy, columns, pairs)
                error = relax(f, n, origin, height, width, stride, inner, error, limits)

    return compiled(solve)


def make_interleave(sources: str) -> Callable[..., None]:
    """`warp.interleave` for kernels with this fingerprint.

    It closes over nothing but text: numba finds a kernel again by what it closes over, and would compile it anew in
    every process, and keep every copy, if that were another kernel.
    """

    def interleave(image: Floats, out: Floats) -> None:
        _ = sources
        warping.interleave(image, out)

    return compiled(interleave)
