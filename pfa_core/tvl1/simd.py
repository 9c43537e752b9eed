"""Vectors of 16 float32 inside numba kernels, with arithmetic spelled as usual.

numba leaves vectorising to LLVM, which gives up on an index `x - 1` or on arrays that might overlap. These few
intrinsics say plainly what is meant; LLVM maps them onto whatever the processor has (one AVX-512 register, two of
AVX2, four of NEON). A vector lives in registers only: it is loaded from an array, computed with, and stored.

Arrays are C-contiguous and addressed by element offset. Nothing is checked: callers pad their arrays.
"""

# ruff: noqa: ARG001, PLR0917  # numba dictates the parameters of intrinsics

import operator
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model
from numpy.typing import NDArray

LANES = 16
"""Elements of a vector."""

HAS_AVX512 = bool(get_host_cpu_features().get("avx512f", False)) and getattr(config, "CPU_NAME", None) is None
"""Whether roots and reciprocals of 16 lanes can be estimated at once. Not used where NUMBA_CPU_NAME names another
processor to compile for."""

Floats = NDArray[np.float32]
Llvm = Any
"""An object of numba's or llvmlite's, which have no types to tell."""


class Vec(Protocol):
    """A vector as a kernel sees it, for the type checker."""

    def __add__(self, other: "Vec") -> "Vec": ...
    def __sub__(self, other: "Vec") -> "Vec": ...
    def __mul__(self, other: "Vec") -> "Vec": ...


find_function: Llvm = cgutils.get_or_insert_function
"""A function of LLVM's by its name."""

_F32, _I32 = ir.FloatType(), ir.IntType(32)
_VF, _VI = ir.VectorType(_F32, LANES), ir.VectorType(_I32, LANES)
_FAST = ("fast",)


class VecType(types.Type):
    """numba's name for LANES float32."""

    def __init__(self) -> None:
        super().__init__(name="Vec16f")


vec = VecType()


@register_model(VecType)
class _VecModel(models.PrimitiveModel):
    def __init__(self, dmm: Llvm, fe_type: Llvm) -> None:
        super().__init__(dmm, fe_type, _VF)  # type: ignore[no-untyped-call]  # numba has types in places only


def vector_operation(function: Callable[..., Any]) -> Llvm:
    """numba's `intrinsic`, under a name without its types: kernels call it without the typing context."""
    return intrinsic(prefer_literal=True)(function)


def address(context: Llvm, builder: Llvm, array_type: Llvm, array: Llvm, offset: Llvm, as_type: Llvm) -> Llvm:
    """Where element `offset` of an array lies, as a pointer to `as_type`. For use inside intrinsics."""
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [offset]), as_type.as_pointer())


def constant(value: float, kind: Llvm = _VF) -> Llvm:
    """A vector with the same value in every lane. For use inside intrinsics."""
    return ir.Constant(kind, [value] * kind.count)


def spread(builder: Llvm, scalar: Llvm) -> Llvm:
    """A scalar in every lane. For use inside intrinsics."""
    kind = ir.VectorType(scalar.type, LANES)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, one, constant(0, _VI))


def lesser(builder: Llvm, a: Llvm, b: Llvm) -> Llvm:
    """The smaller of each lane. For use inside intrinsics."""
    return builder.select(builder.fcmp_ordered("<", a, b, flags=_FAST), a, b)


def greater(builder: Llvm, a: Llvm, b: Llvm) -> Llvm:
    """The larger of each lane. For use inside intrinsics."""
    return builder.select(builder.fcmp_ordered(">", a, b, flags=_FAST), a, b)


@vector_operation
def load(typingctx: Llvm, array: Llvm, offset: Llvm) -> Llvm:
    """array[offset : offset + LANES], float32."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        return builder.load(address(context, builder, signature.args[0], args[0], args[1], _VF), align=4)

    return vec(array, types.intp), codegen


@vector_operation
def store(typingctx: Llvm, array: Llvm, offset: Llvm, value: Llvm) -> Llvm:
    """array[offset : offset + LANES] = value, float32."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        builder.store(args[2], address(context, builder, signature.args[0], args[0], args[1], _VF), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vec), codegen


@vector_operation
def store_whole(typingctx: Llvm, array: Llvm, offset: Llvm, value: Llvm) -> Llvm:
    """array[offset : offset + LANES] = value, int32; the value must hold whole numbers."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        whole = builder.fptosi(args[2], _VI)
        builder.store(whole, address(context, builder, signature.args[0], args[0], args[1], _VI), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vec), codegen


@vector_operation
def splat(typingctx: Llvm, value: Llvm) -> Llvm:
    """A float32 in every lane."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        return spread(builder, args[0])

    return vec(types.float32), codegen


