"""Warping: I1 and its gradient at x + u(x) by bicubic interpolation, and the linearised brightness difference.

The three images are interleaved, so that the four taps of a row of the 4 x 4 neighbourhood are 16 neighbouring floats:
one vector. Zero outside the image and the cubic with a = -0.75, as in OpenCV's remap.
"""

# ruff: noqa: ARG001, PLR0917  # numba dictates the parameters of intrinsics, and kernels take no keywords

import numpy as np
from llvmlite import ir
from numba import njit, types
from numpy.typing import NDArray

from pfa_core.tvl1.iterate import GX, GY, RHO, SLOPE, V
from pfa_core.tvl1.simd import (
    LANES,
    Floats,
    Llvm,
    Vec,
    address,
    exact_inverse,
    larger,
    load,
    ramp,
    round_down,
    smaller,
    splat,
    store,
    store_whole,
    vec,
    vector_operation,
)

BORDER = 4
"""Zeros around the interleaved images, px: a neighbourhood that lies wholly outside reads them."""
CUBIC = np.float32(-0.75)
FLAT = np.float32(1e-7)
"""Below this squared gradient a pixel has no direction to move in."""

_F32, _I32 = ir.FloatType(), ir.IntType(32)


def _indices(values: list[int]) -> Llvm:
    return ir.Constant(ir.VectorType(_I32, len(values)), values)


