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
LEAST_KEPT = tuple(np.float32(share) for share in (0.85, 0.12, 0.25, 0.35, 0.55, 0.65))
"""An inner iteration leaves at least this share of the change of the one before, by its place after a median (the first
is compared with the last before the median; the last share goes for all that follow). So many iterations share a sweep
that none but its last one should end below the limit. Observed, not proved: where it fails, `solve` says so."""


@njit(fastmath=True, nogil=True, error_model="numpy")
def stages_ahead(done: int, most: int, before: np.float32, enough: np.float32) -> int:
    """How many iterations may share a sweep after `done` since the median, the last of which changed `before`."""
    stages = 1
    expected = before * LEAST_KEPT[min(done, len(LEAST_KEPT) - 1)]
    while stages < most and expected > enough:
        expected *= LEAST_KEPT[min(done + stages, len(LEAST_KEPT) - 1)]
        stages += 1
    return stages


@njit(fastmath=True, nogil=True, error_model="numpy")
def relax(
    f: Floats,
    n: int,
    origin: int,
    height: int,
    width: int,
    stride: int,
    inner: int,
    stages: int,
    before: np.float32,
    changes: Floats,
    limits: tuple[np.float32, np.float32, np.float32, np.float32],
) -> tuple[np.float32, bool]:
    """1 to `inner` inner iterations, up to `stages` in a sweep, given the sum of squared changes `before` them (0: not
    known): the last one's, and whether each of the others was above the limit, as the stopping rule wants it."""
    theta, limit, taut, enough = limits
    error = before
    done = 0
    while done < inner and (done == 0 or error > enough):
        num = stages_ahead(done, min(stages, inner - done), error, enough)
        sweep(f, n, origin, height, width, stride, num, theta, limit, taut, changes)
        for stage in range(num - 1):
            if changes[stage] <= enough:
                return error, False
        error = changes[num - 1]
        done += num
    return error, True


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


def make_solve(sources: str) -> Callable[..., bool]:
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
        stages: int,
        limits: tuple[np.float32, np.float32, np.float32, np.float32],
    ) -> bool:
        """All warps of a level, from the flow in the planes U and V of `f`, in place.

        False: a sweep went on past the iteration at which to stop, and what is in the planes is worth nothing. With
        one stage that cannot be.

        Args:
            f: NUM_PLANES planes of `n` elements each; U, V and FIRST filled.
            source: `interleave`d I1, flattened.
            n, origin, height, width, stride: the planes' layout.
            whole: (2 * stride,) int32 scratch.
            rows: (27 * stride,) float32 scratch.
            warps, outer, inner, median: as in TvL1Config.
            stages: most inner iterations per sweep, 1 to MAX_STAGES.
            limits: theta, lambda theta, tau / theta, and the sum of squared changes at which to stop.
        """
        _ = sources
        f[2 * n : 6 * n] = np.float32(0)
        weights, row = rows[: 8 * stride], rows[8 * stride : 12 * stride]
        columns, pairs = rows[12 * stride : 17 * stride], rows[17 * stride :]
        copy = f[COPY * n :]
        changes = np.empty(MAX_STAGES, np.float32)
        for _ in range(warps):
            warp(f, f[FIRST * n : COPY * n], source, n, origin, height, width, stride, whole, weights, row)
            error = np.float32(0)
            for number in range(outer):
                if number and error <= limits[3]:
                    break
                if median == 5:
                    median_5(f, U * n, origin, height, width, stride, copy, columns, pairs)
                    median_5(f, V * n, origin, height, width, stride, copy, columns, pairs)
                error, exact = relax(f, n, origin, height, width, stride, inner, stages, error, changes, limits)
                if not exact:
                    return False
        return True

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
