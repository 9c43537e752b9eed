"""A linear layer over a concatenation, applied to the parts one by one.

Axes: N rows of a part, F features of a part, U units, P parts.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def split_linear(parts: Sequence[Tensor], weight: Tensor) -> tuple[Tensor, ...]:
    """Each part times its own columns of the weight: their sum is the layer's answer to the parts side by side.

    The weight's gradient is written straight into its place; autograd would make it of P pieces that it copies
    together, which costs more than the products where the batch is small.

    Shape: P of (N, F), whose N may differ, and (U, P F) -> P of (N, U). All of the parts' dtype, also under autocast.
    """
    weight = weight.to(parts[0].dtype)
    with torch.autocast(weight.device.type, enabled=False):
        if torch.is_grad_enabled() and weight.requires_grad:
            answers: tuple[Tensor, ...] = _WithGradient.apply(weight, *parts)  # type: ignore[no-untyped-call]  # torch's own
            return answers
        return _products(weight, parts)


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401  # torch gives it no type
        ctx.save_for_backward(weight, *parts)
        return _products(weight, parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401  # as above
        weight, *parts = ctx.saved_tensors
        of_weight = torch.empty_like(weight)
        for gradient, part, place in zip(gradients, parts, _columns(of_weight, parts), strict=True):
            torch.mm(gradient.t(), part, out=place)
        columns = _columns(weight, parts)
        return of_weight, *(gradient @ own for gradient, own in zip(gradients, columns, strict=True))


def _products(weight: Tensor, parts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(part @ own.t() for part, own in zip(parts, _columns(weight, parts), strict=True))


def _columns(weight: Tensor, parts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The parts' own columns, views of (U, F)."""
    return weight.split([part.shape[1] for part in parts], dim=1)