@vector_operation
def store_interleaved(typingctx: Llvm, array: Llvm, offset: Llvm, a: Llvm, b: Llvm, c: Llvm, d: Llvm) -> Llvm:
    """array[offset : offset + 4 * LANES] = a[0], b[0], c[0], d[0], a[1], ..."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        both = _indices(list(range(2 * LANES)))
        left = builder.shuffle_vector(args[2], args[3], both)
        right = builder.shuffle_vector(args[4], args[5], both)
        order = _indices([part * LANES + lane for lane in range(LANES) for part in range(4)])
        kind = ir.VectorType(_F32, 4 * LANES)
        value = builder.shuffle_vector(left, right, order)
        builder.store(value, address(context, builder, signature.args[0], args[0], args[1], kind), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vec, vec, vec, vec), codegen


@vector_operation
def load_interleaved(typingctx: Llvm, array: Llvm, offset: Llvm, part: Llvm) -> Llvm:
    """array[offset + part], array[offset + part + 4], ...: LANES of them; `part` is a literal."""
    if not isinstance(part, types.IntegerLiteral):
        return None
    start = part.literal_value

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        kind = ir.VectorType(_F32, 4 * LANES)
        value = builder.load(address(context, builder, signature.args[0], args[0], args[1], kind), align=4)
        return builder.shuffle_vector(value, value, _indices([start + 4 * lane for lane in range(LANES)]))

    return vec(array, types.intp, part), codegen


@vector_operation
def load_each_four_times(typingctx: Llvm, array: Llvm, offset: Llvm) -> Llvm:
    """array[offset : offset + 4], every element repeated four times."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        kind = ir.VectorType(_F32, 4)
        value = builder.load(address(context, builder, signature.args[0], args[0], args[1], kind), align=4)
        return builder.shuffle_vector(value, value, _indices([lane // 4 for lane in range(LANES)]))

    return vec(array, types.intp), codegen


@vector_operation
def store_folded(typingctx: Llvm, array: Llvm, offset: Llvm, a: Llvm) -> Llvm:
    """array[offset : offset + 4] = the sum of the four quarters of `a`."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        value = args[2]
        lanes = LANES
        while lanes > 4:
            lanes //= 2
            low = builder.shuffle_vector(value, value, _indices(list(range(lanes))))
            high = builder.shuffle_vector(value, value, _indices(list(range(lanes, 2 * lanes))))
            value = builder.fadd(low, high, flags=("fast",))
        kind = ir.VectorType(_F32, 4)
        builder.store(value, address(context, builder, signature.args[0], args[0], args[1], kind), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vec), codegen


@njit(fastmath=True, nogil=True, error_model="numpy")
def interleave(image: Floats, out: Floats) -> None:
    """Fill `out` with an image and its centred gradient.

    Args:
        image: (H, W) float32.
        out: (H + 2 BORDER, W + 2 BORDER, 4) float32 whose border is zero; gets I, dI/dx, dI/dy and leaves the fourth.
    """
    height, width = image.shape
    half = np.float32(0.5)
    for y in range(height):
        above, below = image[max(y - 1, 0)], image[min(y + 1, height - 1)]
        row, line = image[y], out[y + BORDER]
        for x in range(width):
            line[x + BORDER, 0] = row[x]
            line[x + BORDER, 1] = half * (row[min(x + 1, width - 1)] - row[max(x - 1, 0)])
            line[x + BORDER, 2] = half * (below[x] - above[x])


@njit(fastmath=True, nogil=True, error_model="numpy")
def cubic_weights(t: Vec) -> tuple[Vec, Vec, Vec, Vec]:
    """Weights of the taps at -1, 0, 1 and 2 for a position `t` in [0, 1) after tap 0."""
    a, one = splat(CUBIC), splat(np.float32(1))
    s = one - t
    before = a * t * s * s
    after = a * s * t * t
    two, three = splat(CUBIC + np.float32(2)), splat(CUBIC + np.float32(3))
    here = (two * t - three) * t * t + one
    return before, here, one - before - here - after, after


@njit(fastmath=True, nogil=True, error_model="numpy")
def warp(
    f: Floats,
    first: Floats,
    source: Floats,
    n: int,
    origin: int,
    height: int,
    width: int,
    stride: int,
    whole: NDArray[np.int32],
    weights: Floats,
    row: Floats,
) -> None:
    """Linearise at the present flow: fill the planes GX, GY, RHO and SLOPE of `f`.

    Args:
        f: the planes; U and V are read.
        first: a plane with I0.
        source: `interleave`d I1, flattened.
        n, origin, height, width, stride: the planes' layout.
        whole: (2 * stride,) int32 scratch: whole parts of the coordinates of a row.
        weights: (2 * 4 * stride,) float32 scratch: their weights.
        row: (4 * stride,) float32 scratch: a row of the result, interleaved.
    """
    pitch = 4 * (width + 2 * BORDER)
    left = splat(np.float32(-3))
    right, bottom = splat(np.float32(width + 1)), splat(np.float32(height + 1))
    for y in range(height):
        start = origin + y * stride
        for x in range(0, width, LANES):
            at_x = ramp() + splat(np.float32(x)) + load(f, start + x)
            at_y = splat(np.float32(y)) + load(f, V * n + start + x)
            at_x = smaller(larger(at_x, left), right)
            at_y = smaller(larger(at_y, left), bottom)
            whole_x, whole_y = round_down(at_x), round_down(at_y)
            store_whole(whole, x, whole_x)
            store_whole(whole, stride + x, whole_y)
            a, b, c, d = cubic_weights(at_x - whole_x)
            store_interleaved(weights, 4 * x, a, b, c, d)
            a, b, c, d = cubic_weights(at_y - whole_y)
            store_interleaved(weights, 4 * stride + 4 * x, a, b, c, d)
        for x in range(width):
            o = (whole[stride + x] + (BORDER - 1)) * pitch + 4 * (whole[x] + (BORDER - 1))
            w = 4 * stride + 4 * x
            taps = load(source, o) * splat(weights[w])
            taps = taps + load(source, o + pitch) * splat(weights[w + 1])
            taps = taps + load(source, o + 2 * pitch) * splat(weights[w + 2])
            taps = taps + load(source, o + 3 * pitch) * splat(weights[w + 3])
            store_folded(row, 4 * x, taps * load_each_four_times(weights, 4 * x))
        for x in range(0, width, LANES):
            o = start + x
            image = load_interleaved(row, 4 * x, 0)
            gx, gy = load_interleaved(row, 4 * x, 1), load_interleaved(row, 4 * x, 2)
            square = larger(gx * gx + gy * gy, splat(FLAT))
            store(f, GX * n + o, gx)
            store(f, GY * n + o, gy)
            store(f, RHO * n + o, image - gx * load(f, o) - gy * load(f, V * n + o) - load(first, o))
            store(f, SLOPE * n + o, splat(np.float32(0)) - exact_inverse(square))
