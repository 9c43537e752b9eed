"""Draw round cones by casting parallel rays: exact silhouettes, depth and shading for every sample.

P parts, (h, w) samples. Units are samples; x right, y down, z towards the viewer. A `Vector` is (x, y, z); numba keeps
such tuples in registers.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from pfa_core.puppet.looks import TILE

Vector = tuple[float, float, float]
_kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


class Parts(NamedTuple):
    """One frame's solids, see `parts.Solids`: (P, 3) each, `radius` (P, 2), `flat` and `material` (P,)."""

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    radius: NDArray[np.float64]
    grain: NDArray[np.float64]
    flat_along: NDArray[np.float64]
    flat: NDArray[np.float64]
    material: NDArray[np.int64]


class Cloth(NamedTuple):
    """The materials."""

    tiles: NDArray[np.float32]
    """(M, TILE, TILE, 3) RGB in [0, 1]."""
    texels: float
    """Texels of a tile per sample."""


class Light(NamedTuple):
    """Direction to the light, and how strong the light of the sky and of the lamp are."""

    towards: Vector
    sky: float
    lamp: float
    tint: Vector


class Sheet(NamedTuple):
    """What is drawn on: (h, w) each, `colour` (h, w, 3). Start with depth -inf and owner -1."""

    depth: NDArray[np.float64]
    owner: NDArray[np.int16]
    """Index of the part that is seen."""
    colour: NDArray[np.float32]


@_kernel
def _vector(row: Any) -> Vector:  # noqa: ANN401 - a row of an array, which numba types
    return (row[0], row[1], row[2])


@_kernel
def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@_kernel
def _plus(a: Vector, b: Vector, times: float) -> Vector:
    """a + times * b."""
    return (a[0] + times * b[0], a[1] + times * b[1], a[2] + times * b[2])


@_kernel
def _unit(a: Vector) -> Vector:
    size = 1.0 / (np.sqrt(_dot(a, a)) + 1e-12)
    return (a[0] * size, a[1] * size, a[2] * size)


@_kernel
def _meet(origin: Vector, ray: Vector, axis: Vector, radii: tuple[float, float]) -> tuple[float, Vector]:
    """Where a ray enters a round cone: the distance (inf where it misses) and the normal, not of unit length.

    Args:
        origin: from the centre of the first ball to the ray's origin.
        ray: unit.
        axis: from the centre of the first ball to that of the second.

    Source: I. Quilez, "intersectors", round cone; restated from its two conditions (tangent cone, two balls).
    """
    ra, rb = radii
    rr = ra - rb
    m0, m1, m2 = _dot(axis, axis), _dot(axis, origin), _dot(axis, ray)
    m3, m5 = _dot(ray, origin), _dot(origin, origin)
    d2 = m0 - rr * rr
    k2 = d2 - m2 * m2
    if k2 > 1e-6 and d2 > 1e-6:
        k1 = d2 * m3 - m1 * m2 + m2 * rr * ra
        k0 = d2 * m5 - m1 * m1 + m1 * rr * ra * 2.0 - m0 * ra * ra
        h = k1 * k1 - k0 * k2
        if h >= 0.0:
            t = (-np.sqrt(h) - k1) / k2
            along = m1 - ra * rr + t * m2
            if 0.0 < along < d2:
                point = _plus(origin, ray, t)
                scaled = (d2 * point[0], d2 * point[1], d2 * point[2])
                return t, _plus(scaled, axis, -along)
    best, normal = np.inf, (0.0, 0.0, 0.0)
    h = m3 * m3 - m5 + ra * ra
    if h > 0.0:
        best = -m3 - np.sqrt(h)
        normal = _plus(origin, ray, best)
    other = _plus(origin, axis, -1.0)
    m6 = _dot(other, ray)
    h = m6 * m6 - _dot(other, other) + rb * rb
    if h > 0.0 and -m6 - np.sqrt(h) < best:
        best = -m6 - np.sqrt(h)
        normal = _plus(other, ray, best)
    return best, normal


@_kernel
def _shade(tile: NDArray[np.float32], u: float, v: float, gain: Vector) -> Vector:
    """Bilinear look-up in a repeating tile (TILE, TILE, 3), times the light."""
    u0, v0 = np.floor(u), np.floor(v)
    fu, fv = u - u0, v - v0
    c0, r0 = int(u0) & (TILE - 1), int(v0) & (TILE - 1)
    c1, r1 = (c0 + 1) & (TILE - 1), (r0 + 1) & (TILE - 1)
    weights = ((1 - fu) * (1 - fv), fu * (1 - fv), (1 - fu) * fv, fu * fv)
    red = weights[0] * tile[r0, c0, 0] + weights[1] * tile[r0, c1, 0]
    red += weights[2] * tile[r1, c0, 0] + weights[3] * tile[r1, c1, 0]
    green = weights[0] * tile[r0, c0, 1] + weights[1] * tile[r0, c1, 1]
    green += weights[2] * tile[r1, c0, 1] + weights[3] * tile[r1, c1, 1]
    blue = weights[0] * tile[r0, c0, 2] + weights[1] * tile[r0, c1, 2]
    blue += weights[2] * tile[r1, c0, 2] + weights[3] * tile[r1, c1, 2]
    return (red * gain[0], green * gain[1], blue * gain[2])


