"""The median of 5 x 5 neighbourhoods, 16 pixels at a time, by sorting networks that neighbours share.

1. Every column of five is sorted: once per pixel, for the five windows that hold it.
2. Neighbouring columns are merged into ten ascending values: once per pixel, for two windows.
3. A window is two such pairs and one column; LLVM drops what does not reach the median.

Borders repeat the edge, as in OpenCV's medianBlur.
"""

# ruff: noqa: ARG001, PLR0917  # numba dictates the parameters of intrinsics, and kernels take no keywords

from functools import partial

from llvmlite import ir
from numba import njit, types

from pfa_core.tvl1.networks import median_25, merge, sort_five
from pfa_core.tvl1.planes import EDGE_ROWS
from pfa_core.tvl1.simd import LANES, Floats, Llvm, address, greater, lesser, vector_operation

_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _loads(context: Llvm, builder: Llvm, array_type: Llvm, array: Llvm, offset: Llvm, count: Llvm, step: Llvm) -> Llvm:
    """Vectors at `offset`, `offset + step`, ..."""
    found = []
    for i in range(count):
        at = builder.add(offset, builder.mul(step, ir.Constant(step.type, i)))
        found.append(builder.load(address(context, builder, array_type, array, at, _VECTOR), align=4))
    return found


def _stores(
    context: Llvm, builder: Llvm, array_type: Llvm, array: Llvm, offset: Llvm, values: Llvm, step: Llvm
) -> Llvm:
    for i, value in enumerate(values):
        at = builder.add(offset, builder.mul(step, ir.Constant(step.type, i)))
        builder.store(value, address(context, builder, array_type, array, at, _VECTOR), align=4)


@vector_operation
def sort_columns(typingctx: Llvm, source: Llvm, offset: Llvm, pitch: Llvm, out: Llvm, at: Llvm, step: Llvm) -> Llvm:
    """Sort the five values below each of LANES pixels; rank k goes to out[at + k * step :]."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        kinds = signature.args
        five = _loads(context, builder, kinds[0], args[0], args[1], 5, args[2])
        ranks = sort_five(five, partial(lesser, builder), partial(greater, builder))
        _stores(context, builder, kinds[3], args[3], args[4], ranks, args[5])
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, out, types.intp, types.intp), codegen


@vector_operation
def merge_columns(typingctx: Llvm, columns: Llvm, at: Llvm, step: Llvm, out: Llvm) -> Llvm:
    """Merge each sorted column with its right neighbour; rank k goes to out[at + k * step :]."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        columns_type, _, _, out_type = signature.args
        beside = builder.add(args[1], ir.Constant(args[1].type, 1))
        left = _loads(context, builder, columns_type, args[0], args[1], 5, args[2])
        right = _loads(context, builder, columns_type, args[0], beside, 5, args[2])
        ranks = merge(left, right, partial(lesser, builder), partial(greater, builder))
        _stores(context, builder, out_type, args[3], args[1], ranks, args[2])
        return context.get_dummy_value()

    return types.void(columns, types.intp, types.intp, out), codegen


@vector_operation
def store_median(typingctx: Llvm, columns: Llvm, pairs: Llvm, at: Llvm, step: Llvm, out: Llvm, offset: Llvm) -> Llvm:
    """out[offset : offset + LANES] = the medians of the windows whose middle column is at `at`."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        columns_type, pairs_type, _, _, out_type, _ = signature.args

        def beside(shift: int) -> Llvm:
            return builder.add(args[2], ir.Constant(args[2].type, shift))

        first = _loads(context, builder, pairs_type, args[1], beside(-2), 10, args[3])
        second = _loads(context, builder, pairs_type, args[1], args[2], 10, args[3])
        five = _loads(context, builder, columns_type, args[0], beside(2), 5, args[3])
        value = median_25(first, second, five, partial(lesser, builder), partial(greater, builder))
        builder.store(value, address(context, builder, out_type, args[4], args[5], _VECTOR), align=4)
        return context.get_dummy_value()

    return types.void(columns, pairs, types.intp, types.intp, out, types.intp), codegen


@njit(fastmath=True, nogil=True, error_model="numpy")
def copy_with_edges(f: Floats, plane: int, out: Floats, origin: int, height: int, width: int, stride: int) -> None:
    """Copy a plane to `out` and repeat its edges twice on every side."""
    for y in range(-EDGE_ROWS, height + EDGE_ROWS):
        start = origin + y * stride
        source = plane + origin + min(max(y, 0), height - 1) * stride
        out[start : start + width] = f[source : source + width]
        for k in range(1, 3):
            out[start - k] = f[source]
            out[start + width + k - 1] = f[source + width - 1]


@njit(fastmath=True, nogil=True, error_model="numpy")
def median_5(
    f: Floats,
    plane: int,
    origin: int,
    height: int,
    width: int,
    stride: int,
    copy: Floats,
    columns: Floats,
    pairs: Floats,
) -> None:
    """Replace a plane by the medians of its 5 x 5 neighbourhoods.

    Args:
        f: the planes.
        plane: where the plane begins.
        origin, height, width, stride: its layout.
        copy: (a plane,) float32 scratch.
        columns, pairs: (5 * stride,) and (10 * stride,) float32 scratch.
    """
    copy_with_edges(f, plane, copy, origin, height, width, stride)
    for y in range(height):
        start = origin + y * stride
        for x in range(-2, width + 2, LANES):
            sort_columns(copy, start + x - 2 * stride, stride, columns, LANES + x, stride)
        for x in range(-2, width, LANES):
            merge_columns(columns, LANES + x, stride, pairs)
        for x in range(0, width, LANES):
            store_median(columns, pairs, LANES + x, stride, f, plane + start + x)