@vector_operation
def ramp(typingctx: Llvm) -> Llvm:
    """0, 1, 2, ... LANES - 1."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        return ir.Constant(_VF, [float(i) for i in range(LANES)])

    return vec(), codegen


@vector_operation
def keep(typingctx: Llvm, a: Llvm, count: Llvm) -> Llvm:
    """The first `count` lanes of `a`, zeros after them."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        lane = ir.Constant(_VI, list(range(LANES)))
        inside = builder.icmp_signed("<", lane, spread(builder, builder.trunc(args[1], _I32)))
        return builder.select(inside, args[0], constant(0.0))

    return vec(vec, types.intp), codegen


@vector_operation
def total(typingctx: Llvm, a: Llvm) -> Llvm:
    """The sum of all lanes."""

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        kind = ir.FunctionType(_F32, [_F32, _VF])
        add = find_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(add, [ir.Constant(_F32, 0.0), args[0]], fastmath=_FAST)

    return types.float32(vec), codegen


def _elementwise(num_args: int, emit: Callable[..., Llvm], doc: str) -> Llvm:
    """An intrinsic of one or two vectors that works lane by lane."""
    kind = vec(*[vec] * num_args)

    def codegen(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        return emit(builder, *args)

    @vector_operation
    def unary(typingctx: Llvm, a: Llvm) -> Llvm:
        return kind, codegen

    @vector_operation
    def binary(typingctx: Llvm, a: Llvm, b: Llvm) -> Llvm:
        return kind, codegen

    operation = unary if num_args == 1 else binary
    operation.__doc__ = doc
    return operation


def _llvm(name: str, *, mask: bool = False) -> Callable[..., Llvm]:
    """Emit a call of one of LLVM's own functions on vectors."""

    def emit(builder: Llvm, a: Llvm) -> Llvm:
        sixteen = ir.IntType(16)
        kinds = [_VF, _VF, sixteen] if mask else [_VF]
        function = find_function(builder.module, ir.FunctionType(_VF, kinds), name)
        if mask:
            return builder.call(function, [a, constant(0.0), ir.Constant(sixteen, -1)])
        return builder.call(function, [a], fastmath=_FAST)

    return emit


def _exact_inverse(builder: Llvm, a: Llvm) -> Llvm:
    return builder.fdiv(constant(1.0), a, flags=_FAST)


def _exact_inverse_root(builder: Llvm, a: Llvm) -> Llvm:
    return _exact_inverse(builder, _llvm(f"llvm.sqrt.v{LANES}f32")(builder, a))


smaller = _elementwise(2, lesser, "The smaller of each lane.")
larger = _elementwise(2, greater, "The larger of each lane.")
round_down = _elementwise(1, _llvm(f"llvm.floor.v{LANES}f32"), "The largest whole number not above each lane.")
exact_inverse = _elementwise(1, _exact_inverse, "1 / a of each lane.")
exact_inverse_root = _elementwise(1, _exact_inverse_root, "1 / sqrt(a) of each lane, a > 0.")

_estimate = _llvm("llvm.x86.avx512.rcp14.ps.512", mask=True)
_estimate_root = _llvm("llvm.x86.avx512.rsqrt14.ps.512", mask=True)
inverse = _elementwise(1, _estimate if HAS_AVX512 else _exact_inverse, "1 / a to a relative error of 2**-14.")
inverse_root = _elementwise(
    1, _estimate_root if HAS_AVX512 else _exact_inverse_root, "1 / sqrt(a), a > 0, to a relative error of 2**-14."
)

_add = _elementwise(2, lambda builder, a, b: builder.fadd(a, b, flags=_FAST), "a + b")
_sub = _elementwise(2, lambda builder, a, b: builder.fsub(a, b, flags=_FAST), "a - b")
_mul = _elementwise(2, lambda builder, a, b: builder.fmul(a, b, flags=_FAST), "a * b")


def _spell(symbol: Llvm, operation: Llvm) -> None:
    @overload(symbol)
    def spelled(a: Llvm, b: Llvm) -> Llvm:
        def call(a: Llvm, b: Llvm) -> Llvm:
            return operation(a, b)

        return call if isinstance(a, VecType) and isinstance(b, VecType) else None


for _symbol, _operation in ((operator.add, _add), (operator.sub, _sub), (operator.mul, _mul)):
    _spell(_symbol, _operation)