@_kernel
def _draw(parts: Parts, p: int, cloth: Cloth, light: Light, sheet: Sheet) -> None:
    """Draw one part where nothing nearer is drawn."""
    start, end = _vector(parts.start[p]), _vector(parts.end[p])
    radii = (parts.radius[p, 0], parts.radius[p, 1])
    wide = max(radii) + 1.0
    height, width = sheet.depth.shape
    rows = (max(0, int(min(start[1], end[1]) - wide)), min(height, int(max(start[1], end[1]) + wide) + 1))
    columns = (max(0, int(min(start[0], end[0]) - wide)), min(width, int(max(start[0], end[0]) + wide) + 1))
    # space is stretched by 1 / flat along w, so that the part is round there; rays go away from the viewer
    w, more = _vector(parts.flat_along[p]), 1.0 / parts.flat[p] - 1.0
    first = _plus(start, w, more * _dot(w, start))
    axis = _plus(_plus(end, w, more * _dot(w, end)), first, -1.0)
    ray = _plus((0.0, 0.0, -1.0), w, -more * w[2])
    shorter = 1.0 / np.sqrt(_dot(ray, ray))
    ray = _unit(ray)
    # the texture runs along the part, and across it along `grain` with a share of the third direction
    down, grain = _unit(axis), _vector(parts.grain[p])
    if _dot(axis, axis) < 1e-6:
        down = (0.0, 1.0, 0.0)
    third = (
        down[1] * grain[2] - down[2] * grain[1],
        down[2] * grain[0] - down[0] * grain[2],
        down[0] * grain[1] - down[1] * grain[0],
    )
    across = _plus(grain, third, 0.7)
    tile = cloth.tiles[parts.material[p]]
    for row in range(rows[0], rows[1]):
        for column in range(columns[0], columns[1]):
            at = (column + 0.5, row + 0.5, 0.0)
            t, normal = _meet(_plus(_plus(at, w, more * _dot(w, at)), first, -1.0), ray, axis, radii)
            z = -t * shorter
            if z <= sheet.depth[row, column]:
                continue
            sheet.depth[row, column] = z
            sheet.owner[row, column] = p
            normal = _unit(_plus(normal, w, more * _dot(w, normal)))  # the stretch is symmetric
            lit = max(0.0, (_dot(normal, light.towards) + 0.15) / 1.15)
            sky = light.sky * (0.78 - 0.22 * normal[1]) * (0.62 + 0.38 * max(normal[2], 0.0))
            point = _plus((at[0], at[1], z), start, -1.0)
            u, v = _dot(point, across) * cloth.texels, _dot(point, down) * cloth.texels
            colour = _shade(tile, u, v, _plus((sky, sky, sky), light.tint, lit * light.lamp))
            for k in range(3):
                sheet.colour[row, column, k] = colour[k]


@_kernel
def cast(parts: Parts, cloth: Cloth, light: Light, sheet: Sheet) -> None:
    """Draw all parts on a sheet; the nearest is seen."""
    # the nearest first, so that what is hidden is not shaded
    for p in np.argsort(-(parts.start[:, 2] + parts.end[:, 2])):
        _draw(parts, p, cloth, light, sheet)


@_kernel
def lay_over(frame: NDArray[np.float32], sheet: Sheet, cover: NDArray[np.float32]) -> None:
    """Average 2 x 2 samples to a pixel and lay them over `frame` (H, W, 3) in [0, 1]; `cover` (H, W) gets the share."""
    for row in range(frame.shape[0]):
        for column in range(frame.shape[1]):
            count = 0
            red, green, blue = 0.0, 0.0, 0.0
            for i in range(2 * row, 2 * row + 2):
                for j in range(2 * column, 2 * column + 2):
                    if sheet.owner[i, j] >= 0:
                        count += 1
                        red += sheet.colour[i, j, 0]
                        green += sheet.colour[i, j, 1]
                        blue += sheet.colour[i, j, 2]
            cover[row, column] = count / 4
            if count:
                share = 1 - count / 4
                frame[row, column, 0] = frame[row, column, 0] * share + red / 4
                frame[row, column, 1] = frame[row, column, 1] * share + green / 4
                frame[row, column, 2] = frame[row, column, 2] * share + blue / 4
