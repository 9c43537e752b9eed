"""The inner iteration of TV-L1 in one sweep over the rows, the dual variables one row behind the flow.

For every pixel, with I = I1 warped by the flow at the last linearisation, and rho(u) the brightness difference that a
flow u leaves:

    v  = u + clamp(-rho(u) / |grad I|^2, -lambda theta, lambda theta) grad I      (thresholding)
    u' = v + theta div p
    p' = (p + tau/theta grad u') / (1 + tau/theta |grad u'|)                      (for each component of u)

Row y of u' needs rows y and y - 1 of the old p; row y - 1 of p' needs rows y - 1 and y of u'. So a sweep updates row y
of u and then row y - 1 of p: the same recurrence, each value touched once. Further sweeps can follow one row behind
(`stages`), while what they need is still in the cache.

Source: Zach, Pock, Bischof (2007), equations 12-17; discretisation as in OpenCV's DualTVL1: forward differences of u
(zero past the last row and column), backward differences of p (zero before the first).
"""

# ruff: noqa: PLR0917  # kernels take no keywords

import numpy as np
from numba import njit

from pfa_core.tvl1.simd import (
    LANES,
    Floats,
    Vec,
    inverse,
    inverse_root,
    keep,
    larger,
    load,
    smaller,
    splat,
    store,
    total,
)

U, V, PUX, PUY, PVX, PVY, GX, GY, RHO, SLOPE = range(10)
"""Planes: flow (x, y), duals of each, warped gradient (x, y), brightness difference at u = 0, -1 / |gradient|^2."""

TINY = np.float32(1e-20)
"""Keeps 1 / sqrt(|grad u|^2) finite where u is flat."""


@njit(fastmath=True, nogil=True, error_model="numpy")
def flow_step(
    f: Floats, o: int, n: int, stride: int, theta: np.float32, limit: np.float32
) -> tuple[Vec, Vec, Vec, Vec]:
    """u' - u for LANES pixels at offset `o`: (u, v, change of u, change of v)."""
    u, v = load(f, o), load(f, V * n + o)
    gx, gy = load(f, GX * n + o), load(f, GY * n + o)
    rho = load(f, RHO * n + o) + gx * u + gy * v
    step = smaller(larger(rho * load(f, SLOPE * n + o), splat(-limit)), splat(limit))
    div_u = load(f, PUX * n + o) - load(f, PUX * n + o - 1) + (load(f, PUY * n + o) - load(f, PUY * n + o - stride))
    div_v = load(f, PVX * n + o) - load(f, PVX * n + o - 1) + (load(f, PVY * n + o) - load(f, PVY * n + o - stride))
    return u, v, step * gx + splat(theta) * div_u, step * gy + splat(theta) * div_v


@njit(fastmath=True, nogil=True, error_model="numpy")
def dual_step(f: Floats, px: int, py: int, dx: Vec, dy: Vec, o: int, taut: np.float32) -> None:
    """p' for LANES pixels at offset `o` of the planes that begin at `px` and `py`, given the gradient of u'.

    Written as p + (taut grad u - taut |grad u| p) / (1 + taut |grad u|), in which the estimates of the root and of the
    reciprocal scale the step and leave its fixed point where it is.
    """
    square = dx * dx + (dy * dy + splat(TINY))
    length = square * inverse_root(square)
    rate = splat(taut) * inverse(splat(np.float32(1)) + splat(taut) * length)
    decay = rate * length
    x, y = load(f, px + o), load(f, py + o)
    store(f, px + o, x + rate * dx - decay * x)
    store(f, py + o, y + rate * dy - decay * y)


@njit(fastmath=True, nogil=True, error_model="numpy")
def flow_row(
    f: Floats, start: int, n: int, width: int, stride: int, theta: np.float32, limit: np.float32
) -> np.float32:
    """Update u in the row at offset `start`; its sum of squared changes."""
    error = splat(np.float32(0))
    for x in range(0, width, LANES):
        o = start + x
        u, v, du, dv = flow_step(f, o, n, stride, theta, limit)
        store(f, o, u + du)
        store(f, V * n + o, v + dv)
        change = du * du + dv * dv
        error = error + (change if x + LANES <= width else keep(change, width - x))
    close_row(f, start, n, width)
    return total(error)


@njit(fastmath=True, nogil=True, error_model="numpy")
def close_row(f: Floats, start: int, n: int, width: int) -> None:
    """Repeat the last pixel of u, so that its forward difference is zero."""
    f[start + width] = f[start + width - 1]
    f[V * n + start + width] = f[V * n + start + width - 1]


@njit(fastmath=True, nogil=True, error_model="numpy")
def both_rows(
    f: Floats,
    start: int,
    n: int,
    width: int,
    stride: int,
    theta: np.float32,
    limit: np.float32,
    taut: np.float32,
) -> np.float32:
    """Update u in the row at offset `start` and p in the row above it; the sum of squared changes of u."""
    error = splat(np.float32(0))
    for x in range(0, width, LANES):
        o = start + x
        above = o - stride
        u, v, du, dv = flow_step(f, o, n, stride, theta, limit)
        u, v = u + du, v + dv
        store(f, o, u)
        store(f, V * n + o, v)
        change = du * du + dv * dv
        error = error + (change if x + LANES <= width else keep(change, width - x))
        a, b = load(f, above), load(f, V * n + above)
        dual_step(f, PUX * n, PUY * n, load(f, above + 1) - a, u - a, above, taut)
        dual_step(f, PVX * n, PVY * n, load(f, V * n + above + 1) - b, v - b, above, taut)
    close_row(f, start, n, width)
    return total(error)


@njit(fastmath=True, nogil=True, error_model="numpy")
def last_dual_row(f: Floats, start: int, n: int, width: int, taut: np.float32) -> None:
    """Update p in the last row, below which u does not change."""
    zero = splat(np.float32(0))
    for x in range(0, width, LANES):
        o = start + x
        dual_step(f, PUX * n, PUY * n, load(f, o + 1) - load(f, o), zero, o, taut)
        dual_step(f, PVX * n, PVY * n, load(f, V * n + o + 1) - load(f, V * n + o), zero, o, taut)


@njit(fastmath=True, nogil=True, error_model="numpy")
def sweep(
    f: Floats,
    n: int,
    origin: int,
    height: int,
    width: int,
    stride: int,
    stages: int,
    theta: np.float32,
    limit: np.float32,
    taut: np.float32,
    changes: Floats,
) -> None:
    """`stages` inner iterations in one pass over the planes `f`; the sum of squared changes of u in each: `changes`."""
    changes[:stages] = 0
    for front in range(height + stages):
        for stage in range(stages):
            y = front - stage
            start = origin + y * stride
            if 0 < y < height:
                changes[stage] += both_rows(f, start, n, width, stride, theta, limit, taut)
            elif y == 0:
                changes[stage] += flow_row(f, start, n, width, stride, theta, limit)
            elif y == height:
                last_dual_row(f, start - stride, n, width, taut)
